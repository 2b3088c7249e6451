"""`ingest`: every source into the landing, all of them or none.

A CRM is read into drops first (`scoring.ingest.pull`), which are files like any other.
For each table: find its files, read those that are not known by size and time or by content,
compare with what is live, stage a batch. Batches become visible together, by one replacement of
the landing's manifest at the end; a run that stops before leaves the old state.
"""

import logging
import shutil
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from scoring.clock import Moment
from scoring.config import TableFiles
from scoring.crm.readers import open_reader
from scoring.engine.connection import Connection
from scoring.errors import Held, TryLater, nearest
from scoring.ingest.drops import Drops
from scoring.ingest.feedback import collect, folder_of
from scoring.ingest.files import Found, find, unite
from scoring.ingest.landing import (
    Schema,
    TableState,
    batch_folder,
    read_state,
    remove_leftovers,
    write_state,
)
from scoring.ingest.pull import TableRead, pull
from scoring.ingest.stage import News, Staged, compare, fresh_quarantine, stage, write_batch
from scoring.project import Project
from scoring.store.publish import new_folder, no_space_is_later

log = logging.getLogger(__name__)

MAY_BE_EMPTY = "interactions"


@dataclass(frozen=True)
class TableCounts:
    """Rows of one table's files. `gone` counts rows that are in the files no more; `crm` is what
    the read of a CRM says beside that."""

    accepted: int = 0
    unchanged: int = 0
    quarantined: int = 0
    gone: int = 0
    crm: TableRead | None = None

    def to_json(self) -> dict[str, int]:
        return {
            "rows_in": self.accepted + self.unchanged + self.quarantined,
            "accepted": self.accepted,
            "unchanged": self.unchanged,
            "superseded": 0,
            "quarantined": self.quarantined,
            **(self.crm.to_json() if self.crm else {}),
        }


@dataclass(frozen=True)
class IngestResult:
    """Table → counts; tables are `source.table` where the project has several sources."""

    tables: dict[str, TableCounts] = field(default_factory=dict)

    def to_json(self) -> dict[str, dict[str, int]]:
        return {name: counts.to_json() for name, counts in self.tables.items()}


def ingest(project: Project, moment: Moment) -> IngestResult:
    """Land what is new in the project's sources, as of `moment.as_of`. The caller holds the lock.

    Landing the same files again lands nothing. Raises ConfigError (a file or setting is wrong),
    Held (a delivery is empty, lost a column or too many rows), TryLater (disk full, a file changed
    while it was read); in every case nothing has become visible.
    """
    state = read_state(project)
    remove_leftovers(project, state)
    scratch = project.tmp / "ingest"
    shutil.rmtree(scratch, ignore_errors=True)
    collect(project, moment)
    sources = project.sources
    counts = {}
    try:
        with no_space_is_later(), project.connect() as connection:
            pulled = {
                name: _pull(project, connection, name, state.get(name, {}), moment)
                for name, source in sources.items()
                if source.is_crm
            }
            for source_name, source in sources.items():
                tables = state.setdefault(source_name, {})
                drops, read = pulled.get(source_name, (None, {}))
                for name, settings in source.tables.items():
                    shown = f"{source_name}.{name}"
                    run = _TableRun(
                        connection,
                        shown,
                        tables.setdefault(name, TableState()),
                        settings,
                        project.landing / source_name / name,
                        scratch / source_name / name,
                        project.settings.limits.vanished_share,
                    )
                    key = name if len(sources) == 1 else shown
                    if drops is None:
                        place = folder_of(source, settings)
                        found = find(project.root, place, settings, shown)
                        counts[key] = run.land(found, moment.as_of)
                    else:
                        counts[key] = run.land_drops(drops.found(name), moment.as_of, read[name])
            write_state(project, state)
            for source_name, (drops, _) in pulled.items():
                drops.forget_landed(state[source_name])
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return IngestResult(counts)


def _pull(
    project: Project,
    connection: Connection,
    name: str,
    landed: dict[str, TableState],
    moment: Moment,
) -> tuple[Drops, dict[str, TableRead]]:
    with closing(open_reader(project, name)) as reader:
        return pull(project, connection, reader, name, landed, moment.as_of)


@dataclass
class _TableRun:
    """One table in one run; `state` is changed in memory and published by the caller."""

    connection: Connection
    shown: str
    state: TableState
    settings: TableFiles
    folder: Path
    scratch: Path
    vanished_share: float
    may_be_empty: bool = False

    def land(self, found: list[Found], as_of: datetime) -> TableCounts:
        full = self.settings.mode == "full"
        reading = {"encoding": self.settings.encoding, "delimiter": self.settings.delimiter}
        hashes = self._hashes(found)
        old = {} if reading != self.state.reading else self.state.files
        changed = [f for f in found if old.get(f.name, {}).get("sha256") != hashes[f.name]]
        whole = full and (changed or set(old) != set(hashes))
        to_read = found if whole else changed
        files = {
            f.name: {
                **old.get(f.name, {}),
                "sha256": hashes[f.name],
                "size": f.size,
                "mtime_ns": f.mtime_ns,
            }
            for f in found
        }
        counts = TableCounts()
        if to_read:
            counts = self._read(to_read, files, as_of, full)
        self.state.files = files
        self.state.reading = reading
        known = [files[f.name] for f in found if f not in to_read]
        counts = TableCounts(
            counts.accepted,
            counts.unchanged + sum(f["rows"] for f in known),
            counts.quarantined + sum(f["quarantined"] for f in known),
            counts.gone,
        )
        log.debug("%s: %s, %d gone", self.shown, counts.to_json(), counts.gone)
        return counts

    def land_drops(self, found: list[Found], as_of: datetime, read: TableRead) -> TableCounts:
        """Land what was read from a CRM; a table of it may well be empty."""
        self.may_be_empty = True
        counts = self.land(found, as_of) if found else TableCounts()
        return replace(counts, unchanged=counts.unchanged + read.read - read.fresh, crm=read)

    def _hashes(self, found: list[Found]) -> dict[str, str]:
        """Content hashes; a file of the same size and time is taken to be the same."""
        hashes = {}
        for file in found:
            known = self.state.files.get(file.name, {})
            same = (known.get("size"), known.get("mtime_ns")) == (file.size, file.mtime_ns)
            hashes[file.name] = known["sha256"] if same else file.sha256()
        return hashes

    def _read(
        self, to_read: list[Found], files: dict[str, Any], as_of: datetime, full: bool
    ) -> TableCounts:
        state = self.state
        first_landed = self._first_landed(as_of)
        self.scratch.mkdir(parents=True)
        batch = len(state.batches) + 1
        staged = stage(
            self.connection,
            to_read,
            self.settings,
            state.columns,
            self.scratch,
            batch,
            first_landed,
        )
        if moved := next((f.name for f in to_read if f.moved_on()), None):
            raise TryLater(
                f"{moved} of {self.shown} changed while it was read.",
                "Wait until the export has ended, then run the same command again.",
            )
        self._hold_empty(to_read, staged, files)
        self._hold_columns(staged, full)
        news = compare(self.connection, staged, state, self.folder, full=full)
        self._hold_vanished(news)
        state.columns = unite([state.columns, staged.columns])
        for name, columns in staged.own_columns.items():
            files[name]["rows"] = staged.rows[name]
            files[name]["quarantined"] = staged.quarantined[name]
            files[name]["schema"] = state.schema(columns)
        quarantine = fresh_quarantine(self.connection, staged, state, self.folder)
        if news.accepted or news.gone or quarantine:
            contents = {name: files[name]["sha256"] for name in staged.rows}
            folder = batch_folder(state, first_landed, contents)
            with new_folder(self.folder / folder, self.scratch / "batch") as draft:
                quarantined = write_batch(
                    self.connection, draft, staged, news, quarantine, first_landed, full=full
                )
            state.batches.append(
                {
                    "folder": folder,
                    "first_landed": first_landed.isoformat(),
                    "rows": news.accepted,
                    "gone": news.gone,
                    "quarantined": quarantined,
                    "schema": state.schema(staged.columns),
                }
            )
        shutil.rmtree(self.scratch)
        rows = sum(staged.rows.values())
        quarantined = sum(staged.quarantined.values())
        return TableCounts(news.accepted, rows - news.accepted, quarantined, news.gone)

    def _first_landed(self, as_of: datetime) -> datetime:
        """as_of, but never before the landing's last batch: what comes now was not known then."""
        last = max(
            (datetime.fromisoformat(b["first_landed"]) for b in self.state.batches), default=as_of
        )
        if as_of < last:
            log.warning("%s: lands as of %s, when it landed last", self.shown, last.isoformat())
        return max(as_of, last)

    def _hold_empty(self, read: list[Found], staged: Staged, files: dict[str, Any]) -> None:
        if self.may_be_empty:
            return
        if self.shown.endswith(f".{MAY_BE_EMPTY}") and not any(
            b["rows"] for b in self.state.batches
        ):
            return
        others = sum(f.get("rows", 0) for n, f in files.items() if n not in staged.rows)
        for file in read:
            if staged.rows[file.name]:
                continue
            had_rows = self.state.files.get(file.name, {}).get("rows", 0)
            if had_rows or not staged.own_columns[file.name]:
                raise self._has_no_rows(file.name)
        if not others and not sum(staged.rows.values()):
            raise self._has_no_rows(read[0].name)

    def _has_no_rows(self, file: str) -> Held:
        return Held(
            f"{file} of {self.shown} has no rows.",
            "Export it again; nothing was changed, and what landed before stands.",
        )

    def _hold_columns(self, staged: Staged, full: bool) -> None:
        """Every column that a file, or files like it, had in the last delivery must be there."""
        state = self.state
        schemas = {name: state.schemas[f["schema"]] for name, f in state.files.items()}
        common = set.intersection(*(set(s) for s in schemas.values())) if schemas else set()
        for name, columns in staged.own_columns.items():
            if columns:
                expected = schemas.get(name) or {c for c in state.columns if c in common}
                self._hold_lost([c for c in expected if c not in columns], name, columns)
        if full and staged.columns:
            lost = [c for c in state.columns if c not in staged.columns]
            self._hold_lost(lost, ", ".join(sorted(staged.rows)[:3]), staged.columns)

    def _hold_lost(self, lost: list[str], file: str, columns: Schema) -> None:
        if not lost:
            return
        new = [c for c in columns if c not in self.state.columns]
        there = f" New columns there: {', '.join(new[:8])}." if new else ""
        likely = nearest(lost[0], new)
        named = ", ".join(f'"{c}"' for c in lost[:8])
        raise Held(
            f"{file} of {self.shown} has no column {named} any more.{likely}{there}",
            "Export it under its old name (it may be empty). If it is gone for good, give the "
            "table a new name in data/sources.toml, which starts a landing of its own, and select "
            "from that name in data/staging/.",
        )

    def _hold_vanished(self, news: News) -> None:
        """Rows that changed are not missing: what counts is by how many the table shrank.

        The smaller of the last two deliveries is the measure, so that one that was too large by
        mistake does not hold up the good ones after it.
        """
        rows = news.live_before - news.gone + news.accepted
        usual = news.live_before
        if len(self.state.batches) > 1:
            last = self.state.batches[-1]
            usual = min(usual, usual - last["rows"] + last["gone"])
        fewer, share = usual - rows, self.vanished_share
        if fewer > 0 and share < 1 and fewer >= share * usual:
            raise Held(
                f"{self.shown} has {fewer:,} rows fewer than the {usual:,} of the last "
                f"delivery ({fewer / usual:.0%}; the limit is {share:.0%}).",
                "Export it whole. If it is meant, raise `vanished_share` of `[limits]` in "
                "scoring.toml for one run.",
            )
