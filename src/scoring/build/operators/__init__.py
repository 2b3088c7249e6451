"""What an operator of the declaration language computes, one function each.

A function takes the past of a block of snapshots and a column, and gives a value for each snapshot:
(size,) float64 with NaN for missing, or texts with None. What it means, for which interval and in
which unit, stands where it is declared: the method of the same name in `build/language`.
"""

from collections.abc import Callable

import numpy as np

from scoring.build.block import Block
from scoring.build.columns import Column
from scoring.build.operators import (
    bursts,
    changes,
    counts,
    dates,
    different,
    sequences,
    stages,
    times,
    values,
)

Operator = Callable[[Block, Column], np.ndarray]

OPERATORS: dict[str, Operator] = {
    "count": counts.count,
    "share": counts.share,
    "trend": counts.trend,
    "decayed": counts.decayed,
    "busiest": bursts.busiest,
    "busiest_share": bursts.busiest_share,
    "sum": values.sum_,
    "mean": values.mean,
    "max": values.max_,
    "min": values.min_,
    "first": values.first,
    "last": values.last,
    "last_listed": values.last_listed,
    "changes": changes.changes,
    "returns": changes.returns,
    "rises": changes.rises,
    "falls": changes.falls,
    "ahead": dates.ahead,
    "missed": dates.missed,
    "first_on": times.first_on,
    "last_on": times.last_on,
    "gap_mean": times.gap_mean,
    "gap_last": times.gap_last,
    "gap_longest": times.gap_longest,
    "active_days": different.active_days,
    "distinct": different.distinct,
    "repeated": different.repeated,
    "followed_by": sequences.followed_by,
    "followed_share": sequences.followed_share,
    "unfollowed": sequences.unfollowed,
    "unprepared": sequences.unprepared,
    "response_mean": sequences.response_mean,
    "response_median": sequences.response_median,
    "response_last": sequences.response_last,
    "waiting_since": sequences.waiting_since,
    "furthest": stages.furthest,
    "backward": stages.backward,
    "skipped": stages.skipped,
    "dwell": stages.dwell,
    "entered_on": stages.entered_on,
}
