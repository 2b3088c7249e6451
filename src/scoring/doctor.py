"""What is wrong, what to do about it, and how ready a project is to train.

Every finding is one sentence with its remedy; nothing here changes anything.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from scoring.errors import ScoringError
from scoring.project import Project

if TYPE_CHECKING:
    from scoring.check.tables import Tables

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
            f"{model.question.outcome}, {model.question.label}",
        )
    ]
    from scoring.check.tables import Tables

    try:
        tables = Tables.open(project)
    except ScoringError as error:
        return [*findings, Finding("problem", "tables", error.message, error.hint or "")]
    findings += _operation(project, tables, as_of)
    findings += _tables(tables)
    findings += _readiness(project, question, tables, as_of)
    findings += _attributes(project, question)
    findings.append(_champion(project, question))
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
        seen = history(connection, tables, model.question.outcome)
    findings = []
    needed = model.gates.min_conversions + model.gates.min_validation
    level: Level = "ok" if seen.conversions >= needed else "problem"
    findings.append(
        Finding(
            level,
            "readiness",
            f"{seen.conversions:,} leads of {seen.leads:,} are {model.question.outcome}; "
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
    made = {c.variable for c in features.columns}
    for item in named:
        unfolded = item.declaration.each is not None
        if not unfolded and item.variable not in made:
            findings.append(
                Finding(
                    "advice",
                    "features",
                    f"`{item.variable}` ({item.theme}) cannot be computed from this history",
                    "It reads types, properties or columns that the tables do not have.",
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
    return findings


def _champion(project: Project, question: str) -> Finding:
    from scoring.train import tracking

    try:
        registered, champion = tracking.champion(project, question)
    except ScoringError as error:
        return Finding("problem", "champion", error.message, error.hint or "")
    facts = champion.facts
    return Finding(
        "ok",
        "champion",
        f"version {registered.version}, trained as of {facts['as_of'][:10]} on "
        f"{facts['conversions']:,} conversions, AUC {facts['validation']['auc']:.3f} on later rows",
    )


def summary(findings: list[Finding]) -> dict[str, Any]:
    """The findings as JSON, with `ready`: nothing stands in the way."""
    return {
        "ready": not any(f.level == "problem" for f in findings),
        "findings": [f.to_json() for f in findings],
    }
