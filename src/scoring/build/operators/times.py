"""When: first and last rows, and the gaps between rows."""

import numpy as np

from scoring.build.block import Block, missing_where
from scoring.build.columns import Column
from scoring.engine.arrays import DAY


def first_on(block: Block, column: Column) -> np.ndarray:
    oldest = block.oldest(block.mask(column.selection))
    return missing_where(np.isinf(oldest), oldest / DAY)


def last_on(block: Block, column: Column) -> np.ndarray:
    newest = block.newest(block.mask(column.selection))
    return missing_where(np.isinf(newest), newest / DAY)


def gap_mean(block: Block, column: Column) -> np.ndarray:
    mask = block.mask(column.selection)
    n = block.counts(None, mask)
    with np.errstate(invalid="ignore"):
        span = block.oldest(mask) - block.newest(mask)
    return missing_where(n < 2, span / np.maximum(n - 1, 1) / DAY)


def gap_last(block: Block, column: Column) -> np.ndarray:
    rows = block.rows(block.mask(column.selection))
    n = np.bincount(block.past.snapshot[rows], minlength=block.past.size)
    newest = np.cumsum(n)[n >= 2] - 1
    age = block.past.age[rows]
    found = np.full(block.past.size, np.nan)
    found[n >= 2] = (age[newest - 1] - age[newest]) / DAY
    return found


def gap_longest(block: Block, column: Column) -> np.ndarray:
    rows = block.rows(block.mask(column.selection))
    snapshot, age = block.past.snapshot[rows], block.past.age[rows]
    follows = np.flatnonzero(np.diff(snapshot) == 0)
    found = np.full(block.past.size, -np.inf)
    np.maximum.at(found, snapshot[follows], (age[follows] - age[follows + 1]) / DAY)
    return missing_where(np.isinf(found), found)
