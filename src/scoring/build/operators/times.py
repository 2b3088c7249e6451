"""When: first and last rows, and the gaps between rows."""

import numpy as np

from scoring.build.block import Block, missing_where
from scoring.build.columns import Column
from scoring.engine.arrays import DAY


def first_on(block: Block, column: Column) -> np.ndarray:
    oldest = block.oldest(block.selections[column.name])
    return missing_where(np.isinf(oldest), oldest / DAY)


def last_on(block: Block, column: Column) -> np.ndarray:
    newest = block.newest(block.selections[column.name])
    return missing_where(np.isinf(newest), newest / DAY)


def gap_mean(block: Block, column: Column) -> np.ndarray:
    selection = block.selections[column.name]
    n = block.counts(None, selection)
    with np.errstate(invalid="ignore"):
        span = block.oldest(selection) - block.newest(selection)
    return missing_where(n < 2, span / np.maximum(n - 1, 1) / DAY)


def gap_last(block: Block, column: Column) -> np.ndarray:
    rows = block.rows(block.selections[column.name])
    n = np.bincount(block.past.snapshot[rows], minlength=block.past.size)
    newest = np.cumsum(n)[n >= 2] - 1
    age = block.past.age[rows]
    found = np.full(block.past.size, np.nan)
    found[n >= 2] = (age[newest - 1] - age[newest]) / DAY
    return found
