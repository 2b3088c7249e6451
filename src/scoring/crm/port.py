"""The writing port: all that `emit` knows of a CRM.

    sink.ensure_fields(fields)   is every field there? what is missing and how it is made
    sink.read_back(lead_ids)     the values that stand in the CRM now
    sink.write(changes)          one outcome for each record
    sink.close()

A new place to write to is one file with a class of this shape, and a line in `scoring.emit.run`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, Protocol

Value = str | int | float | bool | date | None
Kind = Literal["integer", "real", "choice", "text", "date", "flag"]
Status = Literal["sent", "skipped", "rejected", "retry"]


@dataclass(frozen=True)
class Field:
    """A column of ours in the CRM.

    column   its name in a score row (`score`)
    name     its name in the CRM (`ls_score`)
    kind     `choice` is a stable key from a short list, `text` may have several lines
    length   characters that a value may have; 0 where it is not text
    """

    column: str
    name: str
    kind: Kind
    length: int = 0


@dataclass(frozen=True)
class Change:
    """What one record is to hold: names in the CRM → values. Cleared: every value is None."""

    lead_id: str
    values: Mapping[str, Value]
    cleared: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of one record.

    sent       the CRM holds the values
    skipped    the CRM has no such record
    rejected   the CRM refused the values; sending them again would not help
    retry      the CRM was not there or was busy: nothing is known, send again later
    code       why, in the CRM's own short code; never a value
    """

    lead_id: str
    status: Status
    code: str = ""


@dataclass(frozen=True)
class FieldPlan:
    """The fields that the CRM lacks, and the steps that make them, for people to read."""

    missing: tuple[Field, ...] = ()
    steps: tuple[str, ...] = ()


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

        The plan names what is missing now, so it is empty after an `apply`. Comes before every
        other call. Raises ConfigError where the table, the key or a field's type does not fit,
        TryLater where the CRM is not there.
        """
        ...

    def read_back(self, lead_ids: Sequence[str]) -> dict[str, dict[str, Value]]:
        """Name → value for every record that the CRM has, without the others."""
        ...

    def write(self, changes: Sequence[Change]) -> list[Outcome]:
        """Write the records and say what became of each, in any order.

        Only the named fields are touched. After a `retry` the caller stops: the CRM is not there.
        Raises ConfigError where it refuses the caller and not a record.
        """
        ...

    def close(self) -> None: ...
