"""Local time of many moments at once.

A time zone's offset is constant between its transitions; those within the moments' range are found
by looking at every day and bisecting the days on which the offset changes.
"""

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import numpy as np

from scoring.engine.arrays import DAY, SECOND

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = 3_600 * SECOND
# The range is widened to whole years, so that partitions share what was found.
YEAR = 366 * DAY
THURSDAY = 3  # 1970-01-01


def local_time(time: np.ndarray, zone: str) -> np.ndarray:
    """(n,) int64: the wall clock's microseconds since 1970 at these UTC microseconds."""
    if not len(time) or zone in ("UTC", "Etc/UTC"):
        return time
    first, last = int(time.min()) // YEAR, int(time.max()) // YEAR + 1
    since, offset = _offsets(zone, first * YEAR, last * YEAR)
    if len(offset) == 1:
        return time + offset[0]
    return np.asarray(time + offset[np.searchsorted(since, time, side="right") - 1])


def exists(zone: str) -> bool:
    return zone in _known()


def day(local: np.ndarray) -> np.ndarray:
    """Days since 1970-01-01."""
    return local // DAY


def hour(local: np.ndarray) -> np.ndarray:
    """0 to 23."""
    return local % DAY // HOUR


def weekday(local: np.ndarray) -> np.ndarray:
    """0 (Monday) to 6."""
    return (local // DAY + THURSDAY) % 7


@cache
def _known() -> frozenset[str]:
    return frozenset(available_timezones())


@cache
def _offsets(zone: str, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
    """From when which offset holds, both in microseconds; the first entry holds from ever."""
    found = ZoneInfo(zone)

    def at(second: int) -> int:
        moved = (EPOCH + timedelta(seconds=second)).astimezone(found).utcoffset()
        return int((moved or timedelta()) / timedelta(seconds=1))

    step = 86_400
    low, end = first // SECOND, last // SECOND
    since, offsets = [np.iinfo(np.int64).min], [at(low) * SECOND]
    before = at(low)
    for start in range(low, end, step):
        after = at(start + step)
        if after != before:
            left, right = start, start + step
            while right - left > 1:
                middle = (left + right) // 2
                left, right = (middle, right) if at(middle) == before else (left, middle)
            since.append(right * SECOND)
            offsets.append(after * SECOND)
            before = after
    return np.array(since, dtype=np.int64), np.array(offsets, dtype=np.int64)
