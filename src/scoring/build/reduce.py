"""Feature columns from the past of snapshots: counting, not searching.

The visible rows are counted once per (snapshot, group of kinds, window); a column then adds the
groups that it selects. Kinds that no column tells apart share a group, so the counts stay small
however many types a CRM has. Columns that need the rows themselves take them once each.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from scoring.build.columns import Column
from scoring.build.past import Past, blocks
from scoring.engine.arrays import DAY, Events, Stream

SCALE = 1_000_000  # sums are exact to six decimals
LIMB = 2**32

Values = Callable[["_Block", Column], np.ndarray]


def reduce_stream(
    stream: Stream,
    events: Events,
    columns: Sequence[Column],
    lead_key: np.ndarray,
    as_of: np.ndarray,
) -> dict[str, np.ndarray]:
    """Column → (snapshots,): float64 with NaN for missing, or texts with None.

    The snapshots are (lead_key, as_of), as_of in microseconds since 1970 UTC.
    """
    found: dict[str, list[np.ndarray]] = {column.name: [] for column in columns}
    selections = {c.name: stream.selected(c.types, c.direction) for c in columns}
    parts = {c.name: stream.selected(c.part, c.direction) for c in columns if c.part is not None}
    group = _groups([*selections.values(), *parts.values()], len(stream.kinds))
    for past in blocks(events, lead_key, as_of):
        block = _Block(events, past, group, selections, parts)
        for column in columns:
            found[column.name].append(OPERATORS[column.op](block, column))
    return {name: np.concatenate(made) for name, made in found.items() if made}


def _groups(selections: Sequence[np.ndarray], kinds: int) -> np.ndarray:
    """(kinds,) int: kinds that every selection treats alike have the same group."""
    if not selections or not kinds:
        return np.zeros(kinds, dtype=np.int64)
    _, group = np.unique(np.stack(selections), axis=1, return_inverse=True)
    return np.asarray(group).ravel()


@dataclass
class _Block:
    """The past of a block of snapshots, with what several columns share computed once."""

    events: Events
    past: Past
    group: np.ndarray
    selections: Mapping[str, np.ndarray]
    parts: Mapping[str, np.ndarray]
    _counts: dict[int | None, np.ndarray] = field(default_factory=dict)
    _ages: dict[str, np.ndarray] = field(default_factory=dict)
    _rows: dict[bytes, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.groups = int(self.group.max()) + 1 if len(self.group) else 1
        kind = self.events.kind[self.past.row]
        self.cell = self.past.snapshot * self.groups + self.group[kind]
        self.kind = kind

    def counts(self, days: int | None, selection: np.ndarray) -> np.ndarray:
        """(size,) int: visible rows of the selected kinds in the window."""
        if days not in self._counts:
            cell = self.cell if days is None else self.cell[self.past.age <= days * DAY]
            counted = np.bincount(cell, minlength=self.past.size * self.groups)
            self._counts[days] = counted.reshape(self.past.size, self.groups)
        return self._counts[days][:, self._chosen(selection)].sum(axis=1)

    def newest(self, selection: np.ndarray) -> np.ndarray:
        """(size,) float: age of the newest selected row; infinite where there is none."""
        if "newest" not in self._ages:
            ages = np.full(self.past.size * self.groups, np.inf)
            ages[self.cell] = self.past.age  # of several rows of a cell the last one stays
            self._ages["newest"] = ages.reshape(self.past.size, self.groups)
        return self._ages["newest"][:, self._chosen(selection)].min(axis=1, initial=np.inf)

    def oldest(self, selection: np.ndarray) -> np.ndarray:
        """(size,) float: age of the oldest selected row; minus infinite where there is none."""
        if "oldest" not in self._ages:
            ages = np.full(self.past.size * self.groups, -np.inf)
            ages[self.cell[::-1]] = self.past.age[::-1]
            self._ages["oldest"] = ages.reshape(self.past.size, self.groups)
        return self._ages["oldest"][:, self._chosen(selection)].max(axis=1, initial=-np.inf)

    def rows(self, selection: np.ndarray, days: int | None = None) -> np.ndarray:
        """Positions in `past` of the selected rows in the window, in its order."""
        key = selection.tobytes()
        if key not in self._rows:
            self._rows[key] = np.flatnonzero(selection[self.kind])
        rows = self._rows[key]
        return rows if days is None else rows[self.past.age[rows] <= days * DAY]

    def having(self, column: Column) -> tuple[np.ndarray, np.ndarray]:
        """Snapshot and value of the selected rows in the window that have the property."""
        rows = self.rows(self.selections[column.name], column.days)
        values = self.events.values[column.of or ""][self.past.row[rows]]
        has = values >= 0 if column.of in self.events.levels else ~np.isnan(values)
        return self.past.snapshot[rows[has]], values[has]

    def _chosen(self, selection: np.ndarray) -> np.ndarray:
        return np.unique(self.group[selection])


def _missing_where(condition: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.where(condition, np.nan, values)


def _count(block: _Block, column: Column) -> np.ndarray:
    return block.counts(column.days, block.selections[column.name]).astype(float)


def _exact_sum(snapshot: np.ndarray, values: np.ndarray, size: int) -> np.ndarray:
    """Sums of numbers below 10^12, exact to six decimals whatever the order of the rows.

    Fixed point in two limbs: each is summed as whole numbers below 2^53, which floats hold exactly.
    """
    # Scaled in two parts: a float above 9e9 times a million would lose its last digits.
    whole = np.trunc(values)
    scaled = whole.astype(np.int64) * SCALE + np.rint((values - whole) * SCALE).astype(np.int64)
    high, low = np.divmod(scaled, LIMB)
    highs = np.bincount(snapshot, weights=high, minlength=size).astype(np.longdouble)
    lows = np.bincount(snapshot, weights=low, minlength=size).astype(np.longdouble)
    return ((highs * LIMB + lows) / SCALE).astype(float)


def _sum(block: _Block, column: Column) -> np.ndarray:
    return _exact_sum(*block.having(column), block.past.size)


def _mean(block: _Block, column: Column) -> np.ndarray:
    snapshot, values = block.having(column)
    n = np.bincount(snapshot, minlength=block.past.size)
    total = _exact_sum(snapshot, values, block.past.size)
    return _missing_where(n == 0, total / np.maximum(n, 1))


def _max(block: _Block, column: Column) -> np.ndarray:
    snapshot, values = block.having(column)
    found = np.full(block.past.size, np.nan)
    if len(snapshot):
        starts = np.flatnonzero(np.diff(snapshot, prepend=-1))
        found[snapshot[starts]] = np.maximum.reduceat(values, starts)
    return found


def _last(block: _Block, column: Column) -> np.ndarray:
    snapshot, values = block.having(column)
    if column.of in block.events.levels:
        codes = np.full(block.past.size, -1)
        codes[snapshot] = values
        texts = np.append(block.events.levels[column.of or ""], [None])
        return np.asarray(texts[codes])
    found = np.full(block.past.size, np.nan)
    found[snapshot] = values
    return found


def _share(block: _Block, column: Column) -> np.ndarray:
    whole = block.counts(column.days, block.selections[column.name])
    part = block.parts[column.name] & block.selections[column.name]
    return _missing_where(whole == 0, block.counts(column.days, part) / np.maximum(whole, 1))


def _first_on(block: _Block, column: Column) -> np.ndarray:
    oldest = block.oldest(block.selections[column.name])
    return _missing_where(np.isinf(oldest), oldest / DAY)


def _last_on(block: _Block, column: Column) -> np.ndarray:
    newest = block.newest(block.selections[column.name])
    return _missing_where(np.isinf(newest), newest / DAY)


def _active_days(block: _Block, column: Column) -> np.ndarray:
    rows = block.rows(block.selections[column.name])
    day = block.events.values["local_day"][block.past.row[rows]].astype(np.int64)
    return _distinct_count(block, rows, day, column.days)


def _gap_mean(block: _Block, column: Column) -> np.ndarray:
    selection = block.selections[column.name]
    n = block.counts(None, selection)
    with np.errstate(invalid="ignore"):
        span = block.oldest(selection) - block.newest(selection)
    return _missing_where(n < 2, span / np.maximum(n - 1, 1) / DAY)


def _gap_last(block: _Block, column: Column) -> np.ndarray:
    rows = block.rows(block.selections[column.name])
    n = np.bincount(block.past.snapshot[rows], minlength=block.past.size)
    newest = np.cumsum(n)[n >= 2] - 1
    age = block.past.age[rows]
    found = np.full(block.past.size, np.nan)
    found[n >= 2] = (age[newest - 1] - age[newest]) / DAY
    return found


def _trend(block: _Block, column: Column) -> np.ndarray:
    days, selection = column.days or 0, block.selections[column.name]
    recent, both = block.counts(days, selection), block.counts(2 * days, selection)
    return _missing_where(both == 0, (2 * recent - both) / np.maximum(both, 1))


def _distinct(block: _Block, column: Column) -> np.ndarray:
    rows = block.rows(block.selections[column.name])
    values = block.events.values[column.of or ""][block.past.row[rows]]
    if column.of in block.events.levels:
        has, codes = values >= 0, values
    else:
        has = ~np.isnan(values)
        codes = np.unique(values, return_inverse=True)[1]
    return _distinct_count(block, rows[has], codes[has].astype(np.int64), column.days)


def _distinct_count(
    block: _Block, rows: np.ndarray, codes: np.ndarray, days: int | None
) -> np.ndarray:
    """(size,) how many different codes have a row in the window: their newest row decides."""
    if not len(rows):
        return np.zeros(block.past.size)
    width = int(codes.max()) + 1
    pair = block.past.snapshot[rows].astype(np.int64) * width + codes
    if (np.diff(pair) >= 0).all():  # days ascend within a snapshot: no need to look back
        newest = np.diff(pair, append=-1) != 0
    else:
        newest = ~pd.Series(pair).duplicated(keep="last").to_numpy()
    kept = rows[newest]
    if days is not None:
        kept = kept[block.past.age[kept] <= days * DAY]
    return np.bincount(block.past.snapshot[kept], minlength=block.past.size).astype(float)


OPERATORS: dict[str, Values] = {
    "count": _count,
    "sum": _sum,
    "mean": _mean,
    "max": _max,
    "last": _last,
    "share": _share,
    "first_on": _first_on,
    "last_on": _last_on,
    "active_days": _active_days,
    "gap_mean": _gap_mean,
    "gap_last": _gap_last,
    "trend": _trend,
    "distinct": _distinct,
}
