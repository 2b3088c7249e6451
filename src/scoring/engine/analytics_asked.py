"""What the pipeline tables are made for, and the SQL that all of them share."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from scoring.engine.arrays import DAY
from scoring.engine.landed import Landed
from scoring.engine.snapshots import moment

if TYPE_CHECKING:
    from scoring.build.columns import StageOrder

UNKNOWN, OTHER = "unknown", "other"
# With fewer won leads there is no usual time.
FEWEST_BUYERS = 5


@dataclass(frozen=True)
class Asked:
    """What the tables are made for.

    as_of              the logical date, aware
    since              how far they look back, aware
    zone               the project's, for months
    won                the outcome that is a sale
    close_after_days   without any event a lead has ended after so many days
    orders             the stages' orders, oldest first; none: every move is one forward
    fields             attribute of leads → `number`, `text` or `flag`
    tracked            fields with a history in the source
    source_kinds       source → kind; a source without one is "other", none is "unknown"
    duration           number property of interactions, and seconds that one of it stands for;
                       None where the history has none
    minutes            type → minutes that it takes us where no duration is recorded
    """

    as_of: datetime
    since: datetime
    zone: str
    won: str
    close_after_days: int
    orders: "tuple[StageOrder, ...]"
    fields: Mapping[str, str]
    tracked: frozenset[str]
    source_kinds: Mapping[str, str]
    duration: tuple[str, float] | None
    minutes: Mapping[str, float]
    landed: Landed


def seen(alias: str, time: str, asked: Asked) -> str:
    """The rows of a history that happened, were recorded and had landed by the logical date."""
    at = moment(asked.as_of)
    return f"{asked.landed.condition(alias)} AND {alias}.{time} < {at} AND {alias}.known_at < {at}"


def days(start: str, end: str) -> str:
    """Days between two naive timestamps, fractions included."""
    return f"(epoch_us({end}) - epoch_us({start})) / {DAY}.0"
