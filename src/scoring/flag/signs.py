"""Which signs of a lead that will not buy are there, against what buyers showed.

    limits = Limits.fit(rows, columns, bought=bought, root=root)
    limits.fired(rows)                        # (n, signs) bool
    Limits.from_json(limits.to_json())        # the same

A sign is a column that `.warns(…)` (features/*.py). It fires where its value lies beyond its limit:
a number of the team's own, or one that is learned. A learned limit is a quantile of what the leads
that bought had, at the same stage and age: at most MOST_BUYERS of them had more (less, where low is
the bad side). Where too few buyers were seen at a stage and age, those of the stage count, at any
age; where these are too few, all. A sign with too few buyers anywhere is silent, and so is one that
buyers showed more than twice as often as the others at the same stages and ages: here it warns of
nothing. (Not as often: those who ask without end may hide among many who never say a word.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from scoring.build.columns import Column, Sign

# Of the buyers of a stage and age, the share that may lie beyond a learned limit, by `strong`.
MOST_BUYERS = {False: 0.10, True: 0.05}
# Fewer different buyers tell nothing about the most unusual twentieth of them.
FEWEST_BUYERS = 20
# Of what buyers show, the others must show this share at least.
LEAST_SHOWN = 0.5
# Days since the lead was created at which another age begins.
AGES = (7.0, 30.0, 90.0, 180.0)


@dataclass(frozen=True)
class Limits:
    """Limits of the signs, fitted on one set of leads and kept with the model.

    signs    the columns that warn, in declared order; each speaks of itself in `Column.sign`
    excuses  the columns that excuse, of those that the signs name and the project has
    stage    the text column with the present stage, None where there is none
    age      the column with the lead's age in days, None where there is none
    tables   sign whose limit is learned → `by_age` (stage → a limit or None per age), `by_stage`
             (stage → limit) and `all` (a limit or None); the stage "" is one that is not known
    """

    signs: tuple[Column, ...] = ()
    excuses: tuple[str, ...] = ()
    stage: str | None = None
    age: str | None = None
    tables: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def fit(
        rows: pd.DataFrame, columns: Sequence[Column], *, bought: np.ndarray, root: pd.Series
    ) -> Limits:
        """The limits that these leads teach; other leads must be judged by them.

        rows      snapshots of open leads with the columns' values, learned ones included
        columns   of the question; those without a sign give the stage, the age and the excuses
        bought    (n,) bool: the row's lead bought later
        root      (n,) the row's lead, merged ones taken as one: buyers count once in each place
        """
        columns = [c for c in columns if c.name in rows]
        signs = tuple(c for c in columns if c.sign is not None)
        named = {name for c in signs for name in _sign(c).unless}
        blank = Limits(
            signs=signs,
            excuses=tuple(c.name for c in columns if c.name in named),
            stage=_first(columns, "stage_changes", "last", "stage"),
            age=_first(columns, "lead", "age", None),
        )
        lead = pd.factorize(root)[0]
        tables: dict[str, Any] = {}
        for column in signs:
            if _sign(column).limit is None:
                tables[column.name] = blank._learned(rows, column, np.flatnonzero(bought), lead)
        limits = replace(blank, tables=tables)
        fired = limits.fired(rows)
        _, stage, age = limits._places(rows)
        place = stage * (len(AGES) + 1) + age
        for name in tables:
            if not _warns(fired[name].to_numpy(), bought, place, lead):
                tables[name] = {"by_age": {}, "by_stage": {}, "all": None}
        return limits

    def fired(self, rows: pd.DataFrame) -> pd.DataFrame:
        """(n, signs) bool by the signs' names, with the index of `rows`; each row by itself.

        A missing value never fires, and nothing does while one of the sign's excuses holds.
        """
        excused = {
            name: rows[name].notna().to_numpy()
            if rows[name].dtype.kind not in "iufb"
            else np.nan_to_num(_numbers(rows[name])) != 0
            for name in self.excuses
        }
        levels, stage, age = self._places(rows)
        made = {}
        for column in self.signs:
            sign, values = _sign(column), _towards(rows[column.name], _sign(column))
            limit: Any = sign.limit
            if limit is None:
                limit = self._table(column, levels)[stage, age]
            beyond = values < limit if sign.side == "low" else values > limit
            for name in sign.unless:
                if name in excused:
                    beyond &= ~excused[name]
            made[column.name] = beyond
        return pd.DataFrame(made, index=rows.index, dtype=bool)

    @property
    def needs(self) -> frozenset[str]:
        """The columns that `fired` reads."""
        read = {*(c.name for c in self.signs), *self.excuses, self.stage, self.age}
        return frozenset(name for name in read if name is not None)

    def to_json(self) -> dict[str, Any]:
        return {
            "signs": [c.to_json() for c in self.signs],
            "excuses": list(self.excuses),
            "stage": self.stage,
            "age": self.age,
            "tables": dict(self.tables),
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Limits:
        return Limits(
            signs=tuple(Column.from_json(c) for c in value["signs"]),
            excuses=tuple(value["excuses"]),
            stage=value["stage"],
            age=value["age"],
            tables=dict(value["tables"]),
        )

    def _learned(
        self, rows: pd.DataFrame, column: Column, buyers: np.ndarray, lead: np.ndarray
    ) -> dict[str, Any]:
        """The table of one sign. buyers: positions of their rows; lead: (n,) codes."""
        values = _towards(rows[column.name], _sign(column))
        seen = buyers[~np.isnan(values[buyers])]
        values, lead = values[seen], lead[seen]
        levels, stage, age = self._places(rows.iloc[seen])
        sign = _sign(column)
        by_age: dict[str, list[float | None]] = {}
        by_stage: dict[str, float] = {}
        for code in np.argsort(levels):
            level, own = levels[code], stage == code
            at_stage = _quantile(values[own], lead[own], sign)
            if at_stage is None:
                continue  # then no age of it has enough either
            by_stage[level] = at_stage
            ages = [own & (age == number) for number in range(len(AGES) + 1)]
            by_age[level] = [_quantile(values[at], lead[at], sign) for at in ages]
        return {"by_age": by_age, "by_stage": by_stage, "all": _quantile(values, lead, sign)}

    def _table(self, column: Column, levels: np.ndarray) -> np.ndarray:
        """(levels, ages) learned limits; NaN, beyond which nothing lies, for none."""
        table = self.tables[column.name]
        everywhere = np.nan if table["all"] is None else table["all"]
        found = np.full((len(levels), len(AGES) + 1), everywhere)
        for number, level in enumerate(levels):
            if level in table["by_stage"]:
                told = table["by_age"][level]
                found[number] = [table["by_stage"][level] if v is None else v for v in told]
        return found

    def _places(self, rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The stages of the rows, "" for one that is not known; (n,) numbers of the rows' stages
        among them; (n,) numbers of the rows' ages."""
        levels, stage = np.array([""], dtype=object), np.zeros(len(rows), dtype=np.int64)
        if self.stage is not None:
            stage, known = pd.factorize(rows[self.stage])
            levels = np.append(np.asarray(known, dtype=object), "")
            stage = np.where(stage < 0, len(known), stage)
        if self.age is None:
            return levels, stage, np.zeros(len(rows), dtype=np.int64)
        return levels, stage, np.searchsorted(AGES, _numbers(rows[self.age]), side="right")


def _quantile(values: np.ndarray, lead: np.ndarray, sign: Sign) -> float | None:
    """The value nearest to the usual ones beyond which at most MOST_BUYERS of the leads lie; each
    lead has the weight 1, spread over its rows. None with too few leads."""
    _, number, rows_of = np.unique(lead, return_inverse=True, return_counts=True)
    if len(rows_of) < FEWEST_BUYERS:
        return None
    towards = -values if sign.side == "low" else values
    levels, place = np.unique(towards, return_inverse=True)
    weight = np.bincount(place, weights=1 / rows_of[number])
    beyond = len(rows_of) - np.cumsum(weight)
    # Sums of shares such as a third are exact to the last bits only.
    first = np.argmax(beyond <= MOST_BUYERS[sign.strong] * len(rows_of) + 1e-9)
    return float(-levels[first] if sign.side == "low" else levels[first])


def _warns(fired: np.ndarray, bought: np.ndarray, place: np.ndarray, lead: np.ndarray) -> bool:
    """Whether those that did not buy show the sign as often as LEAST_SHOWN says, against buyers at
    the same places.

    Each lead has the weight 1 in each place; places are pooled with the weights of Mantel and
    Haenszel (1959), so that where buyers get farther, or are gone sooner, makes no difference.
    """
    frame = pd.DataFrame({"place": place, "bought": bought, "lead": lead, "fired": fired})
    shown = frame.groupby(["place", "bought", "lead"])["fired"].mean()
    by_place = shown.groupby(level=["place", "bought"]).agg(["mean", "size"]).unstack("bought")
    if by_place["mean"].shape[1] < 2:
        return False
    mean, size = by_place["mean"].to_numpy(), by_place["size"].to_numpy()  # others, buyers
    weight = size[:, 0] * size[:, 1] / (size[:, 0] + size[:, 1])
    both = ~np.isnan(weight)
    others, buyers = (weight[both, None] * mean[both]).sum(axis=0)
    return bool(others > 0 and others >= LEAST_SHOWN * buyers - 1e-9)


def _towards(values: pd.Series, sign: Sign) -> np.ndarray:
    """(n,) what is held against the limit."""
    numbers = _numbers(values)
    return np.abs(numbers) if sign.side == "both" else numbers


def _first(columns: Sequence[Column], stream: str, op: str, of: str | None) -> str | None:
    for column in columns:
        if (column.stream, column.op, column.of) == (stream, op, of) and column.types is None:
            return column.name
    return None


def _sign(column: Column) -> Sign:
    assert column.sign is not None
    return column.sign


def _numbers(values: pd.Series) -> np.ndarray:
    return values.to_numpy(dtype=np.float64, na_value=np.nan)
