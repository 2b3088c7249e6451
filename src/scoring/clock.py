"""Time is an argument. This module turns what a user wrote into one moment, at the edge."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from scoring.errors import ConfigError

FARTHEST_AHEAD = timedelta(days=31)


@dataclass(frozen=True)
class Moment:
    """The two times that a command knows.

    as_of   what the run speaks of: a score sees only what was recorded before it. Aware, UTC.
    now     the wall clock, read once when the command started: only for telling a plausible
            timestamp from one in the future, never for a feature. Aware, UTC.
    """

    as_of: datetime
    now: datetime

    @property
    def latest_plausible(self) -> datetime:
        return max(self.as_of, self.now)


def last_midnight(now: datetime, zone: ZoneInfo) -> datetime:
    """The newest midnight of `zone` that is not after `now`, in UTC."""
    local = now.astimezone(zone)
    return datetime.combine(local.date(), time(), zone).astimezone(UTC)


def midnight_after(moment: datetime, zone: ZoneInfo) -> datetime:
    """The first midnight of `zone` strictly after `moment`, in UTC."""
    day = moment.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(day, time(), zone).astimezone(UTC)


def parse_moment(text: str, zone: ZoneInfo) -> datetime:
    """`2026-11-23`, `2026-11-23T14:05` or with an offset; without one in the time of `zone`."""
    try:
        parsed = datetime.fromisoformat(text)
        if parsed.tzinfo is None:
            parsed = parsed.replace(tzinfo=zone)
        return parsed.astimezone(UTC).replace(microsecond=0)  # runs are named by seconds
    except (ValueError, OverflowError):
        raise ConfigError(
            f'"{text}" is not a date or time.',
            "Write it as 2026-11-23, or 2026-11-23T14:05, or with an offset +02:00.",
        ) from None


def moment(as_of: str | None, zone: ZoneInfo, now: datetime) -> Moment:
    """What `--as-of` says, or the last midnight of the project's time zone.

    Nights may be played ahead, over a simulated history for example. Raises ConfigError for a
    moment that is farther than any such play: a mistyped year would stand as the newest run until
    that day.
    """
    at = last_midnight(now, zone) if as_of is None else parse_moment(as_of, zone)
    if at > now + FARTHEST_AHEAD:
        raise ConfigError(
            f"{as_of} lies more than a month in the future.",
            "Correct the date, or leave it out for the last midnight.",
        )
    return Moment(as_of=at, now=now)


def local_day(at: datetime, zone: ZoneInfo) -> date:
    return at.astimezone(zone).date()


def stamp(at: datetime) -> str:
    """A moment as it stands in file names and manifests: `20261123T220000Z`."""
    return at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
