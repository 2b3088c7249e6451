"""Dates that rows name: a next step that is booked, and one that passed without being done."""

import numpy as np

from scoring.build.block import Block
from scoring.build.columns import Column
from scoring.build.operators.sequences import next_one
from scoring.engine.arrays import DAY
from scoring.engine.numbers import as_numbers


def ahead(block: Block, column: Column) -> np.ndarray:
    rows, day = _days(block, column)
    snapshot = block.past.snapshot[rows]
    found = np.full(block.past.size, np.nan)
    if len(rows):
        starts = np.flatnonzero(np.diff(snapshot, prepend=-1))
        latest = np.maximum.reduceat(day, starts)
        now = _as_of(block, rows[starts])
        found[snapshot[starts]] = np.where(latest + 1 > now, np.maximum(latest - now, 0), np.nan)
    return found


def missed(block: Block, column: Column) -> np.ndarray:
    assert column.then is not None
    rows, day = _days(block, column, column.days)
    passed = rows[day + 1 <= _as_of(block, rows)]
    done = block.mask(column.then)
    behind = next_one(block.past.snapshot, done[block.kind])
    undone = passed[behind[passed] == len(block.kind)]
    return np.bincount(block.past.snapshot[undone], minlength=block.past.size).astype(float)


def _days(block: Block, column: Column, window: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Rows that name a date, and its day since 1970; a text is read as a date."""
    rows, values, levels = block.having(column, window)
    if levels is not None:
        values = as_numbers(levels)[values]
        named = ~np.isnan(values)
        rows, values = rows[named], values[named]
    return rows, np.floor(values)


def _as_of(block: Block, rows: np.ndarray) -> np.ndarray:
    """Days since 1970, with fractions."""
    return (block.events.time[block.past.row[rows]] + block.past.age[rows]) / DAY
