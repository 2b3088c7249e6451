"""Which snapshots an audit looks at: training rows spread over time, and issued scores."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scoring.build.columns import DATE_OPS, Column
from scoring.build.partition import LeadScope
from scoring.build.run import build_scoring, build_training
from scoring.check.tables import Tables
from scoring.engine.connection import literal
from scoring.project import Project
from scoring.score.facts import with_facts
from scoring.score.past_rows import Part
from scoring.score.run import list_runs, read_run, read_scores
from scoring.train import tracking
from scoring.train.artefact import Artefact

if TYPE_CHECKING:
    import pandas as pd

TRAINING, SCORES = "training", "scores"
PROBABILITY = "probability"
# What is counted, added up in fixed point, picked or measured in time has no rounding to forgive.
EXACT = frozenset(
    {"count", "sum", "max", "min", "first", "last", "active_days", "distinct", "busiest",
     "changes", "returns", "rises", "falls", "missed", "followed_by", "furthest", "backward",
     "skipped", "attribute", "gap_last", "gap_longest", "dwell", "listed", "last_listed",
     "repeated", "unfollowed", "unprepared", *DATE_OPS}
)  # fmt: skip
# Most leads have several training rows, some have none.
LEADS_PER_SNAPSHOT = 2


@dataclass(frozen=True)
class Drawn:
    """Sampled snapshots with their features as the store has them. `part.rows` holds the features
    too, and for scores the issued probability."""

    part: Part
    champion: Artefact | None = None
    not_rebuilt: int = 0

    def columns(self) -> list[tuple[str, bool]]:
        """What is compared, and whether exactly."""
        own = [(c.name, _exact(c)) for c in self.part.features.columns]
        return [*own, (PROBABILITY, False)] if self.champion else own


def _exact(column: Column) -> bool:
    return column.kind == "category" or column.op in EXACT


def draw_training(
    project: Project, question: str, as_of: datetime, wanted: int, seed: int, folder: Path
) -> Drawn:
    """Labelled snapshots of leads drawn at random, spread over time."""
    tables = Tables.open(project)
    leads = LEADS_PER_SNAPSHOT * wanted
    while True:
        scope = LeadScope(_some_leads(project, tables, leads, seed))
        built = build_training(project, question, as_of, scope=scope, parent=folder)
        if built.rows >= wanted or len(scope.lead_ids or ()) < leads:
            break
        leads *= 4
    rows = _spread(built.frame(), wanted, seed)
    return Drawn(Part(TRAINING, rows, built.features, project.model(question), None))


def _some_leads(project: Project, tables: Tables, most: int, seed: int) -> tuple[str, ...]:
    with project.connect() as connection:
        found = connection.execute(
            f"SELECT lead_id FROM {tables.scan('leads')}"
            f" ORDER BY md5({literal(f'{seed}/')} || lead_id), lead_id LIMIT {most}"
        ).fetchall()
    return tuple(row[0] for row in found)


def draw_scores(
    project: Project, question: str, as_of: datetime, wanted: int, seed: int, folder: Path
) -> Drawn | None:
    """Issued scores of the newest run, with the features that they were made of; None without."""
    runs = [at for at in list_runs(project, question) if at <= as_of]
    if not runs or not wanted:
        return None
    run = read_run(project, question, runs[-1]) or {}
    issued = read_scores(project, question, runs[-1])[["lead_id", "as_of", PROBABILITY]]
    issued["as_of"] = issued["as_of"].dt.tz_localize(None)
    issued = issued.sort_values(["lead_id", "as_of"]).sample(
        min(wanted, len(issued)), random_state=seed
    )
    champion = tracking.load(project, question, run["model_version"], run["fingerprint"])
    features = with_facts(champion.features, Tables.open(project).manifest["kinds"])
    through = datetime.fromisoformat(run["landed_through"])
    built = build_scoring(
        project,
        question,
        champion.settings,
        features,
        runs[-1],
        since=datetime.fromisoformat(run["since"]) if run["since"] else None,
        landed_through=through,
        scope=LeadScope(tuple(issued["lead_id"])),
        parent=folder,
    )
    rows = built.frame().merge(issued, on=["lead_id", "as_of"])
    return Drawn(
        Part(SCORES, rows, features, champion.settings, through),
        champion,
        not_rebuilt=len(issued) - len(rows),
    )


def _spread(rows: "pd.DataFrame", wanted: int, seed: int) -> "pd.DataFrame":
    """One row at random out of each of `wanted` equal stretches of time."""
    ordered = rows.sort_values(["as_of", "lead_id"], ignore_index=True)
    if len(ordered) <= wanted:
        return ordered
    edges = np.linspace(0, len(ordered), wanted + 1).astype(int)
    places = np.random.default_rng(seed).integers(edges[:-1], edges[1:])
    return ordered.iloc[places].reset_index(drop=True)
