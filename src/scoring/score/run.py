"""Apply the champion to the leads that are open as of a moment."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scoring.build.run import Built, build_scoring
from scoring.check.tables import Tables
from scoring.clock import stamp
from scoring.engine.compute import compute_of
from scoring.errors import ConfigError
from scoring.project import Project
from scoring.score.facts import with_facts
from scoring.score.rows import DTYPES, ranked, score_rows
from scoring.store.publish import new_folder, read_json, write_bytes, write_json
from scoring.train import tracking
from scoring.train.artefact import Artefact

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

TREND_DAYS = 7


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
    built = build_scoring(
        project,
        question,
        model.settings,
        with_facts(model.features, tables.manifest["kinds"]),
        as_of,
        since=previous_run(project, question, as_of),
        landed_through=landed_through,
        parent=parent,
    )
    work = partial(
        _score_rows,
        model,
        version,
        directions_known=directions_known(tables),
        language=project.settings.project.language,
        zone=project.settings.zone,
        as_of=as_of,
        locale_dir=project.root / "locale",
    )
    rows = compute_of(project).over_parquet(built.parts, work, DTYPES)
    return built, ranked(rows, version, _earlier(project, question, as_of))


def _score_rows(
    model: Artefact, version: str, frame: "pd.DataFrame", **more: Any
) -> "pd.DataFrame":
    """The score rows of built rows. Runs on other machines, too."""
    frame = model.joined(frame)
    features = frame[list(model.names)]
    asked = model.settings.question
    probability = model.model.predict_proba(features)[:, 1]
    return score_rows(
        frame,
        model.model.contributions(features),
        probability,
        model.reference,
        columns=model.features.all,
        horizon_days=asked.horizon_days if asked.label == "within_horizon" else None,
        model_version=version,
        bounds=model.interval.bounds(probability),
        **more,
    )


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


def _earlier(project: Project, question: str, as_of: datetime) -> "pd.DataFrame | None":
    """Scores of about a week ago, for the trend: 7 to 14 days, the nearest to 7."""
    week = timedelta(days=TREND_DAYS)
    near = [at for at in list_runs(project, question) if as_of - 2 * week <= at <= as_of - week]
    return read_scores(project, question, near[-1]) if near else None


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
