"""What the rows say: sums, means, extremes, first and newest values of a property."""

import numpy as np

from scoring.build.block import Block, missing_where
from scoring.build.columns import Column, listed_in
from scoring.build.operators.sums import exact_sum


def sum_(block: Block, column: Column) -> np.ndarray:
    rows, values, _ = block.having(column, column.days)
    return exact_sum(block.past.snapshot[rows], values, block.past.size)


def mean(block: Block, column: Column) -> np.ndarray:
    rows, values, _ = block.having(column, column.days)
    snapshot = block.past.snapshot[rows]
    n = np.bincount(snapshot, minlength=block.past.size)
    total = exact_sum(snapshot, values, block.past.size)
    return missing_where(n == 0, total / np.maximum(n, 1))


def max_(block: Block, column: Column) -> np.ndarray:
    return _extreme(np.maximum, block, column)


def min_(block: Block, column: Column) -> np.ndarray:
    return _extreme(np.minimum, block, column)


def _extreme(which: np.ufunc, block: Block, column: Column) -> np.ndarray:
    rows, values, _ = block.having(column, column.days)
    snapshot = block.past.snapshot[rows]
    found = np.full(block.past.size, np.nan)
    if len(snapshot):
        starts = np.flatnonzero(np.diff(snapshot, prepend=-1))
        found[snapshot[starts]] = which.reduceat(values, starts)
    return found


def first(block: Block, column: Column) -> np.ndarray:
    rows, values, levels = block.having(column)
    return _told(block.past.snapshot[rows][::-1], values[::-1], levels, block.past.size)


def last(block: Block, column: Column) -> np.ndarray:
    rows, values, levels = block.having(column)
    return _told(block.past.snapshot[rows], values, levels, block.past.size)


def last_listed(block: Block, column: Column) -> np.ndarray:
    rows, values, levels = block.having(column)
    assert levels is not None  # casting.py reads it as texts
    codes, place = np.unique(values, return_inverse=True)
    fits = np.array([listed_in(column.like, str(levels[code])) for code in codes], dtype=float)
    return _told(block.past.snapshot[rows], fits[place], None, block.past.size)


def _told(
    snapshot: np.ndarray, values: np.ndarray, levels: np.ndarray | None, size: int
) -> np.ndarray:
    """Of several values of a snapshot the last one stays."""
    if levels is not None:
        codes = np.full(size, -1)
        codes[snapshot] = values
        return np.asarray(np.append(levels, [None])[codes])
    found = np.full(size, np.nan)
    found[snapshot] = values
    return found
