"""Sums that do not depend on the order of the rows."""

import numpy as np

SCALE = 1_000_000  # sums of properties are exact to six decimals
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


def whole_sum(snapshot: np.ndarray, values: np.ndarray, size: int) -> np.ndarray:
    """(size,) int64 sums of whole numbers; `snapshot` ascends."""
    found = np.zeros(size, dtype=np.int64)
    if len(snapshot):
        starts = np.flatnonzero(np.diff(snapshot, prepend=-1))
        found[snapshot[starts]] = np.add.reduceat(values.astype(np.int64), starts)
    return found
