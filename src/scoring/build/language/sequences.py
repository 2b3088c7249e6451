"""What came after what: A then B, answers, and who waits.

Rows are in the order of their times, equal times by identifier; B comes after A if it stands behind
it in that order.
"""

from collections.abc import Iterable

from scoring.build.language.declaration import Declaration
from scoring.build.language.rows import Rows, one_window


class Sequences(Rows):
    """Operators of two selections.

    A conversation has turns: the first row of ours after an answer opens a wait, the next row of
    `to` ends it. A row that belongs to both selections is an answer.
    """

    def followed_by(
        self, then: Rows, within_days: int, last_days: Iterable[int] | None = None
    ) -> Declaration:
        """How many rows had a row of `then` behind them, at most `within_days` days later.

        Counts rows in [as_of - N days, as_of), or all. None: 0. Unit: rows. Example:
        `interactions("pricing_viewed").followed_by(interactions("call"), within_days=3)`.
        """
        return self._declare("followed_by", last_days, then=then, within=one_window(within_days))

    def followed_share(
        self, then: Rows, within_days: int, last_days: Iterable[int] | None = None
    ) -> Declaration:
        """Which part of the rows had a row of `then` behind them, at most `within_days` days later.

        Of the rows in [as_of - N days, as_of), or all; a row whose days are not over yet counts as
        not followed. No rows: missing. Unit: 0 to 1. Example:
        `interactions("email_sent").followed_share(interactions("email_replied"), within_days=7)`.
        """
        return self._declare("followed_share", last_days, then=then, within=one_window(within_days))

    def unfollowed(
        self, then: Rows, within_days: int, last_days: Iterable[int] | None = None
    ) -> Declaration:
        """How many rows had no row of `then` behind them within `within_days` days, of those whose
        days are over.

        Counts rows in [as_of - N days, as_of), or all. None: 0. Unit: rows. Example:
        `interactions("trial_started").unfollowed(interactions("trial_used"), within_days=14)`.
        """
        return self._declare("unfollowed", last_days, then=then, within=one_window(within_days))

    def unprepared(self, by: Rows, last_days: Iterable[int] | None = None) -> Declaration:
        """How many rows had no row of `by` anywhere before them.

        Counts rows in [as_of - N days, as_of), or all; a row of `by` may be older. None: 0. Unit:
        rows. Example: `interactions("proposal_sent").unprepared(interactions("meeting_held"))`.
        """
        return self._declare("unprepared", last_days, then=by)

    def response_mean(self, by: Rows, last_days: Iterable[int] | None = None) -> Declaration:
        """Mean hours from a row that opens a wait to the row of `by` that ends it.

        Waits that were opened in [as_of - N days, as_of), or all, and have ended. None: missing.
        Unit: hours. Example: ours is
        `interactions(direction="inbound").response_mean(interactions(direction="outbound"))`.
        """
        return self._declare("response_mean", last_days, then=by)

    def response_median(self, by: Rows, last_days: Iterable[int] | None = None) -> Declaration:
        """Median hours from a row that opens a wait to the row of `by` that ends it; of an even
        number of waits the mean of the middle two.

        Waits that were opened in [as_of - N days, as_of), or all, and have ended. None: missing.
        Unit: hours. Example: theirs is
        `interactions(direction="outbound").response_median(interactions(direction="inbound"))`.
        """
        return self._declare("response_median", last_days, then=by)

    def response_last(self, by: Rows) -> Declaration:
        """Hours of the newest wait that has ended.

        The whole history. None: missing. Unit: hours. Example:
        `interactions(direction="inbound").response_last(interactions(direction="outbound"))`.
        """
        return self._declare("response_last", then=by)

    def waiting_since(self, by: Rows) -> Declaration:
        """Days from the row that opened the wait which has not ended to as_of.

        The whole history. Nobody waits: missing. Unit: days; the sentence shows its {date}.
        Example:
        `interactions(direction="inbound").waiting_since(interactions(direction="outbound"))`.
        """
        return self._declare("waiting_since", then=by)
