"""The language in which an analyst declares features.

    from scoring import interactions

    emails_opened = interactions("email_opened").count(last_days=[7, 30]).says(
        "opened {n} email in {days} days", "opened {n} emails in {days} days")

Every operator reads the past of a snapshot and nothing else: rows that happened and were recorded
strictly before as_of. A window of N days is [as_of - N days, as_of); without one it is the whole
history. Types are names or patterns (`meeting_*`). `.says` is the sentence that a seller reads;
its placeholders are {n} {value} {share} {days} {date} {name}.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from scoring.build.language.counts import Counts
from scoring.build.language.declaration import DIRECTIONS, Declaration, Direction
from scoring.build.language.rows import selection_of
from scoring.build.language.sequences import Sequences
from scoring.build.language.stages import Stages
from scoring.build.language.times import Times
from scoring.build.language.values import Values
from scoring.errors import ConfigError, nearest

__all__ = [
    "Declaration",
    "Events",
    "Numbers",
    "Reference",
    "Texts",
    "attribute",
    "contacts",
    "each_attribute",
    "feature",
    "interactions",
    "lead_age",
    "lead_changes",
    "stage_changes",
]


class Events(Counts, Values, Times, Sequences, Stages):
    """A selection of history rows, and all that may be asked of it."""

    def each_number(self) -> "Numbers":
        """The same statistic of every number property that is frequent enough."""
        return Numbers(self._of_properties("each_number"))

    def each_text(self) -> "Texts":
        """The newest value of every text property that is frequent enough."""
        return Texts(self._of_properties("each_text"))

    def _of_properties(self, called: str) -> "Events":
        if self.each or self.stream != "interactions":
            raise ConfigError(
                f"`{called}` must follow interactions(…) directly: other histories have no "
                "properties of the project's own, and a column for each type and property would "
                "be too many."
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
    """Another column, by name; two of them make a ratio or a difference."""

    name: str

    def __truediv__(self, other: "Reference") -> Declaration:
        """The quotient of two columns. Missing where either is missing or the divisor is 0.

        Example: `feature("touches_7d") / feature("touches_90d")`.
        """
        return self._with("ratio", "/", other)

    def __sub__(self, other: "Reference") -> Declaration:
        """The difference of two columns. Missing where either is missing.

        Example: `feature("theirs_30d") - feature("ours_30d")`.
        """
        return self._with("difference", "-", other)

    def _with(self, op: str, sign: str, other: "Reference") -> Declaration:
        if not isinstance(other, Reference):
            raise ConfigError(
                f'`feature("{self.name}") {sign} …` must have another feature("…") behind it. '
                f"Got a {type(other).__name__} instead."
            )
        return Declaration(stream="columns", op=op, inputs=(self.name, other.name))


def interactions(*types: str, direction: Direction | None = None) -> Events:
    """Emails, calls, meetings, page views: rows of `interactions`, by type and direction.

    Beside the project's own properties each row tells `contact_id`, and what is derived of its
    time, its participants and its contact (docs/build.md lists the names).
    """
    if direction is not None and direction not in DIRECTIONS:
        raise ConfigError(
            f'`direction` must be "inbound" or "outbound". Got {direction!r} instead.'
            f"{nearest(str(direction), DIRECTIONS)}"
        )
    return replace(_events("interactions", types), direction=direction)


def stage_changes(*stages: str) -> Events:
    """Moves along the pipeline: rows of `stage_changes`, by the stage that was reached."""
    return _events("stage_changes", stages)


def lead_changes(*fields: str) -> Events:
    """What fields of the lead were set to: rows of `lead_changes`, by field.

    A row tells `value` (text) and `number` (numbers; of dates the days since 1970).
    """
    return _events("lead_changes", fields)


def contacts(*roles: str) -> Events:
    """People who joined: rows of `contacts`, by role. Each tells contact_id, seniority, domain."""
    return _events("contacts", roles)


def _events(stream: str, patterns: tuple[str, ...]) -> Events:
    return Events(stream, selection_of(stream, patterns).patterns)


def attribute(name: str) -> Declaration:
    """A column of the lead as it was known at as_of. Not known then: missing."""
    return Declaration(stream="lead", op="attribute", of=name)


def each_attribute(*, but: Iterable[str] = ()) -> Declaration:
    """Every attribute that may be used: known at creation, or with a history of its own.

    `but` names attributes that are left aside. Example: `each_attribute(but=["owner_id"])`.
    """
    names = () if isinstance(but, str) else tuple(but)
    if isinstance(but, str) or any(not isinstance(name, str) for name in names):
        raise ConfigError(f"`but` must be a list of attributes. Got {but!r} instead.")
    return Declaration(stream="lead", op="attribute", each="attribute", but=names)


def lead_age() -> Declaration:
    """Days from the lead's creation to as_of."""
    return Declaration(stream="lead", op="age")


def feature(name: str) -> Reference:
    """A column declared elsewhere: `feature("emails_in_30d") / feature("emails_out_30d")`."""
    return Reference(name)
