"""The history rows of one partition, as arrays."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scoring.engine.arrays import Events, Stream
from scoring.engine.connection import Connection, identifier
from scoring.engine.landed import Landed

if TYPE_CHECKING:
    from scoring.check.tables import Tables

TIME = {"interactions": "occurred_at", "stage_changes": "changed_at"}


def read_stream(
    connection: Connection,
    tables: "Tables",
    name: str,
    partition: int,
    properties: Iterable[str],
    landed: Landed,
) -> tuple[Stream, Events]:
    """A stream of one partition with some of its properties (`local_day` is one, too).

    Ordered by (lead_key, seq), from the first to the last lead of the relation `snapshots`: a
    range is read in the file's order, where picking single leads would need a sort.
    """
    wanted = sorted(set(properties))
    first, last = connection.execute(
        "SELECT coalesce(min(lead_key), 0), coalesce(max(lead_key), -1) FROM snapshots"
    ).fetchall()[0]
    if name == "interactions":
        stream = Stream(name, tuple((k["type"], k["direction"]) for k in tables.manifest["kinds"]))
        kind = "e.kind_id::INTEGER"
    else:
        stages = connection.execute(
            f"SELECT DISTINCT stage FROM {tables.scan(name)} ORDER BY stage"
        ).fetchall()
        stream = Stream(name, tuple((stage, None) for (stage,) in stages))
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE stage_index AS"
            f" SELECT stage, row_number() OVER (ORDER BY stage)::INTEGER - 1 AS kind"
            f" FROM (SELECT DISTINCT stage FROM {tables.scan(name)})"
        )
        kind = "(SELECT kind FROM stage_index i WHERE i.stage = e.stage)"
    values = "".join(f", e.{identifier(v)} AS {identifier('v ' + v)}" for v in wanted)
    table = connection.sql(
        f"SELECT e.lead_key, epoch_us(e.{TIME[name]}) AS t, epoch_us(e.known_at) AS k,"
        f" {kind} AS kind, e.seq{values}"
        f" FROM {tables.scan(name, partition)} e"
        f" WHERE {landed.condition('e')} AND e.lead_key BETWEEN {first} AND {last}"
    ).to_arrow_table()
    table = _ordered(table)
    numbers, levels = {}, {}
    for value in wanted:
        numbers[value], found = _values(table.column(f"v {value}"))
        if found is not None:
            levels[value] = found
    events = Events(
        lead_key=_integers(table.column("lead_key")),
        time=_integers(table.column("t")),
        known=_integers(table.column("k")),
        kind=_integers(table.column("kind")),
        values=numbers,
        levels=levels,
    )
    return stream, events


def _ordered(table: pa.Table) -> pa.Table:
    """By (lead_key, seq), as the files are written; sorted again only if they came otherwise."""
    lead_key, seq = (_integers(table.column(name)) for name in ("lead_key", "seq"))
    step, on = np.diff(lead_key), np.diff(seq)
    if ((step > 0) | ((step == 0) & (on > 0))).all():
        return table
    return table.take(np.lexsort((seq, lead_key)))


def _integers(column: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(column.to_numpy())


def _values(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray | None]:
    """Numbers with NaN, or integer codes with -1 and the texts behind them, sorted."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        encoded = column.combine_chunks().dictionary_encode()
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.combine_chunks()
        codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
        return codes.astype(np.int64), np.asarray(encoded.dictionary.to_pylist(), dtype=object)
    return column.cast(pa.float64()).to_numpy().astype(np.float64), None
