"""Read a CRM into drops: everything that is new or changed since the cursor, and nothing twice.

    describe → for each stream: pages → drop + cursor, published together → marks → reconciliation

A read that ends early, for whatever reason, has lost nothing: the next one goes on behind the last
drop. When all streams are read, the CRM's own counts are compared with what is here, and every
difference is reported.
"""

import logging
from dataclasses import dataclass
from datetime import datetime

from scoring.config import Source
from scoring.crm.reading import Description, Mark, Page, RawTable, Reader, Row, Stream
from scoring.engine.connection import Connection
from scoring.errors import ConfigError, Held, TryLater
from scoring.ingest.drops import Drops
from scoring.ingest.landing import TableState
from scoring.project import Project

log = logging.getLogger(__name__)

# A drop holds at most about so many rows, or so many characters.
DROP_ROWS = 50_000
DROP_SIZE = 64 << 20
LISTED = 8
GAPS = 2


@dataclass
class TableRead:
    """What one read gave of a table.

    read     rows that the CRM gave; fresh: of them those that are news
    there    records that the CRM counts; here: records that we have. None: not counted
    gone     records that the CRM has no more, found by comparing keys
    """

    read: int = 0
    fresh: int = 0
    there: int | None = None
    here: int | None = None
    gone: int = 0

    def to_json(self) -> dict[str, int]:
        """`in_crm` and `here` only where the CRM can count."""
        if self.there is None or self.here is None:
            return {}
        return {"in_crm": self.there, "here": self.here}


def pull(
    project: Project,
    connection: Connection,
    reader: Reader,
    name: str,
    landed: dict[str, TableState],
    as_of: datetime,
) -> tuple[Drops, dict[str, TableRead]]:
    """Read what is new of the source `name` into drops, which the caller lands.

    The caller holds the lock and closes the reader. Raises ConfigError (another account, an unknown
    table or column, credentials), Held (a column is gone, or nothing came at all), TryLater.
    """
    drops = Drops(connection, project, name, landed)
    description = reader.describe()
    _require_account(drops, name, description)
    _require_tables(drops, project.sources[name], name, description, landed)
    read = {t.name: TableRead() for s in description.streams for t in s.tables}
    for stream in description.streams:
        _begin_again_if_asked_otherwise(drops, project.sources[name], name, stream)
        _StreamRead(drops, reader, name, stream, as_of, read).run()
    vanished_share = project.settings.limits.vanished_share
    for stream in description.streams:
        _reconcile(drops, reader, name, stream, as_of, read, vanished_share)
    had = any(state.batches for state in landed.values())
    if not had and not any(drops.count(t) for s in description.streams for t in s.tables if t.key):
        raise Held(
            f"The source {name} gave no record of any kind.",
            "See whether its token belongs to the account that has the leads.",
        )
    return drops, read


class _StreamRead:
    """One stream from its cursor to its end; what is buffered is never more than one drop."""

    def __init__(
        self,
        drops: Drops,
        reader: Reader,
        source: str,
        stream: Stream,
        as_of: datetime,
        read: dict[str, TableRead],
    ) -> None:
        self.drops, self.reader, self.stream, self.read = drops, reader, stream, read
        self.shown = f"{source}.{stream.name}"
        self.as_of = as_of.isoformat()
        self.cursor = drops.pulled.cursors.get(stream.name)
        self.marks = [Mark(**m) for m in drops.pulled.marks.get(stream.name, [])]
        self._empty()

    def run(self) -> None:
        try:
            for page in self.reader.pages(self.stream.name, self.cursor):
                self._take(page)
                if self.rows >= DROP_ROWS or self.size >= DROP_SIZE:
                    self._flush()
        except TryLater:
            self._flush()  # what was read stays
            raise
        self._flush(last=True)

    def _take(self, page: Page) -> None:
        for name, rows in page.rows.items():
            self.buffer[name].extend(rows)
            self.read[name].read += len(rows)
            self.rows += len(rows)
            self.size += sum(len(value) for row in rows for value in row.values() if value)
        self.marks += page.marks
        self.cursor = page.cursor

    def _empty(self) -> None:
        self.buffer: dict[str, list[Row]] = {table.name: [] for table in self.stream.tables}
        self.rows = self.size = 0

    def _flush(self, last: bool = False) -> None:
        """Make the buffer durable, and the cursor with it; at the end the marks, too."""
        for table in self.stream.tables:
            rows = self.buffer[table.name]
            if rows or last:
                self.read[table.name].fresh += self.drops.write(table, rows)
        if last:
            for table in self.stream.tables:
                _write_marks(self.drops, table, self.marks, self.as_of, self.read[table.name])
            self.marks = []
        if self.cursor is not None:
            self.drops.pulled.cursors[self.stream.name] = self.cursor
        self.drops.pulled.marks[self.stream.name] = [vars(mark) for mark in self.marks]
        self.drops.publish()
        if self.rows:
            log.info("%s: %s rows read", self.shown, f"{self.rows:,}")
        self._empty()


def _begin_again_if_asked_otherwise(
    drops: Drops, source: Source, name: str, stream: Stream
) -> None:
    """A column that is asked for now has values in records that have not changed since."""
    tables = {
        t.name: list(source.tables[t.name].columns)
        for t in stream.tables
        if t.name in source.tables
    }
    asked = {"tables": tables, "options": {k: str(v) for k, v in source.options.items()}}
    pulled = drops.pulled
    if pulled.asked.get(stream.name, asked) != asked and stream.name in pulled.cursors:
        log.info("%s.%s: something else is asked for; all of it is read again", name, stream.name)
        del pulled.cursors[stream.name]
    pulled.asked[stream.name] = asked


def _write_marks(
    drops: Drops, table: RawTable, marks: list[Mark], as_of: str, read: TableRead
) -> None:
    own = [mark for mark in marks if mark.table == table.name]
    if rows := drops.marked(table, own, as_of):
        read.read += len(rows)
        read.fresh += drops.write(table, rows)


def _reconcile(
    drops: Drops,
    reader: Reader,
    source: str,
    stream: Stream,
    as_of: datetime,
    reads: dict[str, TableRead],
    vanished_share: float,
) -> None:
    """Compare the CRM's counts with ours, and mend what can be mended.

    Where we have more and the CRM can list its keys, what it has no more is marked as deleted.
    Where it has more in `GAPS` runs one after the other, the next run reads all of the stream.
    """
    gap = False
    for table in stream.tables:
        if not table.counted:
            continue
        read = reads[table.name]
        read.there, read.here = reader.count(table.name), drops.count(table)
        _hold_vanished(f"{source}.{table.name}", read.there, read.here, vanished_share)
        if read.here > read.there and table.lists_keys:
            keys = [key for some in reader.keys(table.name) for key in some]
            marks = [Mark(table.name, key) for key in drops.gone(table, keys)]
            read.gone = len(marks)
            _write_marks(drops, table, marks, as_of.isoformat(), read)
            read.there, read.here = len(set(keys)), drops.count(table)
        if read.here != read.there:
            gap = gap or read.here < read.there
            log.warning(
                "%s.%s: the CRM has %s records, %s are here. What changed in the last minutes "
                "comes with the next run; a difference that stays is a gap",
                source,
                table.name,
                f"{read.there:,}",
                f"{read.here:,}",
            )
    gaps = drops.pulled.gaps
    gaps[stream.name] = gaps.get(stream.name, 0) + 1 if gap else 0
    if gaps[stream.name] >= GAPS:
        gaps[stream.name] = 0
        drops.pulled.cursors.pop(stream.name, None)
        log.warning("%s.%s: the next run reads all of it again", source, stream.name)
    drops.publish()


def _hold_vanished(shown: str, there: int, here: int, share: float) -> None:
    """Records that the CRM did not say to be deleted, and does not have: more often a token that
    sees less than before."""
    if here > there and share < 1 and here - there >= share * here:
        raise Held(
            f"{shown}: the CRM has {there:,} records, and {here:,} were there before; it did not "
            f"say that {here - there:,} were deleted (the limit is {share:.0%}).",
            "See what its credentials may read. If it is meant, raise `vanished_share` of "
            "`[limits]` in scoring.toml for one run.",
        )


def _require_account(drops: Drops, name: str, description: Description) -> None:
    known = drops.pulled.account
    if known and known != description.account:
        raise ConfigError(
            f"The source {name} was read from the account {known}, and its credentials are now "
            f"those of {description.account}.",
            "Two accounts do not mix: use the first one's credentials, or name a new source.",
        )
    drops.pulled.account = description.account


def _require_tables(
    drops: Drops,
    source: Source,
    name: str,
    description: Description,
    landed: dict[str, TableState],
) -> None:
    """Every table and column of the settings must be there."""
    tables = [table for stream in description.streams for table in stream.tables]
    lost = sorted(set(source.tables) - {table.name for table in tables})
    if lost:
        raise ConfigError(
            f"{name} has no table {', '.join(lost[:LISTED])}.",
            f"data/sources.toml may name {', '.join(table.name for table in tables)}.",
        )
    for table in tables:
        if not table.missing:
            continue
        shown = ", ".join(
            f'"{column}"' + (f' (is it "{likely}" now?)' if likely else "")
            for column, likely in list(table.missing.items())[:LISTED]
        )
        had = landed.get(table.name, TableState()).columns
        had_it = any(c in had or c in drops.table(table.name).columns for c in table.missing)
        kind = Held if had_it else ConfigError
        raise kind(
            f"{name}.{table.name}: the CRM has no column {shown}"
            f"{' any more' if had_it else ''}; nothing was changed.",
            f"Correct [sources.{name}.tables] in data/sources.toml, and the staging SQL that "
            "reads the column.",
        )
