"""The reading port: all that `ingest` knows of a CRM.

    reader.describe()              streams, their raw tables and columns, as the CRM has them now
    reader.pages(stream, cursor)   what is new or changed since the cursor, a page at a time
    reader.count(table)            how many records the CRM has, for the reconciliation
    reader.keys(table)             all their keys, where the CRM can list them
    reader.close()

Values are texts exactly as the CRM writes them; what they mean is for the staging SQL and `check`.
A reader knows nothing of the store: `scoring.ingest.pull` makes rows durable, moves the cursor,
and drops what it has landed before, so a reader may give the same record twice.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

Row = Mapping[str, str | None]

# Columns that every table with a key has beside its own.
MARKS = ("deleted_at", "merged_into", "merged_at")


@dataclass(frozen=True)
class RawTable:
    """A table as the CRM gives it.

    columns      names; the key is among them, MARKS are not
    key          the column that identifies a record, of which there are versions; empty: a log,
                 such as field history, whose rows as a whole are their own key
    volatile     columns that move without the record being another one, such as the modified time
                 that our own writes set: a record that differs in these only is not news
    counted      `count` answers for it
    lists_keys   `keys` answers for it: deletions that the CRM does not tell are found by comparison
    missing      columns that data/sources.toml asks for and the CRM does not have → the nearest
                 name that it does have, or an empty text
    """

    name: str
    columns: tuple[str, ...]
    key: str = ""
    volatile: tuple[str, ...] = ()
    counted: bool = False
    lists_keys: bool = False
    missing: Mapping[str, str] = field(default_factory=dict)

    @property
    def all_columns(self) -> tuple[str, ...]:
        return (*self.columns, *(MARKS if self.key else ()))


@dataclass(frozen=True)
class Stream:
    """What is read with one cursor: records, and tables that come with them (their history)."""

    name: str
    tables: tuple[RawTable, ...]


@dataclass(frozen=True)
class Description:
    """account   the CRM's own name of the account: the same source may not become another one"""

    account: str
    streams: tuple[Stream, ...]


@dataclass(frozen=True)
class Mark:
    """A record that is gone: deleted, or merged into another one.

    Its last known row is repeated with the time in `deleted_at`, or the survivor's key in
    `merged_into` and the time in `merged_at`. A key that was never read leaves nothing.

    at   ISO 8601 with an offset; empty where the CRM does not tell: then it is the run's as_of
    """

    table: str
    key: str
    at: str = ""
    merged_into: str = ""


@dataclass(frozen=True)
class Page:
    """Rows by raw table, in the order of their changes.

    cursor   where to go on once these rows are durable: the reader's own text. The cursor of the
             last page lies back by as much as the CRM may lag behind its own writes.
    """

    cursor: str
    rows: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    marks: Sequence[Mark] = ()


class Reader(Protocol):
    """A CRM account that is read. Calls come from one thread."""

    def describe(self) -> Description:
        """Look at what the CRM has.

        Comes before every other call. Raises ConfigError (2) where the credentials are refused, a
        scope is missing or a table is not known, TryLater (75) where the CRM is not there.
        """
        ...

    def pages(self, stream: str, cursor: str | None) -> Iterator[Page]:
        """Everything that changed since the cursor, oldest first; None: everything there is.

        Never skips: a record that changes while it is read comes again. An iterator that is
        abandoned costs nothing; the same cursor goes on where its rows ended.
        """
        ...

    def count(self, table: str) -> int:
        """Records that are there now: neither deleted nor merged away."""
        ...

    def keys(self, table: str) -> Iterator[Sequence[str]]:
        """Their keys, some at a time."""
        ...

    def close(self) -> None: ...
