"""What each snapshot may see. Every feature of the history reads through it; what was known
of a lead's attributes is decided in `engine/attributes.py`.

A history row is visible to a snapshot if it happened and was recorded strictly before as_of.
Inherited rows of merged leads are known from the merge on, so they need no rule of their own.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from scoring.engine.arrays import Events

# Visible rows that are held in memory at a time: snapshots are worked on in blocks.
ROWS_PER_BLOCK = 4_000_000


@dataclass(frozen=True)
class Past:
    """Visible rows of a block of snapshots, those of one snapshot together, oldest first.

    snapshot   (m,) int: position of the row's snapshot in the block, ascending
    row        (m,) int: position of the row in `Events`
    age        (m,) int64, microseconds from the row to as_of, above 0
    size       how many snapshots the block has; first: position of the block's first snapshot
    """

    snapshot: np.ndarray
    row: np.ndarray
    age: np.ndarray
    size: int
    first: int


def blocks(events: Events, lead_key: np.ndarray, as_of: np.ndarray) -> Iterator[Past]:
    """The past of the snapshots (lead_key, as_of), (s,) each, as_of in microseconds since 1970."""
    start = np.searchsorted(events.lead_key, lead_key, side="left")
    end = _happened_before(events, start, lead_key, as_of)
    counts = end - start
    total = np.cumsum(counts)
    first = 0
    while first < len(lead_key):
        done = total[first - 1] if first else 0
        last = int(np.searchsorted(total, done + ROWS_PER_BLOCK, side="right"))
        last = max(last, first + 1)
        own = counts[first:last]
        snapshot = np.repeat(np.arange(last - first), own)
        offset = np.arange(len(snapshot)) - np.repeat(np.cumsum(own) - own, own)
        row = np.repeat(start[first:last], own) + offset
        moment = np.repeat(as_of[first:last], own)
        recorded = events.known[row] < moment
        snapshot, row, moment = snapshot[recorded], row[recorded], moment[recorded]
        yield Past(snapshot, row, moment - events.time[row], last - first, first)
        first = last


def _happened_before(
    events: Events, start: np.ndarray, lead_key: np.ndarray, as_of: np.ndarray
) -> np.ndarray:
    """Position behind the last row of each lead with time < as_of: a bisection for all at once."""
    low, high = start.copy(), np.searchsorted(events.lead_key, lead_key, side="right")
    open_ = low < high
    while open_.any():
        middle = (low + high) // 2
        before = np.zeros(len(low), dtype=bool)
        before[open_] = events.time[middle[open_]] < as_of[open_]
        low = np.where(open_ & before, middle + 1, low)
        high = np.where(open_ & ~before, middle, high)
        open_ = low < high
    return low
