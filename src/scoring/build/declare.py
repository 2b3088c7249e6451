"""The language in which an analyst declares features.

    from scoring import interactions

    emails_opened = interactions("email_opened").count(last_days=[7, 30]).says(
        "opened {n} email in {days} days", "opened {n} emails in {days} days")

Every operator reads the past of a snapshot and nothing else: rows that happened and were recorded
strictly before as_of. A window of N days is [as_of - N days, as_of); without one it is the whole
history. Types are names or patterns (`meeting_*`). `.says` is the sentence that a seller reads;
its placeholders are {n} {value} {share} {days} {date} {name}.
"""

import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from scoring.errors import ConfigError, nearest

Direction = Literal["inbound", "outbound"]
DIRECTIONS = ("inbound", "outbound")
PLACEHOLDERS = {"n", "value", "share", "days", "date", "name"}
LONGEST_WINDOW = 36_500
# What needs numbers or calendar days, which moves along the pipeline do not have.
OF_INTERACTIONS = ("sum", "mean", "max", "active_days")


@dataclass(frozen=True)
class Declaration:
    """What one variable of a feature file holds; immutable."""

    stream: str
    op: str
    patterns: tuple[str, ...] = ()
    direction: Direction | None = None
    of: str | None = None
    part: tuple[str, ...] = ()
    windows: tuple[int | None, ...] = (None,)
    inputs: tuple[str, ...] = ()
    each: str | None = None
    singular: str = ""
    plural: str = ""

    def says(self, singular: str, plural: str | None = None) -> "Declaration":
        """The sentence for a seller; `plural` where the number in it can be other than one."""
        for text in (singular, plural or singular):
            used = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
            if unknown := used - PLACEHOLDERS:
                raise ConfigError(
                    f"The sentence {text!r} uses {{{sorted(unknown)[0]}}}.",
                    f"Known: {', '.join('{' + p + '}' for p in sorted(PLACEHOLDERS))}.",
                )
        return replace(self, singular=singular, plural=plural or singular)


def _windows(last_days: Iterable[int] | None) -> tuple[int | None, ...]:
    if last_days is None:
        return (None,)
    days: tuple[int, ...] = ()
    if isinstance(last_days, Iterable) and not isinstance(last_days, str):
        days = tuple(last_days)
    if not days or any(type(d) is not int or not 1 <= d <= LONGEST_WINDOW for d in days):
        raise ConfigError(
            f"`last_days` must be a list of whole days from 1 to {LONGEST_WINDOW}. "
            f"Got {last_days!r} instead."
        )
    return tuple(dict.fromkeys(days))


@dataclass(frozen=True)
class Events:
    """A selection of history rows, before it is said what to compute of them."""

    stream: str
    patterns: tuple[str, ...]
    direction: Direction | None = None
    each: str | None = None

    def each_type(self) -> "Events":
        """One column per type that is frequent enough in the training rows."""
        return replace(self, each="type")

    def _declare(
        self,
        op: str,
        last_days: Iterable[int] | None = None,
        *,
        of: str | None = None,
        part: tuple[str, ...] = (),
    ) -> Declaration:
        if self.stream == "stage_changes" and (op in OF_INTERACTIONS or of not in (None, "stage")):
            raise ConfigError(
                f"`{op}` of {of or 'days'} must be asked of interactions. Got stage_changes, "
                "which hold a time and a stage.",
            )
        return Declaration(
            stream=self.stream,
            op=op,
            patterns=self.patterns,
            direction=self.direction,
            of=of,
            part=part,
            windows=_windows(last_days),
            each=self.each,
        )

    def count(self, last_days: Iterable[int] | None = None) -> Declaration:
        """How many rows, in [as_of - N days, as_of). Nothing there: 0."""
        return self._declare("count", last_days)

    def sum(self, of: str, last_days: Iterable[int] | None = None) -> Declaration:
        """Sum of a number property, exact to six decimals. Nothing there: 0."""
        return self._declare("sum", last_days, of=of)

    def mean(self, of: str, last_days: Iterable[int] | None = None) -> Declaration:
        """Mean of a number property over the rows that have it. None has it: missing."""
        return self._declare("mean", last_days, of=of)

    def max(self, of: str, last_days: Iterable[int] | None = None) -> Declaration:
        """Largest value of a number property. None has it: missing."""
        return self._declare("max", last_days, of=of)

    def last(self, of: str) -> Declaration:
        """The newest value of a property; equal times are ordered by identifier. None: missing."""
        return self._declare("last", of=of)

    def share(
        self, type: str | Sequence[str], last_days: Iterable[int] | None = None
    ) -> Declaration:
        """Which part of the selected rows is of the given types, 0 to 1. No rows: missing."""
        part = (type,) if isinstance(type, str) else tuple(type)
        if not part:
            raise ConfigError("`share` must name at least one type. Got none instead.")
        return self._declare("share", last_days, part=part)

    def first_on(self) -> Declaration:
        """Days from the first row to as_of; the sentence shows its {date}. No rows: missing."""
        return self._declare("first_on")

    def last_on(self) -> Declaration:
        """Days from the newest row to as_of; the sentence shows its {date}. No rows: missing."""
        return self._declare("last_on")

    def active_days(self, last_days: Iterable[int] | None = None) -> Declaration:
        """On how many local calendar days there was a row in the window. Nothing there: 0."""
        return self._declare("active_days", last_days)

    def gap_mean(self) -> Declaration:
        """Mean days between one row and the next. Fewer than two rows: missing."""
        return self._declare("gap_mean")

    def gap_last(self) -> Declaration:
        """Days between the last row and the one before. Fewer than two rows: missing."""
        return self._declare("gap_last")

    def trend(self, last_days: Iterable[int]) -> Declaration:
        """(recent - before) / (recent + before), -1 to 1: rows in [as_of - N, as_of) against
        [as_of - 2N, as_of - N). The first sentence speaks for a rise, the second for a fall.
        Nothing in either: missing.
        """
        return self._declare("trend", last_days)

    def distinct(self, of: str, last_days: Iterable[int] | None = None) -> Declaration:
        """How many different values of a property (`type` and `contact_id` too). None: 0."""
        return self._declare("distinct", last_days, of=of)

    def each_number(self) -> "Numbers":
        """The same statistic of every number property that is frequent enough."""
        return Numbers(self._of_properties("each_number"))

    def each_text(self) -> "Texts":
        """The newest value of every text property that is frequent enough."""
        return Texts(self._of_properties("each_text"))

    def _of_properties(self, called: str) -> "Events":
        if self.each or self.stream != "interactions":
            raise ConfigError(
                f"`{called}` must follow interactions(…) directly: stage changes have no "
                "properties, and a column for each type and property would be too many."
            )
        return self


@dataclass(frozen=True)
class Numbers:
    """Every number property of a selection; a column is kept where enough leads have it."""

    events: Events

    def _declare(self, op: str, last_days: Iterable[int] | None = None) -> Declaration:
        return replace(self.events._declare(op, last_days), each="number")

    def sum(self, last_days: Iterable[int] | None = None) -> Declaration:
        """`Events.sum` of each number property."""
        return self._declare("sum", last_days)

    def mean(self, last_days: Iterable[int] | None = None) -> Declaration:
        """`Events.mean` of each number property."""
        return self._declare("mean", last_days)

    def max(self, last_days: Iterable[int] | None = None) -> Declaration:
        """`Events.max` of each number property."""
        return self._declare("max", last_days)

    def last(self) -> Declaration:
        """`Events.last` of each number property."""
        return self._declare("last")


@dataclass(frozen=True)
class Texts:
    """Every text property of a selection; a column is kept where enough leads have it."""

    events: Events

    def last(self) -> Declaration:
        """`Events.last` of each text property."""
        return replace(self.events._declare("last"), each="text")


@dataclass(frozen=True)
class Reference:
    """Another column, by name; two of them make a ratio."""

    name: str

    def __truediv__(self, other: "Reference") -> Declaration:
        """The quotient of two columns. Missing where either is missing or the divisor is 0."""
        if not isinstance(other, Reference):
            raise ConfigError(
                f'`feature("{self.name}") / …` must be divided by another feature("…"). '
                f"Got a {type(other).__name__} instead."
            )
        return Declaration(stream="columns", op="ratio", inputs=(self.name, other.name))


def interactions(*types: str, direction: Direction | None = None) -> Events:
    """Emails, calls, meetings, page views: rows of `interactions`, by type and direction."""
    if direction is not None and direction not in DIRECTIONS:
        raise ConfigError(
            f'`direction` must be "inbound" or "outbound". Got {direction!r} instead.'
            f"{nearest(str(direction), DIRECTIONS)}"
        )
    return Events("interactions", types or ("*",), direction)


def stage_changes(*stages: str) -> Events:
    """Moves along the pipeline: rows of `stage_changes`, by the stage that was reached."""
    return Events("stage_changes", stages or ("*",))


def attribute(name: str) -> Declaration:
    """A column of the lead as it was known at as_of. Not known then: missing."""
    return Declaration(stream="lead", op="attribute", of=name)


def each_attribute() -> Declaration:
    """Every attribute that may be used: known at creation, or with a history of its own."""
    return Declaration(stream="lead", op="attribute", each="attribute")


def lead_age() -> Declaration:
    """Days from the lead's creation to as_of."""
    return Declaration(stream="lead", op="age")


def feature(name: str) -> Reference:
    """A column declared elsewhere: `feature("emails_in_30d") / feature("emails_out_30d")`."""
    return Reference(name)
