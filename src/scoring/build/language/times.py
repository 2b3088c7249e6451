"""When: first and last rows, and the gaps between rows."""

from scoring.build.language.declaration import Declaration
from scoring.build.language.rows import Rows


class Times(Rows):
    """Operators that measure time. Compared by `feature("a") / feature("b")`: the last gap against
    the mean one, the silence since the last row against the usual gap."""

    def first_on(self) -> Declaration:
        """Days from the first row to as_of.

        The whole history. No rows: missing. Unit: days; the sentence shows its {date}.
        Example: `contacts("decision_maker").first_on()`.
        """
        return self._declare("first_on")

    def last_on(self) -> Declaration:
        """Days from the newest row to as_of.

        The whole history. No rows: missing. Unit: days; the sentence shows its {date}.
        Example: `interactions("meeting_held").last_on()`.
        """
        return self._declare("last_on")

    def gap_mean(self) -> Declaration:
        """Mean days between one row and the next.

        The whole history. Fewer than two rows: missing. Unit: days.
        Example: `interactions(direction="inbound").gap_mean()`.
        """
        return self._declare("gap_mean")

    def gap_last(self) -> Declaration:
        """Days between the last row and the one before.

        The whole history. Fewer than two rows: missing. Unit: days.
        Example: `interactions().gap_last()`.
        """
        return self._declare("gap_last")

    def gap_longest(self) -> Declaration:
        """The most days between one row and the next; the time since the last row is no gap yet.

        The whole history. Fewer than two rows: missing. Unit: days.
        Example: `interactions().gap_longest()`.
        """
        return self._declare("gap_longest")
