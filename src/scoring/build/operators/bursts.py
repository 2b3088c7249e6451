"""Bursts: the busiest stretch of days."""

import numpy as np

from scoring.build.block import Block, missing_where
from scoring.build.columns import Column
from scoring.engine.arrays import DAY


def busiest(block: Block, column: Column) -> np.ndarray:
    rows = block.rows(block.mask(column.selection), column.days)
    snapshot, age = block.past.snapshot[rows], block.past.age[rows]
    found = np.zeros(block.past.size)
    if len(rows):
        starts = np.flatnonzero(np.diff(snapshot, prepend=-1))
        first = _first_within(snapshot, age, starts, (column.within or 0) * DAY)
        inside = np.arange(len(rows)) - first + 1
        found[snapshot[starts]] = np.maximum.reduceat(inside, starts)
    return found


def busiest_share(block: Block, column: Column) -> np.ndarray:
    n = block.counts(column.days, block.mask(column.selection))
    return missing_where(n == 0, busiest(block, column) / np.maximum(n, 1))


def _first_within(
    snapshot: np.ndarray, age: np.ndarray, starts: np.ndarray, length: int
) -> np.ndarray:
    """Position of the oldest row of the same snapshot less than `length` before each row: a
    bisection for all rows at once."""
    lengths = np.diff(starts, append=len(snapshot))
    low, high = np.repeat(starts, lengths), np.arange(len(snapshot))
    open_ = np.flatnonzero(low < high)
    while len(open_):
        middle = (low[open_] + high[open_]) // 2
        inside = age[middle] - age[open_] < length
        high[open_[inside]] = middle[inside]
        low[open_[~inside]] = middle[~inside] + 1
        open_ = open_[low[open_] < high[open_]]
    return high
