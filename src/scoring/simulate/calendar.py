"""When people work and when customers are awake: two clocks that run unevenly.

A `Clock` maps calendar time to *clock days*: fast in busy hours, slow at night, on average one
clock day per calendar day. Rates that are constant on the clock give working hours, weekends,
holidays and seasons in calendar time, and leave every closed form exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

ZONE = "Europe/Helsinki"
HOUR = 3_600_000_000
DAY = 24 * HOUR

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# January to December: a quiet July, a short December, a busy spring and autumn.
_SEASON = np.array([0.9, 1.05, 1.1, 1.05, 1.05, 0.85, 0.4, 0.9, 1.2, 1.2, 1.2, 0.8])
_HOLIDAYS = ((1, 1), (1, 6), (5, 1), (12, 6), (12, 24), (12, 25), (12, 26), (12, 31))


def micros(moment: datetime) -> int:
    """Microseconds since 1970 in UTC of a tz-aware moment, without going through a float."""
    delta = moment - datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


@dataclass(frozen=True)
class Clock:
    """A strictly increasing, piecewise linear map from UTC microseconds to clock days."""

    at: Floats
    reading: Floats

    def read(self, t: npt.NDArray[Any]) -> Floats:
        """Clock days at calendar times `t` (UTC microseconds)."""
        return np.asarray(np.interp(t, self.at, self.reading), dtype=np.float64)

    def when(self, reading: Floats) -> Ints:
        """Calendar times (UTC microseconds) at which the clock shows `reading`."""
        return np.interp(reading, self.reading, self.at).astype(np.int64)

    def later(self, t: Ints, days: Floats) -> Ints:
        """Calendar times that are `days` clock days after `t`."""
        return np.maximum(self.when(self.read(t) + days), t)


def clocks(start: int, end: int) -> tuple[Clock, Clock]:
    """The sellers' clock and the customers' clock over [start, end], UTC microseconds."""
    import pandas as pd

    hours = np.arange(start // HOUR, -(-end // HOUR) + 1, dtype=np.int64)
    local = pd.to_datetime(hours * HOUR, unit="us", utc=True).tz_convert(ZONE)
    hour = local.hour.to_numpy()
    weekday = local.day_of_week.to_numpy() < 5
    date = local.month.to_numpy() * 100 + local.day.to_numpy()
    weekday &= ~np.isin(date, [month * 100 + day for month, day in _HOLIDAYS])
    office = weekday & (hour >= 8) & (hour < 17)
    season = _SEASON[local.month.to_numpy() - 1]

    # A trickle outside office hours keeps the map invertible (and somebody always works late).
    working = np.where(office, season, 2e-4)
    evening = np.where((hour >= 7) & (hour < 23), 0.3, 0.02)
    awake = np.where(office, season, evening)
    at = hours.astype(np.float64) * HOUR
    return _clock(at, working), _clock(at, awake)


def _clock(at: Floats, weight: Floats) -> Clock:
    reading = np.concatenate([[0.0], np.cumsum(weight[:-1])])
    return Clock(at, reading * ((at[-1] - at[0]) / DAY / reading[-1]))
