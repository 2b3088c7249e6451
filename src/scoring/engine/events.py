"""The history rows of one partition, as arrays."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scoring.engine import zones
from scoring.engine.arrays import Events, Stream
from scoring.engine.computed import joined_sql
from scoring.engine.connection import Connection, identifier, literal
from scoring.engine.landed import Landed
from scoring.engine.numbers import as_numbers
from scoring.engine.reading import (
    CLOSING_FIELDS,
    COMPUTED,
    LOCAL,
    MENTIONS,
    UNKNOWN_ROLE,
    Reading,
)
from scoring.engine.words import mentions_sql

if TYPE_CHECKING:
    from scoring.check.tables import Tables

CLOCK: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "local_day": zones.day,
    "local_hour": zones.hour,
    "local_weekday": zones.weekday,
}


def read_stream(
    connection: Connection,
    tables: "Tables",
    name: str,
    partition: int,
    properties: Iterable[str],
    landed: Landed,
    reading: Reading,
    tracked: Iterable[str] = (),
) -> tuple[Stream, Events]:
    """A stream of one partition with some of its properties, those of `reading.py` included.

    From the first to the last lead of the relation `leads`: a range is read in the file's
    order, where picking single leads would need a sort. Only what `properties` asks for is read.

    tracked   fields with a history in the source: of `lead_changes` only that history counts
    """
    wanted = sorted(set(properties))
    first, last = connection.execute(
        "SELECT coalesce(min(lead_key), 0), coalesce(max(lead_key), -1) FROM leads"
    ).fetchall()[0]
    scan = tables.scan(name, partition)
    condition = f"{landed.condition('e')} AND e.lead_key BETWEEN {first} AND {last}"
    if name == "interactions":
        return _interactions(connection, tables, partition, condition, wanted, reading)
    if name == "stage_changes":
        table = _read(connection, scan, condition, "e.changed_at", "e.stage", wanted)
    elif name == "lead_changes":
        table = _lead_changes(connection, scan, condition, wanted, tracked)
    else:
        time = "coalesce(e.joined_at, e.known_at)"
        role = f"coalesce(e.role, {literal(UNKNOWN_ROLE)})"
        table = _read(connection, scan, condition, time, role, wanted)
    kind, kinds = _values(table.column("kind"))
    named = [] if kinds is None else list(kinds)
    return Stream(name, tuple((kind, None) for kind in named)), _events(table, kind, wanted)


def _interactions(
    connection: Connection,
    tables: "Tables",
    partition: int,
    condition: str,
    wanted: Sequence[str],
    reading: Reading,
) -> tuple[Stream, Events]:
    scan, stored = tables.scan("interactions", partition), tables.columns("interactions")
    local = [
        name
        for name in wanted
        # `check` has the project's local day; a lead's own zone changes it.
        if name in LOCAL
        and (name not in stored or (name == "local_day" and reading.lead_time_zone))
    ]
    asked = [name for name in wanted if name not in local]
    joins = ""
    columns: dict[str, str] = {}
    if joined := [name for name in asked if name in COMPUTED and name not in stored]:
        roles = connection.execute(
            f"SELECT DISTINCT role FROM {tables.scan('contacts', partition)} WHERE role IS NOT NULL"
        ).fetchall()
        rows = f"(SELECT e.* FROM {scan} e WHERE {condition})"
        deciding = reading.deciding(role for (role,) in roles)
        joins, columns = joined_sql(joined, rows, tables, partition, deciding)
    for name in asked:
        if name.startswith(MENTIONS) and name not in stored:
            columns[name] = mentions_sql("e.text", reading.words[name.removeprefix(MENTIONS)])
    table = _read(
        connection, scan, condition, "e.occurred_at", "e.kind_id::INTEGER", asked, joins, columns
    )
    kinds = tuple((k["type"], k["direction"]) for k in tables.manifest["kinds"])
    events = _events(table, _integers(table.column("kind")), asked)
    if local:
        clock = _local_time(connection, tables, partition, events, reading)
        values = {name: CLOCK[name](clock).astype(np.float64) for name in local}
        events = replace(events, values={**events.values, **values})
    return Stream("interactions", kinds), events


def _local_time(
    connection: Connection, tables: "Tables", partition: int, events: Events, reading: Reading
) -> np.ndarray:
    """(n,) int64, the wall clock of each row's lead in microseconds since 1970."""
    clock = np.array(zones.local_time(events.time, reading.zone))
    if reading.lead_time_zone is None or not len(clock):
        return clock
    leads, names = _own_zones(connection, tables, partition, reading.lead_time_zone)
    first = int(events.lead_key[0])
    code = np.full(int(events.lead_key[-1]) - first + 1, -1)
    within = (leads >= first) & (leads < first + len(code))
    known, codes = np.unique(names[within].astype(str), return_inverse=True)
    code[leads[within] - first] = codes
    of_row = code[events.lead_key - first]
    for number, zone in enumerate(known):
        if zones.exists(zone):
            own = of_row == number
            clock[own] = zones.local_time(events.time[own], zone)
    return clock


def _own_zones(
    connection: Connection, tables: "Tables", partition: int, column: str
) -> tuple[np.ndarray, np.ndarray]:
    """Leads with a time zone of their own, and its name: what landed first."""
    field = literal(column)
    found = connection.sql(
        "SELECT * FROM ("
        f"SELECT l.lead_key, CASE WHEN f.lead_key IS NULL THEN l.{identifier(column)}"
        " ELSE f.said.value END AS zone"
        f" FROM {tables.scan('leads', partition)} l LEFT JOIN ("
        " SELECT lead_key, arg_min({'value': value}, seq) AS said"
        f" FROM {tables.scan('lead_changes', partition)}"
        f" WHERE field = {field} AND origin = 'landing' AND NOT inherited GROUP BY lead_key"
        ") f ON f.lead_key = l.lead_key) WHERE zone IS NOT NULL"
    ).to_arrow_table()
    names = found.column("zone").to_numpy(zero_copy_only=False)
    return _integers(found.column("lead_key")), names


def _lead_changes(
    connection: Connection, scan: str, condition: str, wanted: Sequence[str], tracked: Iterable[str]
) -> pa.Table:
    """Changes of the lead's own fields.

    What comparing nights found begins with the value that stood there before, known since it
    landed; such a row is there only because the field changed later, so it is left out.
    """
    own = ", ".join(literal(name) for name in sorted(tracked)) or "NULL"
    closing = ", ".join(literal(name) for name in CLOSING_FIELDS)
    condition += (
        f" AND NOT e.inherited AND e.field NOT IN ({closing})"
        f" AND (e.origin = 'source' OR e.field NOT IN ({own}) IS NOT FALSE)"
    )
    firsts = (
        f" ANTI JOIN (SELECT min(seq) AS seq FROM {scan} WHERE origin = 'landing'"
        " AND NOT inherited GROUP BY lead_key, field) first ON first.seq = e.seq"
    )
    columns = {"number": "e.value"} if "number" in wanted else {}
    return _read(connection, scan, condition, "e.changed_at", "e.field", wanted, firsts, columns)


def _read(
    connection: Connection,
    scan: str,
    condition: str,
    time: str,
    kind: str,
    wanted: Sequence[str],
    joins: str = "",
    columns: Mapping[str, str] | None = None,
) -> pa.Table:
    """lead_key, t and k (microseconds), kind, seq and `v <property>`, by (lead_key, t, seq).

    columns   SQL of properties that are not columns of the table; `joins` brings what they read
    """
    said = {name: f"e.{identifier(name)}" for name in wanted} | dict(columns or {})
    values = "".join(f", {said[name]} AS {identifier('v ' + name)}" for name in wanted)
    table = connection.sql(
        f"SELECT e.lead_key, epoch_us({time}) AS t, epoch_us(e.known_at) AS k,"
        f" {kind} AS kind, e.seq{values} FROM {scan} e{joins} WHERE {condition}"
    ).to_arrow_table()
    return _ordered(table)


def _events(table: pa.Table, kind: np.ndarray, wanted: Sequence[str]) -> Events:
    numbers, levels = {}, {}
    for value in wanted:
        numbers[value], found = _values(table.column(f"v {value}"))
        if value == "number" and found is not None:
            numbers[value] = np.append(as_numbers(found), np.nan)[numbers[value]]
        elif found is not None:
            levels[value] = found
    return Events(
        lead_key=_integers(table.column("lead_key")),
        time=_integers(table.column("t")),
        known=_integers(table.column("k")),
        kind=kind,
        values=numbers,
        levels=levels,
    )


def _ordered(table: pa.Table) -> pa.Table:
    """By (lead_key, t, seq), as the files are written; sorted again only if they came otherwise."""
    lead_key, time, seq = (_integers(table.column(name)) for name in ("lead_key", "t", "seq"))
    same = np.flatnonzero((lead_key[1:] <= lead_key[:-1]) & (time[1:] <= time[:-1]))
    tied = (time[same + 1] == time[same]) & (seq[same + 1] > seq[same])
    if (lead_key[1:] >= lead_key[:-1]).all() and tied.all():
        return table
    return table.take(np.lexsort((seq, time, lead_key)))


def _integers(column: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(column.to_numpy())


def _values(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray | None]:
    """Numbers with NaN, or integer codes with -1 and the texts behind them."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        encoded = column.combine_chunks().dictionary_encode()
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.combine_chunks()
        codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
        return codes.astype(np.int64), np.asarray(encoded.dictionary.to_pylist(), dtype=object)
    return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64), None
