"""What the rows say: sums, means, extremes and newest values of a property."""

import numpy as np

from scoring.build.block import Block, missing_where
from scoring.build.columns import Column

SCALE = 1_000_000  # sums are exact to six decimals
LIMB = 2**32


def exact_sum(snapshot: np.ndarray, values: np.ndarray, size: int) -> np.ndarray:
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


def sum_(block: Block, column: Column) -> np.ndarray:
    return exact_sum(*block.having(column), block.past.size)


def mean(block: Block, column: Column) -> np.ndarray:
    snapshot, values = block.having(column)
    n = np.bincount(snapshot, minlength=block.past.size)
    total = exact_sum(snapshot, values, block.past.size)
    return missing_where(n == 0, total / np.maximum(n, 1))


def max_(block: Block, column: Column) -> np.ndarray:
    snapshot, values = block.having(column)
    found = np.full(block.past.size, np.nan)
    if len(snapshot):
        starts = np.flatnonzero(np.diff(snapshot, prepend=-1))
        found[snapshot[starts]] = np.maximum.reduceat(values, starts)
    return found


def last(block: Block, column: Column) -> np.ndarray:
    snapshot, values = block.having(column)
    if column.of in block.events.levels:
        codes = np.full(block.past.size, -1)
        codes[snapshot] = values
        texts = np.append(block.events.levels[column.of or ""], [None])
        return np.asarray(texts[codes])
    found = np.full(block.past.size, np.nan)
    found[snapshot] = values
    return found
