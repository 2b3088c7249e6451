"""Apply the champion to the leads that are open as of a moment."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scoring.analytics.run import analyse
from scoring.build.run import Built, build_scoring
from scoring.check.tables import Tables
from scoring.clock import stamp
from scoring.engine.compute import compute_of
from scoring.engine.landed import Landed
from scoring.engine.refusals import refusals
from scoring.errors import ConfigError
from scoring.flag.verdicts import spared_leads
from scoring.project import Project
from scoring.score import next_step
from scoring.score.advice import Speech
from scoring.score.conditions import TEXT
from scoring.score.earlier import LATER_BY, Earlier, Run
from scoring.score.facts import with_facts
from scoring.score.named import Named, with_named, with_owner
from scoring.score.night import Night, finish
from scoring.score.rows import row_dtypes, score_rows
from scoring.store.publish import new_folder, read_json, write_bytes, write_json
from scoring.train import tracking
from scoring.train.artefact import Artefact
from scoring.train.questions import open_question
from scoring.words import translator

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

# How far back a run compares itself, for the trend.
LOOK_BACK = timedelta(days=28) + LATER_BY


@dataclass(frozen=True)
class Scored:
    """A score run: how many leads, by which model, and where to look."""

    as_of: datetime
    rows: int
    flagged: int
    model_version: str
    out: Path

    def to_json(self) -> dict[str, Any]:
        return {
            "as_of": self.as_of.isoformat(),
            "scored": self.rows,
            "flagged": self.flagged,
            "held": None,
            "model_version": self.model_version,
            "out": str(self.out),
        }


def scores_folder(project: Project, question: str) -> Path:
    return project.store / "scores" / question


def score(project: Project, question: str, as_of: datetime) -> Scored:
    """Score the open leads and publish the run under its logical date.

    Running a logical date again sees what had landed then, so the same champion gives the same
    rows. Raises NoUsableModel where there is no champion.
    """
    registered, champion = tracking.champion(project, question)
    tables = Tables.open(project)
    before = read_run(project, question, as_of)
    again = before["landed_through"] if before else None
    built, scored = rows_by(
        project,
        question,
        champion,
        registered.version,
        as_of,
        landed_through=datetime.fromisoformat(again) if again else None,
    )
    folder = scores_folder(project, question) / stamp(as_of)
    with new_folder(folder, project.tmp) as draft:
        scored.to_parquet(draft / "scores.parquet", index=False)
        write_json(
            draft / "run.json",
            {
                "as_of": as_of.isoformat(),
                "rows": len(scored),
                "model_version": registered.version,
                "fingerprint": registered.fingerprint,
                "tables": built.tables_version,
                "landed_through": again or max(as_of, _last_landed(tables)).isoformat(),
                "since": _text(previous_run(project, question, as_of)),
            },
        )
    newest = list_runs(project, question)[-1] == as_of
    out = _publish(project, question, scored) if newest else folder / "scores.parquet"
    analyse(project, question, as_of, newest=newest)
    return Scored(as_of, len(scored), int(scored["tire_kicker"].sum()), registered.version, out)


def rows_by(
    project: Project,
    question: str,
    model: Artefact,
    version: str,
    as_of: datetime,
    *,
    landed_through: datetime | None = None,
    parent: Path | None = None,
) -> "tuple[Built, pd.DataFrame]":
    """The build and the score rows of the leads open as of `as_of`, by any model; nothing is
    published. `parent`: a folder of the caller's own for the build."""
    tables = Tables.open(project)
    table = next_step.settings_of(project.root, question)
    built_of = features_to_build(project, question, model, tables, table)
    steps = next_step.parsed(table, built_of.names) if table else None
    named = {n: "str" if of.kind == TEXT else "float64" for n, of in built_of.there.items()}
    built = build_scoring(
        project,
        question,
        model.settings,
        built_of.features,
        as_of,
        since=previous_run(project, question, as_of),
        landed_through=landed_through,
        parent=parent,
    )
    work = partial(
        _score_rows,
        model,
        version,
        named=named,
        directions_known=directions_known(tables),
        language=project.settings.project.language,
        zone=project.settings.zone,
        as_of=as_of,
        locale_dir=project.root / "locale",
    )
    rows = compute_of(project).over_parquet(built.parts, work, row_dtypes(named))
    night = _night(project, question, model, version, as_of, landed_through, tables, steps)
    return built, finish(rows, night)


def features_to_build(
    project: Project,
    question: str,
    model: Artefact,
    tables: Tables,
    table: next_step.NextStepToml | None,
) -> Named:
    """The champion's columns and all that a score row needs beside them."""
    features = with_facts(model.scoring_features, tables.manifest["kinds"])
    owners = project.settings.owners
    works = table and (owners.capacity is not None or owners.capacities)
    if works and "owner_id" in tables.columns("leads"):
        features = with_owner(features)
    return with_named(project, question, features, next_step.mentioned(table) if table else ())


def _night(
    project: Project,
    question: str,
    model: Artefact,
    version: str,
    as_of: datetime,
    landed_through: datetime | None,
    tables: Tables,
    steps: next_step.Steps | None,
) -> Night:
    """What the whole run knows beside its rows."""
    refused = None
    if steps is not None:
        with project.connect() as connection:
            refused = refusals(connection, tables, Landed.of(landed_through))
    flag, settings = model.flag, project.settings
    language = settings.project.language
    return Night(
        as_of=as_of,
        zone=settings.zone,
        version=version,
        cuts=model.cuts,
        flag=flag,
        earlier=earlier_runs(project, question, as_of),
        steps=steps,
        stages=settings.stages.order,
        owners=settings.owners,
        refusals=refused,
        spared=spared_leads(project, as_of, flag.settings.feedback_days, landed_through)
        if flag
        else (),
        speech=Speech(language, translator(language, project.root / "locale")),
    )


def _score_rows(
    model: Artefact,
    version: str,
    frame: "pd.DataFrame",
    *,
    named: Mapping[str, str],
    directions_known: bool,
    **more: Any,
) -> "pd.DataFrame":
    """The score rows of built rows. Runs on other machines, too."""
    judged = model.flag.judged(frame, directions_known) if model.flag else None
    frame = model.joined(frame)
    features = frame[list(model.names)]
    asked = model.settings.question
    probability = model.model.predict_proba(features)[:, 1]
    ask_about, ask_effect = open_question(frame, model.questions)
    return score_rows(
        frame.assign(_ask_about=ask_about, _ask_effect=ask_effect),
        model.model.contributions(features),
        probability,
        model.reference,
        columns=model.features.all,
        horizon_days=asked.horizon_days if asked.label == "within_horizon" else None,
        model_version=version,
        bounds=model.interval.bounds(probability),
        directions_known=directions_known,
        flag=model.flag,
        judged=judged,
        named=named,
        **more,
    )


def earlier_runs(project: Project, question: str, as_of: datetime) -> Earlier:
    """The runs before `as_of`: those of the last weeks, and in any case the last one."""
    before = [at for at in list_runs(project, question) if at < as_of]
    near = [at for at in before if at >= as_of - LOOK_BACK] or before[-1:]
    versions = {at: (read_run(project, question, at) or {}).get("model_version") for at in near}

    def read(at: datetime, columns: Sequence[str]) -> "pd.DataFrame":
        import pandas as pd
        import pyarrow.parquet as pq

        path = scores_folder(project, question) / stamp(at) / "scores.parquet"
        there = set(pq.read_schema(path).names)
        return pd.read_parquet(path, columns=[name for name in columns if name in there])

    return Earlier(tuple(Run(at, str(version)) for at, version in versions.items()), read)


def read_run(project: Project, question: str, as_of: datetime) -> dict[str, Any] | None:
    """The record of a score run, or None where that date was not scored."""
    found = read_json(scores_folder(project, question) / stamp(as_of) / "run.json")
    return dict(found) if found else None


def list_runs(project: Project, question: str) -> list[datetime]:
    """The logical dates that were scored, oldest first."""
    found = scores_folder(project, question).glob("*/run.json")
    return sorted(
        datetime.strptime(path.parent.name, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) for path in found
    )


def previous_run(project: Project, question: str, as_of: datetime) -> datetime | None:
    earlier = [at for at in list_runs(project, question) if at < as_of]
    return earlier[-1] if earlier else None


def read_scores(project: Project, question: str, as_of: datetime | None = None) -> "pd.DataFrame":
    """The scores of a logical date, the newest without one. Raises ConfigError where none are."""
    import pandas as pd

    runs = list_runs(project, question)
    if not runs:
        raise ConfigError(
            f'Nothing was scored yet for the question "{question}".', "Run `scoring score`."
        )
    at = as_of or runs[-1]
    path = scores_folder(project, question) / stamp(at) / "scores.parquet"
    if not path.exists():
        raise ConfigError(
            f"{at.isoformat()} was not scored.",
            f"Scored dates: {runs[0].isoformat()} to {runs[-1].isoformat()}, {len(runs)} in all.",
        )
    return pd.read_parquet(path)


def _publish(project: Project, question: str, scored: "pd.DataFrame") -> Path:
    """`out/scores.parquet` and `.csv`: the latest scores, for people."""
    from scoring.spreadsheet import csv_bytes

    name = "scores" if question == "conversion" else f"scores-{question}"
    path = project.out / f"{name}.parquet"
    write_bytes(path, scored.to_parquet(index=False))
    write_bytes(path.with_suffix(".csv"), csv_bytes(scored))
    return path


def directions_known(tables: Tables) -> bool:
    """Whether this history tells who contacted whom."""
    return any(kind["direction"] for kind in tables.manifest["kinds"])


def _last_landed(tables: Tables) -> datetime:
    """The newest landing among the rows; a run may have been dated back after it."""
    return datetime.fromisoformat(tables.manifest["seen_until"]).replace(tzinfo=UTC)


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
