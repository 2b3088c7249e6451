"""Proof on a sample that no feature saw the future.

Snapshots are drawn from the training rows and from the newest issued scores. For each one a copy
is made that holds nothing but its past; the real `ingest`, `check` and `build` run on the copy, and
every feature must come out the same. What a feature took from the future cannot be in the copy.
"""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scoring.errors import NoUsableModel
from scoring.project import Project
from scoring.score.past_only import rebuilt
from scoring.score.sample import PROBABILITY, Drawn, draw_scores, draw_training

if TYPE_CHECKING:
    import pandas as pd

ROW = "the row itself"
TOLERANCE = 1e-9
SHOWN = 20


@dataclass(frozen=True)
class Difference:
    """One value that changed when the future was taken away; None is missing."""

    snapshots: str
    feature: str
    lead_id: str
    as_of: datetime
    with_future: float | str | None
    without: float | str | None

    def to_json(self) -> dict[str, Any]:
        return {
            "snapshots": self.snapshots,
            "feature": self.feature,
            "lead_id": self.lead_id,
            "as_of": self.as_of.isoformat(),
            "with_future": self.with_future,
            "without": self.without,
        }


@dataclass(frozen=True)
class Audited:
    """What was compared, and every value that was not the same.

    snapshots     by where they come from: `training`, `scores`
    compared      values in all
    since, until  as_of of the oldest and the newest snapshot
    not_rebuilt   sampled scores whose lead counts as closed at that time by what has come since
    """

    question: str
    snapshots: dict[str, int]
    features: dict[str, int]
    compared: int
    since: datetime
    until: datetime
    not_rebuilt: int
    differences: list[Difference]

    def to_json(self) -> dict[str, Any]:
        return {
            "question": self.question,
            "snapshots": self.snapshots,
            "features": self.features,
            "compared": self.compared,
            "from": self.since.isoformat(),
            "to": self.until.isoformat(),
            "not_rebuilt": self.not_rebuilt,
            "differences": [d.to_json() for d in self.differences],
        }

    def lines(self) -> Iterator[str]:
        total = sum(self.snapshots.values())
        told = ", ".join(
            f"{n} of {name} ({self.features[name]} values each)"
            for name, n in self.snapshots.items()
        )
        yield (
            f"{total} snapshots from {self.since.date()} to {self.until.date()}: {told}, built "
            "again from their past alone."
        )
        if self.not_rebuilt:
            yield (
                f"{self.not_rebuilt} more issued scores cannot be rebuilt: by what has come since, "
                "their leads were closed before."
            )
        if not self.differences:
            yield f"All {self.compared:,} values are the same: none of them saw the future."
            return
        yield f"{len(self.differences):,} of {self.compared:,} values changed:"
        for d in self.differences[:SHOWN]:
            yield (
                f"  {d.feature}: {d.with_future!r} with the future, {d.without!r} without "
                f"(lead {d.lead_id} as of {d.as_of.isoformat()}, {d.snapshots})"
            )
        if len(self.differences) > SHOWN:
            yield f"  and {len(self.differences) - SHOWN:,} more; --json lists all."


def audit(
    project: Project, question: str, as_of: datetime, *, sample: int = 100, seed: int = 7
) -> Audited:
    """Compare `sample` snapshots known by `as_of` with their rebuilding from the past alone.

    Half of them are issued scores where there are any. Seeded: the same tables, scores and seed
    give the same sample. Work and disk grow with the sample. Raises NoUsableModel where there is
    no snapshot yet. The caller holds the lock.
    """
    with _scratch(project) as folder:
        scores = draw_scores(project, question, as_of, sample // 2, seed, folder / "scores")
        left = sample - (len(scores.part.rows) if scores else 0)
        training = draw_training(project, question, as_of, left, seed, folder / "training")
        drawn = [d for d in (training, scores) if d and len(d.part.rows)]
        if not drawn:
            raise NoUsableModel(
                f'There is no snapshot of the question "{question}" to audit yet.',
                "`scoring doctor` says how far the history reaches.",
            )
        frames = rebuilt(project, question, [d.part for d in drawn], folder / "copy", seed)
    found: list[Difference] = []
    for one, frame in zip(drawn, frames, strict=True):
        found += _compare(one, frame)
    moments = [d.part.rows["as_of"] for d in drawn]
    values = {d.part.name: len(d.columns()) for d in drawn}
    return Audited(
        question=question,
        snapshots={d.part.name: len(d.part.rows) for d in drawn},
        features=values,
        compared=sum(len(d.part.rows) * values[d.part.name] for d in drawn),
        since=_utc(min(m.min() for m in moments)),
        until=_utc(max(m.max() for m in moments)),
        not_rebuilt=sum(d.not_rebuilt for d in drawn),
        differences=found,
    )


@contextmanager
def _scratch(project: Project) -> Iterator[Path]:
    folder = project.tmp / f"audit-{uuid.uuid4().hex[:8]}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _compare(drawn: Drawn, without: "pd.DataFrame") -> list[Difference]:
    """Every value of the sample that differs, feature by feature."""
    if drawn.champion is not None:
        names = list(drawn.champion.names)
        chance = drawn.champion.model.predict_proba(without[names])[:, 1]
        without = without.assign(**{PROBABILITY: chance})
    rows = drawn.part.rows
    built = rows.index.isin(without.index)
    found = [
        _difference(drawn, place, ROW, "there", None) for place in np.flatnonzero(~built).tolist()
    ]
    before, after = rows[built], without.reindex(rows.index[built])
    places = np.flatnonzero(built).tolist()
    for name, exact in drawn.columns():
        for at in np.flatnonzero(_differ(before[name], after[name], exact)):
            values = _plain(before[name].iloc[at]), _plain(after[name].iloc[at])
            found.append(_difference(drawn, places[at], name, *values))
    return found


def _difference(
    drawn: Drawn,
    place: int,
    feature: str,
    with_future: float | str | None,
    without: float | str | None,
) -> Difference:
    row = drawn.part.rows.iloc[place]
    at = _utc(row["as_of"])
    return Difference(drawn.part.name, feature, row["lead_id"], at, with_future, without)


def _differ(before: "pd.Series", after: "pd.Series", exact: bool) -> np.ndarray:
    import pandas as pd

    both = before.isna().to_numpy() & after.isna().to_numpy()
    if pd.api.types.is_numeric_dtype(before) and pd.api.types.is_numeric_dtype(after):
        a, b = (s.to_numpy(dtype=np.float64, na_value=np.nan) for s in (before, after))
        limit = 0.0 if exact else TOLERANCE * np.maximum(1, np.abs(a))
        same = (a == b) | (np.abs(a - b) <= limit)
    else:
        same = before.astype(object).to_numpy() == after.astype(object).to_numpy()
    return ~(both | np.asarray(same, dtype=bool))


def _plain(value: Any) -> float | str | None:
    """A cell as JSON can carry it; infinities and NaN are missing."""
    if isinstance(value, str):
        return value
    return float(value) if value is not None and np.isfinite(value) else None


def _utc(at: "pd.Timestamp") -> datetime:
    return at.tz_localize("UTC").to_pydatetime()
