"""A feature column, compiled: everything that the engine and the seller's sentence need.

A declaration (`declare.py`) is what an analyst writes; it unfolds into columns for the event
types, properties and attributes that a project has. Columns are immutable, travel as JSON inside
a champion, and are never read from the feature files again once a model is trained.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

# The history tables that features read, and what tells their rows apart.
KIND_NAMES = {
    "interactions": "type",
    "stage_changes": "stage",
    "lead_changes": "field",
    "contacts": "role",
}
STREAMS = tuple(KIND_NAMES)
# Computed by `partition.py` of the lead's own row and of other columns; every other operator is a
# function in `operators/`.
LEAD_OPS = ("attribute", "age")
COLUMN_OPS = ("ratio", "difference")
# What these say is a moment: days before as_of, or (the last) days after it.
PAST_DATES = ("first_on", "last_on", "entered_on", "waiting_since", "age")
FUTURE_DATES = ("ahead",)
DATE_OPS = (*PAST_DATES, *FUTURE_DATES)
# Their value moves by itself every night, so a sentence never shows it as a number.
MOVING_OPS = ("decayed", "dwell")

Value = str | float | bool


@dataclass(frozen=True)
class Condition:
    """What a property of a row must be; a row without the property does not meet it.

    at_least, at_most   bounds of a number, both inclusive
    is_in               the values that it may have: texts, numbers, or True and False
    """

    of: str
    at_least: float | None = None
    at_most: float | None = None
    is_in: tuple[Value, ...] | None = None


@dataclass(frozen=True)
class Selection:
    """Which rows of a history table.

    types       event types, stages, fields or roles; None selects all, also later ones
    direction   `inbound`, `outbound`, or None for both
    where       all of these must be met
    by_person   without what a machine did, as far as the snapshot can know
    """

    types: tuple[str, ...] | None = None
    direction: str | None = None
    where: tuple[Condition, ...] = ()
    by_person: bool = False


@dataclass(frozen=True)
class StageOrder:
    """The pipeline's stages, first to last, from a moment on (microseconds since 1970 UTC; None:
    from the start)."""

    stages: tuple[str, ...]
    valid_from: int | None = None


@dataclass(frozen=True)
class Column:
    """One feature column.

    name        unique in a project: `<variable>_<N>d`, without `_<N>d` over the whole history
    stream      where it reads: one of STREAMS, `lead`, `columns`, or `sql` (a file of its own)
    op          a name in `operators.OPERATORS`, LEAD_OPS or COLUMN_OPS
    types, direction, where, by_person   the rows, as in Selection
    of          the property, or the attribute; of `sql` the history that its SELECT reads
    sql         the SELECT of a `.sql` file (`sql_features.py`)
    part        for `share`: the rows that are counted above the line
    then        for operators of two rows: what comes second
    days        the window [as_of - days, as_of), None is the whole history; the half-life of
                `decayed`
    within      days between two rows: of `followed_by`, `busiest` and the like
    inputs      for COLUMN_OPS: the two columns
    order       for operators of stages: the pipeline as it was configured, oldest first
    kind        `number`, `flag` (0 or 1) or `category`
    each        what unfolded it (`type`, `number`, `text`, `attribute`), or None: such columns
                are kept only where they are frequent enough in the training rows
    singular, plural   the sentence; `label` is the type's or attribute's name in words
    """

    name: str
    variable: str
    theme: str
    stream: str
    op: str
    types: tuple[str, ...] | None = None
    direction: str | None = None
    where: tuple[Condition, ...] = ()
    by_person: bool = False
    of: str | None = None
    sql: str = ""
    part: Selection | None = None
    then: Selection | None = None
    days: int | None = None
    within: int | None = None
    inputs: tuple[str, ...] = ()
    order: tuple[StageOrder, ...] = ()
    kind: str = "number"
    each: str | None = None
    singular: str = ""
    plural: str = ""
    label: str = ""

    @property
    def selection(self) -> Selection:
        return Selection(self.types, self.direction, self.where, self.by_person)

    @property
    def selections(self) -> tuple[Selection, ...]:
        """All that it tells rows apart by."""
        return tuple(s for s in (self.selection, self.part, self.then) if s is not None)

    @property
    def properties(self) -> frozenset[str]:
        """The properties of rows that must be loaded; what a row's kind tells is not among them."""
        read = {c.of for s in self.selections for c in s.where}
        if self.of and self.stream in STREAMS and not told_by_kind(self.stream, self.of):
            read.add(self.of)
        if self.op == "active_days":
            read.add("local_day")
        return frozenset(read)

    def to_json(self) -> dict[str, Any]:
        """Without what stands at its default."""
        defaults = {f.name: f.default for f in fields(self)}
        return {
            name: value
            for name, value in asdict(self).items()
            if getattr(self, name) != defaults[name]
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "Column":
        known = {f.name for f in fields(Column)}
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list | tuple) else v
            for k, v in value.items()
            if k in known
        }
        for name in ("part", "then"):
            if name in values:
                values[name] = _selection(values[name])
        values["where"] = _conditions(values.get("where", ()))
        values["order"] = tuple(
            StageOrder(tuple(o["stages"]), o["valid_from"]) for o in values.get("order", ())
        )
        return Column(**values)


def _selection(value: Any) -> Selection:
    if not isinstance(value, Mapping):  # models of the first format name the types of a part only
        return Selection(tuple(value))
    types = value["types"]
    return Selection(
        None if types is None else tuple(types),
        value["direction"],
        _conditions(value["where"]),
        value["by_person"],
    )


def _conditions(values: Any) -> tuple[Condition, ...]:
    return tuple(
        Condition(
            v["of"],
            v["at_least"],
            v["at_most"],
            None if v["is_in"] is None else tuple(v["is_in"]),
        )
        for v in values
    )


def told_by_kind(stream: str, name: str) -> bool:
    """Whether the kind of a row tells it: its type (stage, field, role) or direction."""
    return KIND_NAMES.get(stream) == name or (stream == "interactions" and name == "direction")


def opposed(op: str, singular: str, plural: str) -> bool:
    """Whether the two sentences speak for up and down, and not for one and many.

    Of a trend and of a comparison with buyers always; of a ratio or difference where neither
    sentence shows a number: the first one is said above 1 (difference: above 0), the second below.
    """
    if op in ("trend", "against_won", "like_won"):
        return True
    numbers = ("{n}", "{value}", "{share}")
    return (
        op in COLUMN_OPS
        and singular != plural
        and not any(number in singular + plural for number in numbers)
    )
