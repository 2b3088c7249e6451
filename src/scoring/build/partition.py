"""One partition of leads → snapshots, labels and features → one Parquet file."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scoring.build.columns import STREAMS, Column
from scoring.build.judging import judged, read_by, removed
from scoring.build.reduce import reduce_stream
from scoring.build.rows import LeadScope, Rows
from scoring.build.snapshots import Survivors, make_leads, make_snapshots, read_survivors
from scoring.build.sql_features import past_queries, run_past
from scoring.engine.arrays import Events, Stream
from scoring.engine.connection import Connection, identifier
from scoring.engine.events import read_stream
from scoring.engine.snapshots import age_days
from scoring.engine.words import listed_sql
from scoring.store.publish import no_space_is_later

if TYPE_CHECKING:
    from scoring.build.featureset import FeatureSet
    from scoring.check.tables import Tables

__all__ = ["LeadScope", "Rows", "read_removed", "read_settling", "write_partition"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A group of rows is what other programs read at a time.
ROWS_PER_GROUP = 122_880
MACHINE_ROWS = pa.schema([("type", pa.string()), ("removed", pa.int64()), ("all", pa.int64())])


def write_partition(
    connection: Connection,
    tables: "Tables",
    partition: int,
    features: "FeatureSet",
    rows: Rows,
    path: Path,
    spent: dict[str, float] | None = None,
    survivors: Survivors | None = None,
) -> int:
    """Build the rows of one partition into `path`, ordered by lead and as_of; returns how many.

    spent       collects the seconds that each column of the history took
    survivors   where several partitions are built: what was read once for all of them
    """
    if rows.labels and survivors is None:
        survivors = read_survivors(connection, tables, rows)
    make_leads(connection, tables, partition, rows)
    histories = _histories(connection, tables, partition, features, rows)
    interactions = histories["interactions"][1] if "interactions" in histories else None
    make_snapshots(connection, tables, partition, features, rows, interactions, survivors)
    found = _event_columns(connection, features, rows, histories, spent)
    table = _described(connection, features, rows)
    for column in features.columns:
        if column.stream == "lead" and column.kind != "category":
            found[column.name] = table.column(column.name).to_numpy()
        elif column.stream == "columns":
            found[column.name] = _compared(column.op, *(found[name] for name in column.inputs))
    made = {name: table.column(name) for name in table.column_names}
    for column in features.columns:
        if column.stream != "lead":
            kind = pa.string() if column.kind == "category" else pa.float64()
            made[column.name] = pa.array(found[column.name], kind, from_pandas=True)
    # What is compared stands behind what was read.
    ordered = sorted(features.columns, key=lambda c: c.stream == "columns")
    about = [name for name in made if name not in {c.name for c in ordered}]
    table = pa.table({name: made[name] for name in (*about, *(c.name for c in ordered))})
    texts = [field.name for field in table.schema if pa.types.is_string(field.type)]
    with no_space_is_later():
        pq.write_table(table, path, ROWS_PER_GROUP, compression="zstd", use_dictionary=texts)
    return int(table.num_rows)


def _described(connection: Connection, features: "FeatureSet", rows: Rows) -> pa.Table:
    """Who and when, the labels of training rows, and what the lead's own row says."""
    labels = joins = ""
    if rows.labels:
        labels = ", y.label, y.matured_at, y.label_known_at, z.closed_at, z.converted"
        joins = "JOIN labels y ON y.snap_id = s.snap_id JOIN closings z ON z.snap_id = s.snap_id"
    own = "".join(
        f", {_of_lead(column)} AS {identifier(column.name)}"
        for column in features.columns
        if column.stream == "lead"
    )
    return connection.sql(
        f"""
SELECT l.lead_key, l.lead_id, s.as_of, s.root_key, l.group_id{labels}{own}
FROM snapshots s
JOIN leads l ON l.lead_key = s.lead_key
JOIN attributes a ON a.snap_id = s.snap_id
{joins}
ORDER BY s.snap_id"""
    ).to_arrow_table()


def _of_lead(column: Column) -> str:
    if column.op == "age":
        return age_days("l.created_at")
    value = f"a.{identifier(column.of or '')}"
    return listed_sql(value, column.like) if column.op == "listed" else value


def _compared(op: str, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(n,) float: missing where either is missing, and the quotient where the divisor is 0."""
    if op == "difference":
        return one - other
    return one / np.where(other == 0, np.nan, other)


def _histories(
    connection: Connection,
    tables: "Tables",
    partition: int,
    features: "FeatureSet",
    rows: Rows,
) -> dict[str, tuple[Stream, Events]]:
    """The histories that features read, of `leads`; which rows a machine made is judged."""
    found: dict[str, tuple[Stream, Events]] = {}
    for name in STREAMS:
        columns = [c for c in features.columns if c.stream == name]
        queries = past_queries(features.columns, name)
        if not columns and not queries:
            continue
        properties = frozenset[str]().union(*(c.properties for c in columns))
        properties = properties.union(*(q.properties for q in queries))
        by_person = any(s.by_person for c in columns for s in c.selections)
        rules = features.machines if by_person or any(q.by_machine for q in queries) else ()
        stream, events = read_stream(
            connection,
            tables,
            name,
            partition,
            properties | read_by(rules),
            rows.landed,
            features.reading,
            features.tracked,
        )
        found[name] = stream, judged(stream, events, rules) if rules else events
    return found


def _event_columns(
    connection: Connection,
    features: "FeatureSet",
    rows: Rows,
    histories: Mapping[str, tuple[Stream, Events]],
    spent: dict[str, float] | None,
) -> dict[str, np.ndarray]:
    """Every column that reads a history, of `snapshots`; leaves `machine_rows` for
    `read_removed`."""
    gone: dict[str, tuple[int, int]] = {}
    snapshots = connection.sql(
        "SELECT lead_key, epoch_us(as_of) AS as_of FROM snapshots ORDER BY snap_id"
    ).to_arrow_table()
    lead_key, as_of = (snapshots.column(c).to_numpy() for c in ("lead_key", "as_of"))
    found = {c.name: np.array([], dtype=object) for c in features.columns}  # without snapshots
    for name, (stream, events) in histories.items():
        if events.machine is not None:
            gone = removed(stream, events, (rows.until - EPOCH) // timedelta(microseconds=1))
        columns = [c for c in features.columns if c.stream == name]
        found |= reduce_stream(stream, events, columns, lead_key, as_of, spent)
        queries = past_queries(features.columns, name)
        found |= run_past(connection, queries, stream, events, lead_key, as_of)
    listed = [{"type": name, "removed": n, "all": every} for name, (n, every) in gone.items()]
    connection.register("machine_rows", pa.Table.from_pylist(listed, MACHINE_ROWS))
    return found


def read_settling(connection: Connection, rows: Rows) -> list[tuple[str, int, int]]:
    """(day, labelled, undecided) of the partition just built; empty unless `at_decision`."""
    if not rows.labels or rows.question.label != "at_decision":
        return []
    found = connection.execute("SELECT day, labelled, undecided FROM settling ORDER BY day")
    return [(str(day), int(known), int(not_yet)) for day, known, not_yet in found.fetchall()]


def read_removed(connection: Connection) -> list[tuple[str, int, int]]:
    """(type, rows that a machine made, all rows) of the partition just built, as of its `until`.

    A merged lead's rows count with the survivor, too.
    """
    found = connection.execute('SELECT type, removed, "all" FROM machine_rows ORDER BY type')
    return [(str(name), int(n), int(every)) for name, n, every in found.fetchall()]
