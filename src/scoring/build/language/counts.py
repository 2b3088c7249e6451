"""How often: rows, shares, trends, bursts."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from scoring.build.language.declaration import Declaration
from scoring.build.language.rows import Rows, one_window, selection_of, windows
from scoring.errors import ConfigError


class Counts(Rows):
    """Operators that count rows."""

    def count(self, last_days: Iterable[int] | None = None) -> Declaration:
        """How many rows.

        Interval [as_of - N days, as_of), or the whole history. Nothing there: 0. Unit: rows.
        Example: `interactions("call").count(last_days=[7, 30])`.
        """
        return self._declare("count", last_days)

    def share(
        self,
        type: str | Sequence[str] | None = None,
        last_days: Iterable[int] | None = None,
        *,
        part: Rows | None = None,
    ) -> Declaration:
        """Which part of the selected rows is of the given types, or belongs to another selection.

        Interval [as_of - N days, as_of), or the whole history. No rows: missing. Unit: 0 to 1.
        Examples: `interactions("meeting_*").share(type="meeting_moved", last_days=[90])`;
        `interactions().share(part=interactions().where("local_weekday", at_least=5))`.
        """
        types = (type,) if isinstance(type, str) else tuple(type or ())
        if bool(types) == (part is not None):
            raise ConfigError(
                "`share` must name at least one type, or the rows as `part`. "
                f"Got {'both' if part is not None else 'none'} instead."
            )
        return self._declare(
            "share", last_days, part=part if part is not None else selection_of(self.stream, types)
        )

    def trend(self, last_days: Iterable[int]) -> Declaration:
        """(recent - before) / (recent + before) of the number of rows.

        Recent is [as_of - N days, as_of), before is [as_of - 2N days, as_of - N days). The first
        sentence speaks for a rise, the second for a fall. Nothing in either: missing.
        Unit: -1 to 1. Example: `interactions().trend(last_days=[14])`.
        """
        return self._declare("trend", last_days)

    def decayed(self, half_life_days: Iterable[int]) -> Declaration:
        """Rows that weigh less the older they are: the sum of 0.5 ^ (age / half-life).

        The whole history; a column per half-life, `<variable>_<N>d`. A weight is rounded to 2^-40,
        so that the order of the rows cannot matter. Nothing there: 0. Unit: rows as of now.
        Exponential decay as in time-weighted averages; it moves every night, so its sentence shows
        no number. Example: `interactions().decayed(half_life_days=[7, 30])`.
        """
        return replace(self._declare("decayed"), windows=windows(half_life_days, "half_life_days"))

    def busiest(self, within_days: int, last_days: Iterable[int] | None = None) -> Declaration:
        """The largest number of rows within any `within_days` days: a burst.

        Of the rows in [as_of - N days, as_of), or of all; a stretch is [t, t + within_days days)
        and begins anywhere. Nothing there: 0. Unit: rows.
        Example: `interactions(direction="inbound").busiest(within_days=7)`.
        """
        return self._declare("busiest", last_days, within=one_window(within_days))

    def busiest_share(
        self, within_days: int, last_days: Iterable[int] | None = None
    ) -> Declaration:
        """Which part of the rows fell into the busiest `within_days` days, as `busiest` counts.

        Interval [as_of - N days, as_of), or the whole history. No rows: missing. Unit: 0 to 1.
        Example: `interactions().busiest_share(within_days=7, last_days=[90])`.
        """
        return self._declare("busiest_share", last_days, within=one_window(within_days))
