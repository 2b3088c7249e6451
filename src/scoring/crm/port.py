"""The writing port: all that `emit` knows of a CRM.

    sink.ensure_fields(fields)   is every field there? what is missing and how it is made
    sink.room(); sink.cost(n)    how much tonight's limits allow, and what writing costs
    sink.read_back(lead_ids)     the values that stand in the CRM now
    sink.write(changes)          one outcome for each record
    sink.answers(field)          what sellers put into a field of theirs
    sink.close()

A new place to write to is one file with a class of this shape, and a line in `scoring.crm.sinks`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, Protocol

from scoring.errors import TryLater

Value = str | int | float | bool | date | None
Kind = Literal["integer", "real", "share", "choice", "text", "date", "flag"]
Status = Literal["sent", "skipped", "rejected", "retry"]

# The CRM's own limit is used up for today: a `retry` with this code goes on tomorrow.
BUDGET = "budget"


class BudgetSpent(TryLater):
    """A call would take from the share of the CRM's daily limit that is left to others."""


@dataclass(frozen=True)
class Option:
    """A value of a choice: a stable English key, and its label in the project's language."""

    key: str
    label: str


@dataclass(frozen=True)
class Field:
    """A column of ours in the CRM.

    column    its name in a score row (`score`)
    name      its name in the CRM (`ls_score`); a sink may add what its CRM wants (`ls_score__c`)
    kind      `choice` is a stable key from a short list, `text` may have several lines, `share`
              lies between 0 and 1 (a sink turns it into the CRM's own percent and back)
    length    characters that a value may have; 0 where it is not text
    label     what people read above it, in the project's language; group: likewise, of all fields
    options   every key that a `choice` may have
    theirs    written by sellers: we create it and read it, and never write it
    """

    column: str
    name: str
    kind: Kind
    length: int = 0
    label: str = ""
    group: str = ""
    options: tuple[Option, ...] = ()
    theirs: bool = False


@dataclass(frozen=True)
class Change:
    """What one record is to hold: names of fields → values. Cleared: every value is None.

    lead_id   as it stands in the score row
    """

    lead_id: str
    values: Mapping[str, Value]
    cleared: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of one record.

    sent       the CRM holds the values
    skipped    the CRM has no such record
    rejected   the CRM refused the values; sending them again would not help
    retry      the CRM was not there or was busy: nothing is known, send again later. With the code
               BUDGET its limit for today is used up, and nothing was sent
    code       why, in the CRM's own short code; never a value
    """

    lead_id: str
    status: Status
    code: str = ""


@dataclass(frozen=True)
class FieldPlan:
    """What the CRM lacks, and the steps that make it, for people to read.

    missing      fields that are not there
    incomplete   fields that are there, with the `options` that their list lacks
    """

    missing: tuple[Field, ...] = ()
    steps: tuple[str, ...] = ()
    incomplete: tuple[Field, ...] = ()


@dataclass(frozen=True)
class Cost:
    """What writing records takes: calls of the CRM's interface, and tokens where it counts them."""

    calls: int
    tokens: int = 0


@dataclass(frozen=True)
class Room:
    """Records that may be written within the limits, less the share that others keep; None: any.

    tonight   what is left of today's limit
    a_night   the limit of a whole day
    """

    tonight: int | None = None
    a_night: int | None = None


@dataclass(frozen=True)
class Answer:
    """What a seller put into a field of theirs.

    value        an option's key
    changed_at   aware, not before the seller answered: when the field, else the record, was last
                 changed; None where the CRM does not tell
    """

    lead_id: str
    value: str
    changed_at: datetime | None = None


class Sink(Protocol):
    """A place that holds one record for a lead.

    target       names the place in the ledger, for as long as it is the same place; no secret
    batch_size   records of one `write`; None: all of a run at once
    reads_back   false where what stands in the CRM cannot be read
    """

    @property
    def target(self) -> str: ...

    @property
    def batch_size(self) -> int | None: ...

    @property
    def reads_back(self) -> bool: ...

    def ensure_fields(self, fields: Sequence[Field], *, apply: bool = False) -> FieldPlan:
        """Compare the fields with what the CRM has; with `apply`, make the missing ones.

        The plan names what is missing now, so it is empty after an `apply` that could make
        everything. Comes before every other call. Raises ConfigError where the table, the key or a
        field's type does not fit, TryLater where the CRM is not there.
        """
        ...

    def room(self) -> Room:
        """How many records the CRM's limits allow. At most one call."""
        ...

    def cost(self, records: int) -> Cost:
        """What writing so many records takes, reading before and after included. No call."""
        ...

    def read_back(self, lead_ids: Sequence[str]) -> dict[str, dict[str, Value]]:
        """lead_id → field name → value for every record that the CRM has, without the others.

        Values as `Change` has them, of the fields that are ours.
        """
        ...

    def write(self, changes: Sequence[Change]) -> list[Outcome]:
        """Write the records and say what became of each, in any order.

        Only the named fields are touched. After a `retry` the caller stops: the CRM is not there,
        or its limit is used up. Raises ConfigError where it refuses the caller and not a record.
        """
        ...

    def answers(self, field: Field) -> Iterator[Answer]:
        """What stands in a field of the sellers', for every record where it is not empty.

        Comes after `ensure_fields` with that field. Values that are no option's key are left out.
        """
        ...

    def close(self) -> None: ...
