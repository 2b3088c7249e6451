"""What came after what: A then B, answers, and who waits."""

from dataclasses import dataclass

import numpy as np

from scoring.build.block import Block, missing_where
from scoring.build.columns import Column
from scoring.build.operators.sums import whole_sum
from scoring.engine.arrays import DAY

HOUR = DAY // 24


def followed_by(block: Block, column: Column) -> np.ndarray:
    _, followed, _ = _followed(block, column)
    return np.bincount(followed, minlength=block.past.size).astype(float)


def unfollowed(block: Block, column: Column) -> np.ndarray:
    _, _, in_vain = _followed(block, column)
    return np.bincount(in_vain, minlength=block.past.size).astype(float)


def followed_share(block: Block, column: Column) -> np.ndarray:
    asked, followed, _ = _followed(block, column)
    n = np.bincount(asked, minlength=block.past.size)
    part = np.bincount(followed, minlength=block.past.size)
    return missing_where(n == 0, part / np.maximum(n, 1))


def _followed(block: Block, column: Column) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Snapshots of the selected rows in the window, of those that were followed in time, and of
    those that were not and whose time is over."""
    assert column.then is not None
    first, second = block.mask(column.selection), block.mask(column.then)
    rows = block.rows(first | second)
    snapshot, age, kind = block.past.snapshot[rows], block.past.age[rows], block.kind[rows]
    behind = next_one(snapshot, second[kind])
    asked = first[kind]
    if column.days is not None:
        asked &= age <= column.days * DAY
    found = asked & (behind < len(rows))
    place = np.flatnonzero(found)
    time = (column.within or 0) * DAY
    in_time = place[age[place] - age[behind[place]] <= time]
    in_vain = asked & (age > time)
    in_vain[in_time] = False
    return snapshot[asked], snapshot[in_time], snapshot[in_vain]


def unprepared(block: Block, column: Column) -> np.ndarray:
    assert column.then is not None
    asked, by = block.mask(column.selection), block.mask(column.then)
    rows = block.rows(asked | by)
    snapshot, age = block.past.snapshot[rows], block.past.age[rows]
    answers = by[block.kind[rows]]
    before = np.cumsum(answers) - answers
    starts = np.flatnonzero(np.diff(snapshot, prepend=-1))
    before -= np.repeat(before[starts], np.diff(starts, append=len(rows)))
    alone = asked[block.kind[rows]] & (before == 0)
    if column.days is not None:
        alone &= age <= column.days * DAY
    return np.bincount(snapshot[alone], minlength=block.past.size).astype(float)


def next_one(snapshot: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(n,) position of the next wanted row behind each row in its snapshot; n where none is."""
    n = len(snapshot)
    place = np.where(wanted, np.arange(n), n)
    behind = np.minimum.accumulate(np.append(place[1:], n)[::-1])[::-1][:n]
    other = np.append(snapshot, -1)[behind] != snapshot
    return np.where(other, n, behind)


@dataclass(frozen=True)
class Waits:
    """Turns of a conversation: (w,) snapshot, age of the row that opened the wait, and of the row
    that ended it, or -1 while it lasts. Ordered by snapshot and time."""

    snapshot: np.ndarray
    opened: np.ndarray
    ended: np.ndarray


def _waits(block: Block, column: Column) -> Waits:
    assert column.then is not None
    asks, answers = block.mask(column.selection), block.mask(column.then)
    rows = block.rows(asks | answers)
    snapshot, age = block.past.snapshot[rows], block.past.age[rows]
    answer = answers[block.kind[rows]]
    new = np.diff(snapshot, prepend=-1) != 0
    opens = np.flatnonzero(~answer & (new | np.append(True, answer)[: len(rows)]))
    ends = next_one(snapshot, answer)[opens]
    return Waits(snapshot[opens], age[opens], np.append(age, -1)[ends])


def _ended(block: Block, column: Column) -> tuple[np.ndarray, np.ndarray]:
    """Snapshot and length in microseconds of the waits of the window that have ended."""
    waits = _waits(block, column)
    chosen = waits.ended >= 0
    if column.days is not None:
        chosen &= waits.opened <= column.days * DAY
    return waits.snapshot[chosen], (waits.opened - waits.ended)[chosen]


def response_mean(block: Block, column: Column) -> np.ndarray:
    snapshot, length = _ended(block, column)
    n = np.bincount(snapshot, minlength=block.past.size)
    total = whole_sum(snapshot, length, block.past.size)
    return missing_where(n == 0, total / np.maximum(n, 1) / HOUR)


def response_median(block: Block, column: Column) -> np.ndarray:
    snapshot, length = _ended(block, column)
    length = length[np.lexsort((length, snapshot))]
    found = np.full(block.past.size, np.nan)
    n = np.bincount(snapshot, minlength=block.past.size)
    has = n > 0
    start = (np.cumsum(n) - n)[has]
    lower, upper = length[start + (n[has] - 1) // 2], length[start + n[has] // 2]
    found[has] = (lower + upper) / 2 / HOUR
    return found


def response_last(block: Block, column: Column) -> np.ndarray:
    snapshot, length = _ended(block, column)
    found = np.full(block.past.size, np.nan)
    found[snapshot] = length / HOUR  # of several waits the last one stays
    return found


def waiting_since(block: Block, column: Column) -> np.ndarray:
    waits = _waits(block, column)
    lasts = waits.ended < 0
    found = np.full(block.past.size, np.nan)
    found[waits.snapshot[lasts]] = waits.opened[lasts] / DAY
    return found
