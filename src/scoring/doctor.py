"""What is wrong, what to do about it, and how ready a project is to train.

Every finding is one sentence with its remedy; nothing here changes anything.
"""

import os
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from scoring.errors import ScoringError
from scoring.project import Project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoring.build.featureset import FeatureSet
    from scoring.check.tables import Tables
    from scoring.config import QuestionSection
    from scoring.words.catalogue import Message

Level = Literal["ok", "advice", "problem"]

# A horizon should leave room for most sales: the time by which this share of the won leads
# had been won.
HORIZON_COVERS = 0.8
USUAL_HORIZONS = (7, 14, 30, 60, 90, 180, 365)


@dataclass(frozen=True)
class Finding:
    """level, what was looked at, what was found, and what to do (empty where all is well)."""

    level: Level
    what: str
    found: str
    do: str = ""

    def to_json(self) -> dict[str, str]:
        return asdict(self)


def diagnose(project: Project, question: str, as_of: datetime) -> list[Finding]:
    """Look at settings, tables, readiness and the champion, in this order.

    A part that cannot be looked at becomes a finding itself, and what depends on it is left out.
    """
    try:
        model = project.model(question)
        sources = project.sources
    except ScoringError as error:
        return [Finding("problem", "settings", error.message, error.hint or "")]
    findings = [
        Finding(
            "ok",
            "settings",
            f"{len(sources)} source{'s' if len(sources) != 1 else ''}, question {question}: "
            f"{_asked(model.question)}, {model.question.label}",
        )
    ]
    findings += _crms(project)
    from scoring.check.tables import Tables

    try:
        tables = Tables.open(project)
    except ScoringError as error:
        return [*findings, Finding("problem", "tables", error.message, error.hint or "")]
    findings += _operation(project, tables, as_of)
    findings += _tables(tables)
    findings += _readiness(project, question, tables, as_of)
    findings += _attributes(project, question)
    findings += _champion(project, question, tables, as_of)
    return findings


def _crms(project: Project) -> list[Finding]:
    """Whether each CRM answers, and what its credentials may do: by the least calls there are."""
    findings = []
    for name, source in project.sources.items():
        if not source.is_crm:
            continue
        from scoring.crm.readers import module_of

        try:
            facts = list(module_of(source.kind).probe(source, project.root, os.environ))
            findings.append(Finding("ok", f"source {name}", "; ".join(facts)))
        except ScoringError as error:
            findings.append(Finding("problem", f"source {name}", error.message, error.hint or ""))
    return findings


STALE_DAYS = 3


def _operation(project: Project, tables: "Tables", as_of: datetime) -> list[Finding]:
    """How the last run ended, and whether anything new came in."""
    from scoring.store.lock import is_held
    from scoring.store.runs import last_runs

    findings = []
    runs = last_runs(project.store / "runs", running=is_held(project.store / "lock"), most=1)
    if runs and runs[0]["why"]:
        run = runs[0]
        findings.append(
            Finding(
                "problem",
                "last run",
                f"{run['name']} for {run['as_of'][:10]} ended with {run['exit_code']}: "
                f"{run['why']}",
                "Once that is mended, run it again; the scores of the run before stand.",
            )
        )
    days = (as_of - tables.data_end).days
    if days >= STALE_DAYS:
        findings.append(
            Finding(
                "advice",
                "freshness",
                f"the newest timestamp of the history is {days:,} days old",
                "See whether the exports still arrive.",
            )
        )
    return findings


def _tables(tables: "Tables") -> list[Finding]:
    rows = {name: t["rows"] for name, t in tables.manifest["tables"].items()}
    said = ", ".join(f"{name} {n:,}" for name, n in rows.items() if n)
    findings = [Finding("ok", "tables", said)]
    from scoring.score.run import directions_known

    for name, reasons in tables.manifest["quarantine"].items():
        for reason, n in sorted(reasons.items()):
            findings.append(
                Finding(
                    "advice",
                    "quarantine",
                    f"{n:,} rows of {name}: {reason}",
                    f"Look at them in {tables.folder / tables.version / 'quarantine'}.",
                )
            )
    missing = {
        "interactions": "scores rest on attributes alone; engagement cannot be seen",
        "stage_changes": "no stage, dwell or progress feature",
        "contacts": "nothing is known about who takes part in a decision",
        "lead_changes": "attributes filled later cannot be told from those known at creation",
    }
    for name, effect in missing.items():
        if not rows.get(name):
            findings.append(
                Finding(
                    "advice",
                    "coverage",
                    f"no {name}: {effect}",
                    f"Add the table to data/sources.toml, or map it in data/staging/…/{name}.sql.",
                )
            )
    if rows.get("interactions") and not directions_known(tables):
        findings.append(
            Finding(
                "advice",
                "coverage",
                "no interaction has a direction: who waits for whom cannot be seen",
                "Map `direction` to inbound and outbound in the staging SQL.",
            )
        )
    return findings


def _readiness(project: Project, question: str, tables: "Tables", as_of: datetime) -> list[Finding]:
    from scoring.engine.readiness import history

    model = project.model(question)
    with project.connect() as connection:
        seen = history(connection, tables, model.question)
    findings = []
    needed = model.gates.min_conversions + model.gates.min_validation
    level: Level = "ok" if seen.conversions >= needed else "problem"
    findings.append(
        Finding(
            level,
            "readiness",
            f"{seen.conversions:,} leads of {seen.leads:,} are {_asked(model.question)}; "
            f"training needs {needed}",
            "" if level == "ok" else "Load more history, or wait for more closed leads.",
        )
    )
    if seen.first_lead_at and seen.leads:
        days = (min(tables.data_end, as_of) - seen.first_lead_at).days
        horizon = model.question.horizon_days + model.question.gap_days
        short = model.question.label == "within_horizon" and days < 2 * horizon
        findings.append(
            Finding(
                "advice" if short else "ok",
                "readiness",
                f"the history reaches back {days:,} days; {seen.with_interactions:.0%} of the "
                f"leads have interactions, {seen.with_stages:.0%} have stage changes",
                "Two horizons of history are the least that a time split can use; choose a "
                "shorter horizon_days until there is more."
                if short
                else "",
            )
        )
    if seen.days_to_win is not None and model.question.label == "within_horizon":
        fitting = next((h for h in USUAL_HORIZONS if h >= seen.days_to_win), USUAL_HORIZONS[-1])
        now = model.question.horizon_days
        findings.append(
            Finding(
                "ok" if now >= seen.days_to_win else "advice",
                "readiness",
                f"{HORIZON_COVERS:.0%} of the won leads were won within "
                f"{seen.days_to_win:.0f} days of creation; the horizon is {now} days",
                "" if now >= seen.days_to_win else f"horizon_days = {fitting} would cover them.",
            )
        )
    return findings


def _asked(question: "QuestionSection") -> str:
    """What a question asks for: `won`, or `meeting_booked or demo_booked`."""
    return " or ".join(question.event) or question.outcome


def _attributes(project: Project, question: str) -> list[Finding]:
    from scoring.build.featureset import project_features
    from scoring.build.load import load_features
    from scoring.build.machine import removed_lines
    from scoring.build.run import last_removed

    try:
        named = load_features(project.root / "features")
        features = project_features(project, project.model(question))
    except ScoringError as error:
        return [Finding("problem", "features", error.message, error.hint or "")]
    findings = [Finding("ok", "features", f"{len(features.columns)} columns can be computed")]
    findings += [
        Finding("ok", "machines", line) for line in removed_lines(last_removed(project, question))
    ]
    made = {c.variable for c in features.all}
    absent: dict[str, list[str]] = {}
    for item in named:
        if item.declaration.each is None and item.variable not in made:
            absent.setdefault(item.theme, []).append(item.variable)
    if absent:
        told = "; ".join(f"{', '.join(names)} ({theme})" for theme, names in absent.items())
        findings.append(
            Finding(
                "advice",
                "features",
                f"{sum(map(len, absent.values()))} declared features have nothing to read in this "
                f"history: {told}",
                "They count for nothing. `scoring features --check` says what each would read.",
            )
        )
    for name, why in features.left_out.items():
        findings.append(
            Finding(
                "advice",
                "attributes",
                f"`{name}` is left out: {why}",
                "If it stands in the lead from the start, name it in `known_at_creation` of "
                f"models/{question}/model.toml."
                if "known at creation" in why
                else "",
            )
        )
    return findings + _next_steps(project, question, features) + _language(project, features)


def _next_steps(project: Project, question: str, features: "FeatureSet") -> list[Finding]:
    """Whether the table of next steps can be read, and what it asks for in vain."""
    from scoring.score.conditions import ANY
    from scoring.score.named import with_named
    from scoring.score.next_step import mentioned, parsed, settings_of

    try:
        table = settings_of(project.root, question)
        if table is None:
            return []
        names = with_named(project, question, features, mentioned(table)).names
        steps = parsed(table, names)
    except ScoringError as error:
        return [Finding("problem", "next steps", error.message, error.hint or "")]
    absent = sorted(name for name, of in names.items() if of.kind == ANY)
    if not absent:
        return [Finding("ok", "next steps", f"{len(steps.rows)} rows")]
    return [
        Finding(
            "advice",
            "next steps",
            f"{', '.join(absent)}: always missing, as this history has nothing of the kind",
            f"See which rows of models/{question}/next_step.toml never hold because of that.",
        )
    ]


def _language(project: Project, features: "FeatureSet") -> list[Finding]:
    """What sellers do not read in their language; in English nothing is missing."""
    from scoring.words.messages import missing

    language = project.settings.project.language
    locale = project.root / "locale"
    try:
        found = missing(project.root / "features", features.all, language, locale)
    except ScoringError as error:
        return [Finding("problem", "language", error.message, error.hint or "")]
    do = f"Translate them in locale/{language}/LC_MESSAGES/scoring.po, see docs/score.md."
    findings = []
    if found.texts:
        shown = f"texts that are shown in English, {len(found.texts):,}: {_first(found.texts)}"
        findings.append(Finding("advice", "language", shown, do))
    if found.names:
        shown = f"names that no catalogue has, {len(found.names):,}: {_first(found.names)}"
        findings.append(Finding("advice", "language", shown, do))
    return findings


FIRST = 5


def _first(messages: "Sequence[Message]") -> str:
    """The first few of them, quoted; of two forms the singular."""
    singular = [m if isinstance(m, str) else m[0] for m in messages[:FIRST]]
    return ", ".join(f'"{m}"' for m in singular) + (", …" if len(messages) > FIRST else "")


def _champion(project: Project, question: str, tables: "Tables", as_of: datetime) -> list[Finding]:
    """The champion, and the flag that it carries."""
    from scoring.flag.diagnosis import flag_findings
    from scoring.train import tracking

    findings, flag = [], None
    try:
        registered, champion = tracking.champion(project, question)
    except ScoringError as error:
        findings.append(Finding("problem", "champion", error.message, error.hint or ""))
    else:
        facts, flag = champion.facts, champion.flag
        findings.append(
            Finding(
                "ok",
                "champion",
                f"version {registered.version}, trained as of {facts['as_of'][:10]} on "
                f"{facts['conversions']:,} conversions, AUC {facts['validation']['auc']:.3f} on "
                "later rows",
            )
        )
    try:
        said = flag_findings(project, question, tables, flag, as_of)
    except ScoringError as error:
        return [*findings, Finding("problem", "flag", error.message, error.hint or "")]
    return [*findings, *(Finding(level, "flag", found, do) for level, found, do in said)]


def summary(findings: list[Finding]) -> dict[str, Any]:
    """The findings as JSON, with `ready`: nothing stands in the way."""
    return {
        "ready": not any(f.level == "problem" for f in findings),
        "findings": [f.to_json() for f in findings],
    }
