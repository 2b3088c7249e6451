"""Properties in the kind that columns were compiled for.

A property may change its kind while a champion lives: what was numbers or flags is text once other
values have landed, and the other way round. Its columns go on reading what they were trained with:
a text that is a number, a date (its day) or true, false counts as it, any other is missing; a
number is read as the text that it is written as.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from scoring.build.columns import Column
from scoring.build.language.rows import NEED_NUMBERS
from scoring.engine.arrays import Events
from scoring.engine.numbers import as_numbers

FLAGS = {"true": 1.0, "false": 0.0}


def as_compiled(events: Events, columns: Iterable[Column]) -> Events:
    """The events with every property in the kind that the columns ask for."""
    numbers: set[str] = set()
    texts: set[str] = set()
    for column in columns:
        if column.op in (*NEED_NUMBERS, "first", "last"):
            (texts if column.kind == "category" else numbers).add(column.of or "")
        elif column.op == "last_listed":
            texts.add(column.of or "")
        for condition in (c for s in column.selections for c in s.where):
            (texts if condition.of_texts else numbers).add(condition.of)
    values, levels = dict(events.values), dict(events.levels)
    for name in numbers & levels.keys():
        values[name] = _numbers(levels.pop(name))[values[name]]
    for name in (texts & values.keys()) - events.levels.keys():
        values[name], levels[name] = _texts(values[name])
    return replace(events, values=values, levels=levels)


def _numbers(levels: np.ndarray) -> np.ndarray:
    """(levels + 1,) float64, the last one for the code of what is missing."""
    found = as_numbers(levels)
    told = np.array([FLAGS.get(str(level).lower(), np.nan) for level in levels], dtype=float)
    return np.append(np.where(np.isnan(found), told, found), np.nan)


def _texts(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    known = ~np.isnan(values)
    found, code = np.unique(values[known], return_inverse=True)
    codes = np.full(len(values), -1)
    codes[known] = code
    return codes, np.array([f"{v:.15g}" for v in found], dtype=object)
