"""`.scoring/ledger.db`: the SQLite file, its format, and what its failures mean."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scoring.errors import ScoringError, TryLater

FORMAT_VERSION = 1
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


class LedgerFile:
    """An open `ledger.db`."""

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
