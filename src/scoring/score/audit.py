"""Proof on a sample that no feature saw the future.

Snapshots are drawn from the training rows and from the newest issued scores. For each one a copy
is made that holds nothing but its past; the real `ingest`, `check` and `build` run on the copy, and
every feature must come out the same. What a feature took from the future cannot be in the copy.
Besides, rows are planted at the edges of every window (`probes.py`), and the features say whether
they saw them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scoring.build.columns import KIND_NAMES
from scoring.build.run import build_training
from scoring.check.tables import Tables
from scoring.errors import NoUsableModel
from scoring.project import Project
from scoring.score.causes import cause_of
from scoring.score.learned_probe import later_outcomes
from scoring.score.past_only import rebuilt
from scoring.score.past_rows import Part
from scoring.score.probes import PROBES, Kinds, judge, make_probes, planted, probing_part
from scoring.score.sample import PROBABILITY, Drawn, draw_scores, draw_training
from scoring.store.publish import scratch

if TYPE_CHECKING:
    import pandas as pd

ROW = "the row itself"
LEARNED = "learned"
TOLERANCE = 1e-9
SHOWN = 20
PROBED = 7  # snapshots that rows are planted into


@dataclass(frozen=True)
class Difference:
    """One value that changed when the future was taken away; None is missing.

    Of a probe: the value with the planted row and without it; `cause` says which row.
    """

    snapshots: str
    feature: str
    lead_id: str
    as_of: datetime
    with_future: float | str | None
    without: float | str | None
    cause: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "cause": self.cause or None,
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
    planted       rows planted at the edges of what a snapshot may see
    learned       values of columns that are learned from other leads, compared with later outcomes
                  turned round
    since, until  as_of of the oldest and the newest snapshot
    not_rebuilt   sampled scores whose lead counts as closed at that time by what has come since
    """

    question: str
    snapshots: dict[str, int]
    features: dict[str, int]
    compared: int
    planted: int
    learned: int
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
            "planted": self.planted,
            "learned": self.learned,
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
            f"again from their past alone; {self.planted} rows planted at the edges of what they "
            "may see."
        )
        if self.not_rebuilt:
            yield (
                f"{self.not_rebuilt} more issued scores cannot be rebuilt: by what has come since, "
                "their leads were closed before."
            )
        if self.learned:
            yield (
                f"{self.learned:,} values learned from other leads were learned again with later "
                "outcomes turned round."
            )
        if not self.differences:
            yield f"All {self.compared:,} values are the same: none of them saw the future."
            return
        yield f"{len(self.differences):,} values are not what they must be:"
        for d in self.differences[:SHOWN]:
            what = "the planted row" if d.snapshots == PROBES else "the future"
            yield (
                f"  {d.feature}: {d.with_future!r} with {what}, {d.without!r} without "
                f"(lead {d.lead_id} as of {d.as_of.isoformat()}, {d.snapshots})"
            )
            if d.cause:
                yield f"    {d.cause}"
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
    with scratch(project.tmp, "audit") as folder:
        scores = draw_scores(project, question, as_of, sample // 2, seed, folder / "scores")
        left = sample - (len(scores.part.rows) if scores else 0)
        training = draw_training(project, question, as_of, left, seed, folder / "training")
        drawn = [d for d in (training, scores) if d and len(d.part.rows)]
        if not drawn:
            raise NoUsableModel(
                f'There is no snapshot of the question "{question}" to audit yet.',
                "`scoring doctor` says how far the history reaches.",
            )
        probes = make_probes(
            drawn[0].part.features.columns, _kinds(project), min(PROBED, len(drawn[0].part.rows))
        )
        probing = probing_part(drawn[0].part, probes)
        *frames, probed = rebuilt(
            project,
            question,
            [*(d.part for d in drawn), probing],
            folder / "copy",
            seed,
            planted(probing, probes),
        )
        found: list[Difference] = []
        for one, frame in zip(drawn, frames, strict=True):
            found += _compare(one, frame)
        found = _with_cause(project, question, drawn, found, folder / "causes", seed)
    for seen in judge(probes, drawn[0].part.features.columns, frames[0], probed):
        what = f"{seen.probe.stream} row {seen.probe.kind!r} planted {seen.probe.edge}"
        pair = _plain(seen.after), _plain(seen.before)
        found.append(_difference(probing, seen.place, seen.feature, *pair, cause=what))
    learned, knew = _learned(project, question, as_of)
    found += knew
    moments = [d.part.rows["as_of"] for d in drawn]
    values = {d.part.name: len(d.columns()) for d in drawn}
    return Audited(
        question=question,
        snapshots={d.part.name: len(d.part.rows) for d in drawn},
        features=values,
        compared=sum(len(d.part.rows) * values[d.part.name] for d in drawn),
        planted=len(probes),
        learned=learned,
        since=_utc(min(m.min() for m in moments)),
        until=_utc(max(m.max() for m in moments)),
        not_rebuilt=sum(d.not_rebuilt for d in drawn),
        differences=found,
    )


def _compare(drawn: Drawn, without: "pd.DataFrame") -> list[Difference]:
    """Every value of the sample that differs, feature by feature."""
    if drawn.champion is not None:
        names = list(drawn.champion.names)
        chance = drawn.champion.model.predict_proba(drawn.champion.joined(without)[names])[:, 1]
        without = without.assign(**{PROBABILITY: chance})
    rows = drawn.part.rows
    built = rows.index.isin(without.index)
    found = [
        _difference(drawn.part, place, ROW, "there", None)
        for place in np.flatnonzero(~built).tolist()
    ]
    before, after = rows[built], without.reindex(rows.index[built])
    places = np.flatnonzero(built).tolist()
    for name, exact in drawn.columns():
        for at in np.flatnonzero(_differ(before[name], after[name], exact)):
            values = _plain(before[name].iloc[at]), _plain(after[name].iloc[at])
            found.append(_difference(drawn.part, places[at], name, *values))
    return found


def _difference(
    part: Part,
    place: int,
    feature: str,
    with_future: float | str | None,
    without: float | str | None,
    cause: str = "",
) -> Difference:
    row = part.rows.iloc[place]
    at = _utc(row["as_of"])
    return Difference(part.name, feature, row["lead_id"], at, with_future, without, cause)


def _with_cause(
    project: Project,
    question: str,
    drawn: list[Drawn],
    found: list[Difference],
    folder: Path,
    seed: int,
) -> list[Difference]:
    """The same differences; the first one of a feature says which row it saw, where one row does.

    Finding it builds the snapshot once more for each row of its future, so it is done once.
    """
    for number, one in enumerate(found):
        if one.feature in (ROW, PROBABILITY):
            continue
        part = next(d.part for d in drawn if d.part.name == one.snapshots)
        at = one.as_of.replace(tzinfo=None)
        rows = part.rows.reset_index(drop=True)
        place = int(rows.index[(rows["lead_id"] == one.lead_id) & (rows["as_of"] == at)][0])
        cause = cause_of(project, question, part, place, one.feature, folder, seed)
        said = f"it saw: {cause}" if cause else "no single row of its history is the cause"
        return [*found[:number], replace(one, cause=said), *found[number + 1 :]]
    return found


def _learned(project: Project, question: str, as_of: datetime) -> tuple[int, list[Difference]]:
    """The same for what is learned from other leads: all training rows, but no rebuilding."""
    built = build_training(project, question, as_of)
    rows = built.frame()
    if not built.features.learned or not len(rows):
        return 0, []
    compared, found = later_outcomes(rows, built.features.learned)
    return compared, [
        Difference(
            LEARNED,
            one.feature,
            rows["lead_id"].iloc[one.place],
            _utc(rows["as_of"].iloc[one.place]),
            _plain(one.before),
            _plain(one.after),
            f"it knew outcomes from {one.moment.date()} or later",
        )
        for one in found
    ]


def _kinds(project: Project) -> Kinds:
    """Stream → the (kind, direction) pairs of the history."""
    tables = Tables.open(project)
    kinds: Kinds = {"interactions": [(k["type"], k["direction"]) for k in tables.manifest["kinds"]]}
    with project.connect() as connection:
        for stream, name in KIND_NAMES.items():
            if stream != "interactions":
                rows = connection.execute(
                    f"SELECT DISTINCT {name} FROM {tables.scan(stream)} WHERE {name} IS NOT NULL"
                    " ORDER BY 1"
                ).fetchall()
                kinds[stream] = [(kind, None) for (kind,) in rows]
    return kinds


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
