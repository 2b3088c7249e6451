"""What an operator of the declaration language computes, one function each.

A function takes the past of a block of snapshots and a column, and gives a value for each snapshot:
(size,) float64 with NaN for missing, or texts with None.
"""

from collections.abc import Callable

import numpy as np

from scoring.build.block import Block
from scoring.build.columns import Column
from scoring.build.operators import counts, different, times, values

Operator = Callable[[Block, Column], np.ndarray]

OPERATORS: dict[str, Operator] = {
    "count": counts.count,
    "share": counts.share,
    "trend": counts.trend,
    "sum": values.sum_,
    "mean": values.mean,
    "max": values.max_,
    "last": values.last,
    "first_on": times.first_on,
    "last_on": times.last_on,
    "gap_mean": times.gap_mean,
    "gap_last": times.gap_last,
    "active_days": different.active_days,
    "distinct": different.distinct,
}
