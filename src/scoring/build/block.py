"""The past of a block of snapshots, and what several feature columns share of it.

The visible rows are counted once per (snapshot, group of kinds, window); a column then adds the
groups that it selects. Kinds that no column tells apart share a group, so the counts stay small
however many types a CRM has. Columns that need the rows themselves take them once each.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from scoring.build.columns import Column, Selection, told_by_kind
from scoring.build.past import Past
from scoring.build.selecting import Kinds
from scoring.engine.arrays import DAY, Events

Made = TypeVar("Made")


@dataclass
class Block:
    """The past of a block of snapshots, with what several columns share computed once.

    group   (kinds,) int: kinds that no column tells apart have one number
    masks   selection → (kinds,) bool
    kind    (m,) int: the kind of each visible row, as the snapshot knows it
    """

    kinds: Kinds
    events: Events
    past: Past
    group: np.ndarray
    masks: Mapping[Selection, np.ndarray]
    _shared: dict[Hashable, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.groups = int(self.group.max()) + 1 if len(self.group) else 1
        row = self.past.row
        kind = self.events.kind.take(row)
        if self.kinds.by_machine and self.events.machine is not None:
            known = self.events.machine.take(row)
            as_of = self.events.time.take(row) + self.past.age
            kind = kind + (known < as_of) * len(self.kinds.stream.kinds)
        self.kind = kind
        # Tables of cells have a row per group, so that a column adds up whole rows.
        self.cell = (self.group * self.past.size).take(kind) + self.past.snapshot

    def mask(self, selection: Selection) -> np.ndarray:
        """(kinds,) bool: the kinds that it selects."""
        return self.masks[selection]

    def counts(self, days: int | None, mask: np.ndarray) -> np.ndarray:
        """(size,) int: visible rows of the selected kinds in the window."""
        counts = self.shared(("counts", days), lambda: self._counted(days))
        chosen = self._chosen(mask)
        return counts[chosen[0]] if len(chosen) == 1 else counts[chosen].sum(axis=0)

    def newest(self, mask: np.ndarray) -> np.ndarray:
        """(size,) float: age of the newest selected row; infinite where there is none."""
        ages = self.shared("newest", lambda: self._ages(np.inf, 1))
        return np.asarray(ages[self._chosen(mask)].min(axis=0, initial=np.inf))

    def oldest(self, mask: np.ndarray) -> np.ndarray:
        """(size,) float: age of the oldest selected row; minus infinite where there is none."""
        ages = self.shared("oldest", lambda: self._ages(-np.inf, -1))
        return np.asarray(ages[self._chosen(mask)].max(axis=0, initial=-np.inf))

    def rows(self, mask: np.ndarray, days: int | None = None) -> np.ndarray:
        """Positions in `past` of the selected rows in the window, in its order."""
        rows: np.ndarray = self.shared(
            ("rows", mask.tobytes()), lambda: np.flatnonzero(mask.take(self.kind))
        )
        return rows if days is None else rows.take(self._within(self.past.age.take(rows), days))

    def shared(self, name: Hashable, make: Callable[[], Made]) -> Made:
        """What several columns need, made once."""
        if name not in self._shared:
            self._shared[name] = make()
        made: Made = self._shared[name]
        return made

    def property(self, of: str) -> tuple[np.ndarray, np.ndarray | None]:
        """Of every row in `events`: numbers with NaN, or codes with -1 and their texts."""
        if told_by_kind(self.kinds.stream.name, of):
            code, levels = self.kinds.told(of)
            return code.take(self.events.kind), levels
        return self.events.values[of], self.events.levels.get(of)

    def having(
        self, column: Column, days: int | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Rows in `past` of the selection and the window that have the column's property, in its
        order; their values, numbers or codes; and the texts behind codes."""
        mask, of = self.mask(column.selection), column.of or ""
        rows, values, levels = self.shared(
            ("having", of, mask.tobytes()), lambda: self._having(of, mask)
        )
        if days is None:
            return rows, values, levels
        kept = self._within(self.past.age.take(rows), days)
        return rows.take(kept), values.take(kept), levels

    def _having(
        self, of: str, mask: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        values, levels = self.shared(("property", of), lambda: self.property(of))
        filled: np.ndarray = self.shared(
            ("filled", of),
            lambda: np.flatnonzero(
                (values >= 0 if levels is not None else ~np.isnan(values)).take(self.past.row)
            ),
        )
        rows = filled
        if not mask.all():
            rows = filled.take(np.flatnonzero(mask.take(self.kind.take(filled))))
        return rows, values.take(self.past.row.take(rows)), levels

    def _counted(self, days: int | None) -> np.ndarray:
        """(groups, size) int."""
        cell = self.cell
        if days is not None:
            cell = cell.take(self._within(self.past.age, days))
        counted = np.bincount(cell, minlength=self.groups * self.past.size)
        return counted.reshape(self.groups, self.past.size)

    def _ages(self, none: float, step: int) -> np.ndarray:
        """(groups, size) float: age of the last row of each cell, counted by `step`."""
        ages = np.full(self.groups * self.past.size, none)
        ages[self.cell[::step]] = self.past.age[::step]  # of several rows the last one stays
        return ages.reshape(self.groups, self.past.size)

    @staticmethod
    def _within(age: np.ndarray, days: int) -> np.ndarray:
        return np.flatnonzero(age <= days * DAY)

    def _chosen(self, mask: np.ndarray) -> np.ndarray:
        return np.unique(self.group[mask])


def missing_where(condition: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.where(condition, np.nan, values)
