"""A feature column, compiled: everything that the engine and the seller's sentence need.

A declaration (`declare.py`) is what an analyst writes; it unfolds into columns for the event
types, properties and attributes that a project has. Columns are immutable, travel as JSON inside
a champion, and are never read from the feature files again once a model is trained.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from scoring.engine.reading import whole

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
LEAD_OPS = ("attribute", "age", "listed")
# Of them, those that read an attribute of the lead.
OF_ATTRIBUTES = ("attribute", "listed")
COLUMN_OPS = ("ratio", "difference")
# What these say is a moment: days before as_of, or (the last) days after it.
PAST_DATES = ("first_on", "last_on", "entered_on", "waiting_since", "age")
FUTURE_DATES = ("ahead",)
DATE_OPS = (*PAST_DATES, *FUTURE_DATES)
# Their value moves by itself every night, so a sentence never shows it as a number.
MOVING_OPS = ("decayed", "dwell")

# What a warning speaks of (docs/flags.md); of several with the same evidence the first is named.
SIGN_KINDS = ("low_engagement", "busy_without_progress", "outside_profile")

Value = str | float | bool


@dataclass(frozen=True)
class Condition:
    """What a property of a row must be; a row without the property does not meet it.

    at_least, at_most   bounds of a number, both inclusive
    is_in               the values that it may have: texts, numbers, or True and False
    listed              the list of features/words.toml whose patterns a text must match one of
    like                those patterns, in small letters, as they were when this was compiled
    or_missing          a row without the property meets it, too
    """

    of: str
    at_least: float | None = None
    at_most: float | None = None
    is_in: tuple[Value, ...] | None = None
    listed: str | None = None
    like: tuple[str, ...] = ()
    or_missing: bool = False

    @property
    def of_texts(self) -> bool:
        return self.listed is not None or any(isinstance(v, str) for v in self.is_in or ())


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
class Sign:
    """That a column warns of a lead that will not buy.

    kind     one of SIGN_KINDS
    strong   it is evidence by itself; a weak one needs company
    side     which side is the bad one: `high` (more than `limit` fires), `low` (less does), or
             `both` (farther from 0 than `limit` does)
    limit    a number of the team's own, in the column's unit. None: learned from leads that
             bought, at the same stage and age (`flag/signs.py`)
    unless   columns that excuse the lead: one that is neither missing nor 0 keeps the sign silent
    """

    kind: str
    strong: bool
    side: str = "high"
    limit: float | None = None
    unless: tuple[str, ...] = ()


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
    like        for `listed` and `last_listed`: patterns of texts, in small letters
    inputs      for COLUMN_OPS: the two columns
    order       for operators of stages: the pipeline as it was configured, oldest first
    kind        `number`, `flag` (0 or 1) or `category`
    each        what unfolded it (`type`, `number`, `text`, `attribute`), or None: such columns
                are kept only where they are frequent enough in the training rows
    singular, plural   the sentence; `label` is the type's or attribute's name in words
    sign        what it warns of, or None
    earnest     an act of the lead that shows intent: a newer one (a date that is nearer, a count
                that grew) lifts a flag
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
    like: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    order: tuple[StageOrder, ...] = ()
    kind: str = "number"
    each: str | None = None
    singular: str = ""
    plural: str = ""
    label: str = ""
    sign: Sign | None = None
    earnest: bool = False

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
        if "sign" in values:
            said = dict(values["sign"])
            values["sign"] = Sign(**{**said, "unless": tuple(said.get("unless", ()))})
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
            v.get("listed"),
            tuple(v.get("like", ())),
            v.get("or_missing", False),
        )
        for v in values
    )


def listed_in(patterns: tuple[str, ...], text: str) -> bool:
    """Whether a text matches one of the patterns of a list, whatever its capital letters."""
    return re.fullmatch(whole(patterns), text.strip(" ").lower()) is not None


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
