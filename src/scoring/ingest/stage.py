"""Read a delivery once into a scratch Parquet file, and say what of it is news.

Everything here writes to the run's scratch folder only. The work is linear in the rows: one pass
reads, types and hashes; equal rows are told apart by counting per hash, and only rows whose hash
occurs a different number of times than before are looked at one by one.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from scoring.config import TableFiles
from scoring.engine.connection import (
    Connection,
    EngineError,
    copy_to_parquet,
    identifier,
    literal,
    scalar,
)
from scoring.errors import Held
from scoring.ingest.files import Delivery, Found, Opened, deliver, open_file, unreadable
from scoring.ingest.landing import Schema, TableState, live_rows, row_hash, scan

log = logging.getLogger(__name__)

MOST_BROKEN_LINES = 1_000


@dataclass
class Staged:
    """What was read: columns united and per file, rows and quarantined lines counted per file.

    A Parquet file is there only where there is something to hold.
    """

    columns: Schema
    own_columns: dict[str, Schema]
    rows: dict[str, int]
    quarantined: dict[str, int]
    rows_file: Path
    quarantine_file: Path


@dataclass(frozen=True)
class News:
    """How many rows are to land, are gone, and were live before among those compared."""

    accepted: int
    gone: int
    live_before: int


def stage(
    connection: Connection,
    found: list[Found],
    settings: TableFiles,
    known: Schema,
    scratch: Path,
    batch: int,
    first_landed: datetime,
) -> Staged:
    """Read the files into `scratch`. Raises ConfigError or Held where a file cannot be used."""
    try:
        return _stage(connection, found, settings, known, scratch, batch, first_landed, False)
    except EngineError as error:
        # The engine gives up on a text that mixes line ends; it is written anew with one kind.
        if "state machine" not in str(error):
            raise
        log.info("%s: line ends are mixed, reading with one kind", settings.file)
        return _stage(connection, found, settings, known, scratch, batch, first_landed, True)


def _stage(
    connection: Connection,
    found: list[Found],
    settings: TableFiles,
    known: Schema,
    scratch: Path,
    batch: int,
    first_landed: datetime,
    one_line_end: bool,
) -> Staged:
    opened = [
        open_file(connection, file, settings, scratch, one_line_end=one_line_end) for file in found
    ]
    delivery = deliver(opened, known)
    spelling = {name.lower(): name for name in delivery.columns}
    staged = Staged(
        columns=delivery.columns,
        own_columns={
            f.found.name: {spelling[c.lower()]: t for c, t in f.columns.items()} for f in opened
        },
        rows=dict.fromkeys((f.name for f in found), 0),
        quarantined=dict.fromkeys((f.name for f in found), 0),
        rows_file=scratch / "rows.parquet",
        quarantine_file=scratch / "quarantine.parquet",
    )
    if not delivery.selects:
        return staged
    for name in ("rejected", "rejected_scans"):
        connection.execute(f"DROP TABLE IF EXISTS {name}")
    with _damage_is_held(opened):
        copy_to_parquet(connection, _rows(delivery, batch, first_landed), staged.rows_file)
    staged.rows.update(_per_file(connection, staged.rows_file))
    _quarantine(connection, delivery, opened, staged)
    return staged


def _rows(delivery: Delivery, batch: int, first_landed: datetime) -> str:
    chosen = "".join(f"{identifier(c)}, " for c in delivery.columns)
    moment = first_landed.replace(tzinfo=None).isoformat(sep=" ")
    return (
        f"SELECT {chosen}TIMESTAMP {literal(moment)} AS first_landed, "
        f"{batch}::INTEGER AS landed_batch, landed_file, "
        f"{row_hash(delivery.columns)} AS landed_hash FROM ({' UNION ALL '.join(delivery.selects)})"
    )


def _quarantine(
    connection: Connection, delivery: Delivery, opened: list[Opened], staged: Staged
) -> None:
    """Write the lines that the engine refused, and the rows with a NUL character."""
    selects = [
        f"SELECT landed_file, NULL::BIGINT AS line, 'NUL character' AS reason, text FROM ({query})"
        for query in delivery.nul_rows
    ]
    written = scalar(
        connection, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'rejected'"
    )
    if written:
        paths = {
            (file.text.path if file.text else file.found.path).as_posix(): file.found.name
            for file in opened
        }
        pairs = ", ".join(f"({literal(path)}, {literal(name)})" for path, name in paths.items())
        # One line may break several rules; the first one found speaks for it.
        selects.append(
            "SELECT name AS landed_file, line::BIGINT AS line, "
            "replace(lower(arg_min(error_type::VARCHAR, coalesce(column_idx, 0))), "
            "'unquoted value', 'broken quotes') AS reason, "
            "trim(any_value(csv_line), chr(10) || chr(13)) AS text "
            "FROM (SELECT DISTINCT scan_id, file_id, file_path FROM rejected_scans) AS scans "
            "JOIN rejected USING (scan_id, file_id) "
            f"JOIN (VALUES {pairs}) AS names(path, name) ON path = file_path "
            "GROUP BY name, line"
        )
    if not selects:
        return
    query = f"SELECT * FROM ({' UNION ALL '.join(selects)}) ORDER BY landed_file, line, text"
    if copy_to_parquet(connection, query, staged.quarantine_file):
        staged.quarantined.update(_per_file(connection, staged.quarantine_file))
        _hold_swallowed(connection, staged.quarantine_file)
    else:
        staged.quarantine_file.unlink()


def _hold_swallowed(connection: Connection, quarantine: Path) -> None:
    """A quote that is never closed makes one broken record of all good lines behind it."""
    found = connection.execute(
        f"SELECT landed_file, line FROM {scan([quarantine])} WHERE line IS NOT NULL "
        f"AND length(text) - length(replace(text, chr(10), '')) > {MOST_BROKEN_LINES} LIMIT 1"
    ).fetchone()
    if found:
        raise Held(
            f"{found[0]} has a quote in line {found[1]:,} that is not closed within "
            f"{MOST_BROKEN_LINES:,} lines.",
            "Correct it or export the file again: the lines behind it cannot be told apart.",
        )


def _per_file(connection: Connection, path: Path) -> dict[str, int]:
    query = f"SELECT landed_file, count(*) FROM {scan([path])} GROUP BY ALL"
    return {str(name): int(n) for name, n in connection.execute(query).fetchall()}


@contextmanager
def _damage_is_held(opened: list[Opened]) -> Iterator[None]:
    """A Parquet file whose pages are damaged is found out only while it is read."""
    try:
        yield
    except EngineError as error:
        parquet = [file.found.name for file in opened if file.text is None]
        ours = type(error).__name__ in ("OutOfMemoryException", "IOException")
        if ours or "state machine" in str(error) or not parquet:
            raise
        named = next((name for name in parquet if name in str(error)), ", ".join(parquet[:3]))
        raise unreadable(named) from error


def compare(
    connection: Connection, staged: Staged, state: TableState, folder: Path, *, full: bool
) -> News:
    """Count what is news; `write_batch` writes it.

    Makes the temporary table `changes`: the hashes that occur in the staged rows (`has`) another
    number of times than among the live rows (`had`). In a full delivery all live rows count; else
    those that the same file brought, and nothing is ever gone.
    """
    live = live_rows(state, folder)
    incoming = sum(staged.rows.values())
    if live and not full:
        names = ", ".join(literal(name) for name in staged.rows)
        live = f"SELECT * FROM ({live}) WHERE landed_file IN ({names})"
    live_before = int(scalar(connection, f"SELECT count(*) FROM ({live})")) if live else 0
    if not live_before:
        return News(incoming, 0, 0)
    key = _key(full)
    now = scan([staged.rows_file]) if incoming else "(FROM live LIMIT 0)"
    connection.execute(f"CREATE OR REPLACE TEMP VIEW live AS {live}")
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE changes AS "
        f"SELECT {key}, coalesce(before.n, 0) AS had, coalesce(now.n, 0) AS has "
        f"FROM (SELECT {key}, count(*) AS n FROM live GROUP BY {key}) AS before "
        f"FULL JOIN (SELECT {key}, count(*) AS n FROM {now} GROUP BY {key}) AS now USING ({key}) "
        "WHERE coalesce(before.n, 0) <> coalesce(now.n, 0)"
    )
    counted = connection.execute(
        "SELECT coalesce(sum(greatest(has - had, 0)), 0), coalesce(sum(greatest(had - has, 0)), 0) "
        "FROM changes"
    ).fetchone()
    accepted, gone = counted or (0, 0)
    return News(int(accepted), int(gone) if full else 0, live_before)


def fresh_quarantine(
    connection: Connection, staged: Staged, state: TableState, folder: Path
) -> str | None:
    """SELECT of the quarantined lines that no earlier batch has; None where there are none."""
    if not sum(staged.quarantined.values()):
        return None
    query = f"SELECT * FROM {scan([staged.quarantine_file])}"
    earlier = state.paths(folder, "quarantined")
    if earlier:
        query = f"{query} EXCEPT ALL SELECT * FROM {scan(earlier)} ORDER BY landed_file, line, text"
        if not scalar(connection, f"SELECT count(*) FROM ({query})"):
            return None
    return query


def write_batch(
    connection: Connection,
    draft: Path,
    staged: Staged,
    news: News,
    quarantine: str | None,
    first_landed: datetime,
    *,
    full: bool,
) -> int:
    """Fill a batch's folder after `compare`; returns how many lines went to quarantine."""
    if news.accepted and news.accepted == sum(staged.rows.values()):
        staged.rows_file.rename(draft / "rows.parquet")
    elif news.accepted:
        scanned = scan([staged.rows_file])
        chosen = _beyond(scanned, "file_row_number", "had", "has", full)
        query = f"SELECT * FROM {scanned} WHERE file_row_number IN (SELECT place FROM ({chosen}))"
        copy_to_parquet(connection, query, draft / "rows.parquet")
    if news.gone:
        moment = first_landed.replace(tzinfo=None).isoformat(sep=" ")
        at = "{'landed_batch': landed_batch, 'landed_row': landed_row}"
        query = (
            "SELECT place.landed_batch, place.landed_row, "
            f"TIMESTAMP {literal(moment)} AS gone_landed "
            f"FROM ({_beyond('live', at, 'has', 'had', full)}) ORDER BY ALL"
        )
        copy_to_parquet(connection, query, draft / "gone.parquet")
    if quarantine:
        return copy_to_parquet(connection, quarantine, draft / "quarantine.parquet")
    return 0


def _beyond(rows: str, at: str, fewer: str, more: str, full: bool) -> str:
    """SELECT `at` of the rows that one side has beyond what the other has.

    A window numbers equal rows only where both sides have some: where the other side has none,
    all are chosen.
    """
    key = _key(full)
    return (
        f"SELECT {at} AS place FROM {rows} "
        f"SEMI JOIN (FROM changes WHERE {fewer} = 0) USING ({key}) "
        f"UNION ALL SELECT place FROM (SELECT {at} AS place, {fewer} AS known, "
        f"row_number() OVER (PARTITION BY {key} ORDER BY {at}) AS n "
        f"FROM {rows} JOIN (FROM changes WHERE {fewer} > 0 AND {more} > {fewer}) USING ({key})) "
        "WHERE n > known"
    )


def _key(full: bool) -> str:
    return "landed_hash" if full else "landed_hash, landed_file"
