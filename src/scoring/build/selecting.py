"""Selections of rows as masks of kinds: conditions are met once per row, not once per snapshot.

Rows that differ in a condition are given kinds of their own, so that whatever counts by kind takes
conditions for free. What a machine did is another matter: a snapshot may know it or not yet, so
every kind has a second one, `kinds` further on, for rows that the snapshot knows to be a machine's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from scoring.build.columns import Column, Condition, Selection, listed_in
from scoring.engine.arrays import Events, Stream

# Kinds that are counted through a table of this size; more are counted after closing ranks.
LARGEST_TABLE = 1 << 20


@dataclass(frozen=True)
class Kinds:
    """The kinds of a stream's rows, told apart by conditions.

    stream       its kinds, (kinds,), several of them with one (type, direction)
    met          condition → (kinds,) bool
    by_machine   whether kinds are doubled: position + kinds is the machine's
    """

    stream: Stream
    met: dict[Condition, np.ndarray]
    by_machine: bool

    def selected(self, selection: Selection) -> np.ndarray:
        """(kinds,) bool, or twice as many where kinds are doubled."""
        chosen = self.stream.selected(selection.types, selection.direction)
        for condition in selection.where:
            chosen = chosen & self.met[condition]
        if not self.by_machine:
            return chosen
        return np.concatenate([chosen, chosen & (not selection.by_person)])

    def told(self, of: str) -> tuple[np.ndarray, np.ndarray]:
        """(kinds,) int codes of the kinds' types or directions, -1 for none, and their names;
        twice as many codes where kinds are doubled."""
        place = 1 if of == "direction" else 0
        told = [kind[place] for kind in self.stream.kinds]
        levels = sorted({name for name in told if name is not None})
        code = np.array([levels.index(n) if n is not None else -1 for n in told], dtype=int)
        return np.tile(code, 2 if self.by_machine else 1), np.array(levels, dtype=object)


def told_apart(stream: Stream, events: Events, columns: Sequence[Column]) -> tuple[Kinds, Events]:
    """Kinds fine enough for the selections of the columns, and the events with them."""
    selections = [s for column in columns for s in column.selections]
    by_machine = events.machine is not None and any(s.by_person for s in selections)
    conditions = list(dict.fromkeys(c for s in selections for c in s.where))
    if not conditions:
        return Kinds(stream, {}, by_machine), events
    code, base = events.kind.astype(np.int64), np.arange(len(stream.kinds))
    met: list[np.ndarray] = []
    for condition in conditions:
        code = 2 * code + meets(events, condition)
        base = np.repeat(base, 2)
        met = [np.repeat(m, 2) for m in met]
        met.append(np.tile([False, True], len(base) // 2))
        if 2 * len(base) > LARGEST_TABLE:
            code, base, met = _closed_ranks(code, base, met)
    code, base, met = _closed_ranks(code, base, met)
    finer = Stream(stream.name, tuple(stream.kinds[k] for k in base))
    found = dict(zip(conditions, met, strict=True))
    return Kinds(finer, found, by_machine), replace(events, kind=code)


def meets(events: Events, condition: Condition) -> np.ndarray:
    """(n,) bool: rows that meet the condition."""
    values = events.values[condition.of]
    levels = events.levels.get(condition.of)
    if levels is not None:
        if condition.listed is not None:
            fits = np.array([listed_in(condition.like, str(v)) for v in levels], dtype=bool)
        else:
            wanted = [v for v in condition.is_in or () if isinstance(v, str)]
            fits = np.isin(levels.astype(str), wanted)
        among = np.append(fits, condition.or_missing)  # code -1 is missing
        return np.asarray(among[values.astype(np.int64)])
    missing = np.isnan(values)
    if condition.is_in is not None:
        wanted_numbers = [float(v) for v in condition.is_in if not isinstance(v, str)]
        return np.isin(values, wanted_numbers) | (missing & condition.or_missing)
    found = ~missing
    if condition.at_least is not None:
        found &= values >= condition.at_least
    if condition.at_most is not None:
        found &= values <= condition.at_most
    return np.asarray(found | missing if condition.or_missing else found)


def groups(selections: Iterable[np.ndarray], kinds: int) -> np.ndarray:
    """(kinds,) int: kinds that every selection treats alike have the same group."""
    listed = list(selections)
    if not listed or not kinds:
        return np.zeros(kinds, dtype=np.int64)
    _, group = np.unique(np.stack(listed), axis=1, return_inverse=True)
    return np.asarray(group).ravel()


def _closed_ranks(
    code: np.ndarray, base: np.ndarray, met: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Without the kinds that no row has."""
    present = np.flatnonzero(np.bincount(code, minlength=len(base)))
    place = np.zeros(len(base), dtype=np.int64)
    place[present] = np.arange(len(present))
    return place[code], base[present], [m[present] for m in met]
