"""The ledger: what was delivered to which record, and what stood there before.

`records` is one row for a lead: what it holds now, compared with by the next run. `deliveries`
is one row for a lead and a logical date, kept for good: what was sent, what it replaced, how it
ended. What a batch is going to do is on disk before it is written to the CRM, and how it ended
after; a batch whose end is missing is in doubt and goes out again.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from scoring.crm.port import Outcome, Value
from scoring.emit.changes import Delivered, Send
from scoring.errors import ScoringError, TryLater

FORMAT_VERSION = 1
RecordStatus = Literal["intended", "sent", "cleared", "skipped", "rejected", "retry"]
SCHEMA = """
CREATE TABLE runs (
    target TEXT NOT NULL, question TEXT NOT NULL, as_of TEXT NOT NULL,
    PRIMARY KEY (target, question, as_of)
) WITHOUT ROWID;
CREATE TABLE records (
    target TEXT NOT NULL, question TEXT NOT NULL, lead_id TEXT NOT NULL,
    as_of TEXT, compared TEXT NOT NULL DEFAULT '{}', columns TEXT NOT NULL DEFAULT '[]',
    holds INTEGER NOT NULL DEFAULT 0, in_doubt INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (target, question, lead_id)
) WITHOUT ROWID;
CREATE TABLE deliveries (
    target TEXT NOT NULL, question TEXT NOT NULL, lead_id TEXT NOT NULL, as_of TEXT NOT NULL,
    sent TEXT NOT NULL, previous TEXT, compared TEXT NOT NULL,
    outcome TEXT NOT NULL, code TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (target, question, lead_id, as_of)
);
"""


@dataclass(frozen=True)
class Page:
    """Whose records these are: one place, one question; `as_of`: the logical date's stamp."""

    target: str
    question: str
    as_of: str

    @property
    def key(self) -> tuple[str, str]:
        return self.target, self.question


class Ledger:
    """`.scoring/ledger.db`. A method that writes is one transaction, on disk when it returns."""

    def __init__(self, path: Path | None) -> None:
        """Open or make the file; None is an empty ledger that is forgotten again.

        Raises ScoringError where the file is damaged or of another format version.
        """
        self._name = path.name if path else "the ledger"
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
        with self._faults():
            self._db = sqlite3.connect(path or ":memory:", isolation_level=None, timeout=5)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            found = self._db.execute("PRAGMA user_version").fetchone()[0]
            if found == 0 and not self._db.execute("SELECT 1 FROM sqlite_schema").fetchone():
                with self._transaction():
                    for statement in SCHEMA.split(";"):
                        self._db.execute(statement)
                    self._db.execute(f"PRAGMA user_version = {FORMAT_VERSION:d}")
                found = FORMAT_VERSION
        if found != FORMAT_VERSION:
            self.close()
            raise ScoringError(
                f"{self._name} has format version {found}, this program reads {FORMAT_VERSION}.",
                "Use the version of lead-scoring that wrote the store, or start a new store.",
            )

    def close(self) -> None:
        self._db.close()

    # --- reading ----------------------------------------------------------------------------

    def newest(self, page: Page) -> str | None:
        """The stamp of the newest logical date that was written to this place."""
        query = "SELECT max(as_of) FROM runs WHERE target = ? AND question = ?"
        with self._faults():
            stamp: str | None = self._db.execute(query, page.key).fetchone()[0]
        return stamp

    def delivered(self, page: Page) -> dict[str, Delivered]:
        """What every record is known to hold, by lead_id."""
        query = (
            "SELECT lead_id, compared, columns, holds, in_doubt FROM records"
            " WHERE target = ? AND question = ?"
        )
        with self._faults():
            rows = self._db.execute(query, page.key).fetchall()
        return {
            lead: Delivered(
                json.loads(compared), frozenset(json.loads(columns)), bool(holds), bool(in_doubt)
            )
            for lead, compared, columns, holds, in_doubt in rows
        }

    # --- writing ----------------------------------------------------------------------------

    def begin(self, page: Page) -> None:
        """This logical date is being written: an older one must not follow it."""
        with self._transaction():
            self._db.execute("INSERT OR IGNORE INTO runs VALUES (?, ?, ?)", (*page.key, page.as_of))

    def intend(
        self,
        page: Page,
        batch: Sequence[Send],
        previous: Mapping[str, Mapping[str, Value]],
    ) -> None:
        """Record what is about to be written, and what stands there now (by lead_id).

        What stood there before the first try of a logical date stays: a second try would read
        our own values.
        """
        with self._transaction():
            self._db.executemany(
                "INSERT INTO records (target, question, lead_id, in_doubt) VALUES (?, ?, ?, 1)"
                " ON CONFLICT DO UPDATE SET in_doubt = 1",
                [(*page.key, item.change.lead_id) for item in batch],
            )
            self._db.executemany(
                "INSERT INTO deliveries VALUES (?, ?, ?, ?, ?, ?, ?, 'intended', '')"
                " ON CONFLICT DO UPDATE SET sent = excluded.sent,"
                " previous = coalesce(previous, excluded.previous),"
                " compared = excluded.compared, outcome = 'intended', code = ''",
                [
                    (
                        *page.key,
                        item.change.lead_id,
                        page.as_of,
                        _json(item.change.values),
                        _json(previous.get(item.change.lead_id)),
                        _json(item.compared),
                    )
                    for item in batch
                ],
            )

    def settle(self, page: Page, batch: Iterable[Send], outcomes: Mapping[str, Outcome]) -> None:
        """Record how the batch ended.

        A record whose outcome is `retry` or `rejected` stays in doubt, so that the next run
        writes it again even if its score goes back to what was delivered last.
        """
        ended, held, gone = [], [], []
        for item in batch:
            lead = item.change.lead_id
            outcome = outcomes[lead]
            status: RecordStatus = outcome.status
            if item.change.cleared and status == "sent":
                status = "cleared"
            ended.append((status, outcome.code, *page.key, lead, page.as_of))
            if status == "sent":
                columns = _json(list(item.change.values))
                held.append((page.as_of, _json(item.compared), columns, *page.key, lead))
            elif status in ("cleared", "skipped"):
                # A record that the CRM does not have holds nothing of ours.
                gone.append((page.as_of, *page.key, lead))
        record = " WHERE target = ? AND question = ? AND lead_id = ?"
        with self._transaction():
            self._db.executemany(
                f"UPDATE deliveries SET outcome = ?, code = ?{record} AND as_of = ?", ended
            )
            self._db.executemany(
                "UPDATE records SET as_of = ?, compared = ?, columns = ?, holds = 1, in_doubt = 0"
                + record,
                held,
            )
            self._db.executemany(
                "UPDATE records SET as_of = ?, compared = '{}', columns = '[]', holds = 0,"
                " in_doubt = 0" + record,
                gone,
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._faults():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.rollback()
                raise
            self._db.commit()

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorname", "")
            if code in ("SQLITE_NOTADB", "SQLITE_CORRUPT"):
                raise ScoringError(
                    f"{self._name} in the store is damaged ({code}).",
                    "Restore it from a backup; without it every record would be sent again.",
                ) from None
            if code.startswith(("SQLITE_BUSY", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN")):
                raise TryLater(
                    f"{self._name} cannot be used now ({code}).",
                    "Free some space or let the other program end, then run the command again.",
                ) from None
            raise


def _json(value: Mapping[str, Value] | list[str] | None) -> str | None:
    if value is None:
        return None
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=date.isoformat)
