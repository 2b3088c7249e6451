"""The past of a block of snapshots, and what several feature columns share of it.

The visible rows are counted once per (snapshot, group of kinds, window); a column then adds the
groups that it selects. Kinds that no column tells apart share a group, so the counts stay small
however many types a CRM has. Columns that need the rows themselves take them once each.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from scoring.build.columns import Column
from scoring.build.past import Past
from scoring.engine.arrays import DAY, Events


@dataclass
class Block:
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


def missing_where(condition: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.where(condition, np.nan, values)
