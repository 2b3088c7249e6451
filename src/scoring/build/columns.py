"""A feature column, compiled: everything that the engine and the seller's sentence need.

A declaration (`declare.py`) is what an analyst writes; it unfolds into columns for the event
types, properties and attributes that a project has. Columns are immutable, travel as JSON inside
a champion, and are never read from the feature files again once a model is trained.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

EVENT_OPS = (
    "count",
    "sum",
    "mean",
    "max",
    "last",
    "share",
    "first_on",
    "last_on",
    "active_days",
    "gap_mean",
    "gap_last",
    "trend",
    "distinct",
)
LEAD_OPS = ("attribute", "age")
COLUMN_OPS = ("ratio",)


@dataclass(frozen=True)
class Column:
    """One feature column.

    name        unique in a project: `<variable>_<N>d`, without `_<N>d` over the whole history
    stream      where it reads: `interactions`, `stage_changes`, `lead`, or `columns`
    op          one of EVENT_OPS, LEAD_OPS, COLUMN_OPS
    types       the event types (or stages) it selects; None selects all, also later ones
    direction   `inbound`, `outbound`, or None for both
    of          the property, or the attribute
    part        for `share`: the types that are counted above the line
    days        the window [as_of - days, as_of); None is the whole history
    inputs      for `ratio`: the two columns
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
    of: str | None = None
    part: tuple[str, ...] | None = None
    days: int | None = None
    inputs: tuple[str, ...] = ()
    kind: str = "number"
    each: str | None = None
    singular: str = ""
    plural: str = ""
    label: str = ""

    def to_json(self) -> dict[str, Any]:
        """Without what stands at its default; an empty `part` is said, since None selects all."""
        defaults = {f.name: f.default for f in fields(self)}
        return {k: v for k, v in asdict(self).items() if v != defaults[k]}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "Column":
        known = {f.name for f in fields(Column)}
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in value.items() if k in known
        }
        return Column(**values)
