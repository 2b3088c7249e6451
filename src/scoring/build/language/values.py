"""What the rows say: sums, extremes, first and last values, different ones, changes."""

from collections.abc import Iterable

from scoring.build.language.declaration import Declaration
from scoring.build.language.rows import Rows
from scoring.errors import ConfigError


class Values(Rows):
    """Operators that read a property. Flags count as 1 and 0."""

    def sum(self, of: str, last_days: Iterable[int] | None = None) -> Declaration:
        """Sum of a number property, exact to six decimals.

        Interval [as_of - N days, as_of), or the whole history. Nothing there: 0. Unit: the
        property's. Example: `interactions("purchase").sum("amount", last_days=[365])`.
        """
        return self._declare("sum", last_days, of=of)

    def mean(self, of: str, last_days: Iterable[int] | None = None) -> Declaration:
        """Mean of a number property over the rows that have it.

        Interval [as_of - N days, as_of), or the whole history. None has it: missing. Unit: the
        property's. Example: `interactions("call").mean("duration_s")`.
        """
        return self._declare("mean", last_days, of=of)

    def max(self, of: str, last_days: Iterable[int] | None = None) -> Declaration:
        """Largest value of a number property.

        Interval [as_of - N days, as_of), or the whole history. None has it: missing. Unit: the
        property's. Example: `interactions("meeting_held").max("invited_count")`.
        """
        return self._declare("max", last_days, of=of)

    def min(self, of: str, last_days: Iterable[int] | None = None) -> Declaration:
        """Smallest value of a number property.

        Interval [as_of - N days, as_of), or the whole history. None has it: missing. Unit: the
        property's. Example: `interactions("nps_answer").min("grade")`.
        """
        return self._declare("min", last_days, of=of)

    def first(self, of: str) -> Declaration:
        """The oldest value of a property; equal times are ordered by identifier.

        The whole history, rows that have the property. None: missing. Unit: the property's, or a
        text. Example: `interactions().first("type")`.
        """
        return self._declare("first", of=self._told(of))

    def last(self, of: str) -> Declaration:
        """The newest value of a property; equal times are ordered by identifier.

        The whole history, rows that have the property. None: missing. Unit: the property's, or a
        text. Example: `interactions("email_*", "call").last("direction")`: who spoke last.
        """
        return self._declare("last", of=self._told(of))

    def last_listed(self, of: str, words: str) -> Declaration:
        """1 where the newest value of a text property matches a pattern of a list in
        features/words.toml, else 0.

        The whole history, rows that have the property. None: missing. Unit: 1 or 0. Capital letters
        do not matter. Example: `lead_changes("*timeline*").last_listed("value", "far_off")`.
        """
        if not isinstance(words, str) or not words:
            raise ConfigError(f"`last_listed` must name a list of words. Got {words!r} instead.")
        return self._declare("last_listed", of=self._told(of), listed=words)

    def distinct(self, of: str, last_days: Iterable[int] | None = None) -> Declaration:
        """How many different values of a property; also `type`, `direction` and `contact_id`.

        Interval [as_of - N days, as_of), or the whole history. None: 0. Unit: values.
        Example: `interactions().distinct("contact_role", last_days=[90])`.
        """
        return self._declare("distinct", last_days, of=of)

    def repeated(self, of: str, last_days: Iterable[int] | None = None) -> Declaration:
        """The largest number of rows with one and the same value of a property.

        Interval [as_of - N days, as_of), or the whole history. None has it: 0. Unit: rows.
        Example: `interactions("material_sent").repeated("material_id")`.
        """
        return self._declare("repeated", last_days, of=of)

    def active_days(self, last_days: Iterable[int] | None = None) -> Declaration:
        """On how many local calendar days there was a row.

        Interval [as_of - N days, as_of), or the whole history. Nothing there: 0. Unit: days.
        Example: `interactions().active_days(last_days=[30])`.
        """
        self._must_be("active_days", "interactions")
        return self._declare("active_days", last_days)

    def changes(self, of: str, last_days: Iterable[int] | None = None) -> Declaration:
        """How often a property was another than in the row before (of the same field, for
        `lead_changes`); rows without it are passed over.

        Counts rows in [as_of - N days, as_of), or all; the row before may be older. None: 0.
        Unit: changes. Example: `lead_changes("budget").changes("value", last_days=[90])`.
        """
        return self._declare("changes", last_days, of=of)

    def returns(self, of: str, last_days: Iterable[int] | None = None) -> Declaration:
        """How often a property changed back to a value that it had had before: a contradiction.

        As `changes`: rows in [as_of - N days, as_of), or all. None: 0. Unit: changes.
        Example: `lead_changes("decision_maker").returns("value")`.
        """
        return self._declare("returns", last_days, of=of)

    def rises(self, of: str, last_days: Iterable[int] | None = None) -> Declaration:
        """How often a number was larger than in the row before; a date: it was postponed.

        As `changes`: rows in [as_of - N days, as_of), or all. None: 0. Unit: changes.
        Example: `lead_changes("expected_close_on").rises("number", last_days=[180])`.
        """
        return self._declare("rises", last_days, of=of)

    def falls(self, of: str, last_days: Iterable[int] | None = None) -> Declaration:
        """How often a number was smaller than in the row before; a date: it was brought forward.

        As `changes`: rows in [as_of - N days, as_of), or all. None: 0. Unit: changes.
        Example: `lead_changes("amount").falls("number")`.
        """
        return self._declare("falls", last_days, of=of)

    def ahead(self, of: str) -> Declaration:
        """Days from as_of to the latest date that a property names, where it lies after as_of.

        The whole history. No such date: missing. Unit: days; the sentence shows its {date}.
        Example: `interactions().ahead("next_step_on")`: a next step is booked.
        """
        return self._declare("ahead", of=of)

    def missed(self, of: str, done: Rows, last_days: Iterable[int] | None = None) -> Declaration:
        """How many rows named a date that has passed, and no row of `done` came after the row.

        Counts rows in [as_of - N days, as_of), or all, whose date lies before as_of. None: 0.
        Unit: rows. Example:
        `interactions("meeting_booked").missed("held_on", done=interactions("meeting_held"))`.
        """
        return self._declare("missed", last_days, of=of, then=done)

    def _told(self, of: str) -> str:
        if of == "contact_id":
            raise ConfigError(
                "`contact_id` names one person and says nothing about another lead.",
                'Count people with `distinct("contact_id")`.',
            )
        return of
