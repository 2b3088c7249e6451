"""Running the SELECTs of `.sql` features over visible rows, and judging what they call."""

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import sqlglot
from sqlglot import exp

from scoring.engine.arrays import DAY, NEVER, Events, Stream
from scoring.engine.connection import (
    Connection,
    EngineError,
    identifier,
    unsteady_functions,
)
from scoring.errors import ConfigError

if TYPE_CHECKING:
    from scoring.build.past import Past

# The words for the present without parentheses, what reads the machine, what draws at random or
# answers by the order of the rows, and what makes several rows of one.
REFUSED = frozenset(
    {"current_timestamp", "current_time", "current_date", "localtime", "localtimestamp"}
    | {"current_localtime", "current_localtimestamp", "today", "now", "getenv", "getvariable"}
    | {"query", "query_table", "reservoir_quantile", "approx_quantile", "approx_top_k"}
    | {"unnest", "explode", "generate_series", "range", "read_text", "read_blob", "columns"}
)
NUMBER, TEXT = "number", "text"
TYPES = {
    "number": pa.float64(),
    "flag": pa.bool_(),
    "text": pa.string(),
    "timestamp": pa.timestamp("us"),
}
NUMERIC = re.compile(
    r"DECIMAL\(.*|DOUBLE|FLOAT|U?(BIGINT|INTEGER|SMALLINT|TINYINT|HUGEINT)|BOOLEAN"
)


def judged_calls(connection: Connection, text: str, where: str) -> None:
    """Raises ConfigError where the SELECT calls what answers otherwise another time."""
    tree = sqlglot.parse_one(text, read="duckdb")
    unsteady = unsteady_functions(connection) | REFUSED
    for node in tree.find_all(exp.Func):
        # The parser has names of its own: what the engine will be asked counts, too.
        rendered = node.sql(dialect="duckdb").split("(")[0].strip().lower()
        called = (node.name if isinstance(node, exp.Anonymous) else node.sql_name()).lower()
        of_today = rendered == "age" and ", " not in node.sql(dialect="duckdb")
        if {called, rendered} & unsteady or of_today:
            raise ConfigError(
                f"{where} calls {rendered}(), which gives something else on every run or reads "
                "beyond the past.",
                "A feature may depend on the visible rows only.",
            )


def result_kinds(
    connection: Connection, text: str, stream: str, kinds: Mapping[str, str], where: str
) -> dict[str, str]:
    """Column → `number` or `text`, bound against rows of these names and kinds.

    kinds   name → `number`, `flag`, `text` or `timestamp`
    Raises ConfigError where it cannot be bound, or a column is neither number, flag nor text.
    """
    schema = pa.schema([(name, TYPES[kind]) for name, kind in kinds.items()])
    _offer(connection, stream, schema.empty_table())
    try:
        rows = connection.execute(f"DESCRIBE {text}").fetchall()
    except EngineError as error:
        raise ConfigError(f"{where}: {str(error).splitlines()[0]}") from None
    found = {}
    for name, engine_type, *_ in rows:
        if engine_type in ("VARCHAR", '"NULL"'):
            found[name] = TEXT
        elif NUMERIC.fullmatch(engine_type):
            found[name] = NUMBER
        elif name != "snap_id":
            raise ConfigError(
                f"{where}: the column `{name}` must be a number, a flag or a text. "
                f"It is {engine_type} instead."
            )
    return found


def run(
    connection: Connection,
    text: str,
    without_rows: str,
    columns: Mapping[str, bool],
    stream: Stream,
    rows: pa.Table,
    size: int,
    where: str,
) -> dict[str, np.ndarray]:
    """Column → (size,): float64 with NaN for missing, or texts with None.

    columns        name → whether it is a text
    rows           as `visible` makes them; snap_id is the position of the snapshot, below `size`
    without_rows   the SELECT of a snapshot that has no rows
    """
    _offer(connection, stream.name, rows)
    threads = connection.execute("SELECT current_setting('threads')").fetchone()
    # One thread reads the rows in their order: sums of floats and `first` repeat to the bit.
    connection.execute("SET threads = 1")
    try:
        table = connection.sql(_cast(text, columns, "snap_id, ")).to_arrow_table()
        nothing = connection.sql(_cast(without_rows, columns)).fetchall()[0]
    except EngineError as error:
        first = str(error).splitlines()[0].split(":")[0]
        raise ConfigError(
            f"{where} cannot be computed: {first}.",
            "Guard conversions and divisions, for example with TRY_CAST and nullif.",
        ) from None
    finally:
        connection.execute(f"SET threads = {threads[0] if threads else 1}")
    place = table.column("snap_id").to_numpy()
    found: dict[str, np.ndarray] = {}
    for (name, text_kind), empty in zip(columns.items(), nothing, strict=True):
        values: Any = np.full(size, empty, dtype=object if text_kind else np.float64)
        values[place] = table.column(name).to_numpy(zero_copy_only=False)
        if not text_kind:
            values[~np.isfinite(values)] = np.nan
        found[name] = values
    return found


def visible(
    stream: Stream, events: Events, past: "Past", names: Collection[str], kind_name: str
) -> pa.Table:
    """The visible rows of a block with the named columns, those of one snapshot together."""
    time = events.time[past.row]
    kind = events.kind[past.row]
    made: dict[str, pa.Array] = {"snap_id": pa.array(past.snapshot)}
    for name in names:
        if name == "age_days":
            made[name] = pa.array(past.age / DAY)
        elif name == "happened_at":
            made[name] = pa.array(time, pa.timestamp("us"))
        elif name == "by_machine":
            known = np.full(len(time), NEVER)
            if events.machine is not None:
                known = events.machine[past.row]
            made[name] = pa.array(known < time + past.age)
        elif name in (kind_name, "direction"):
            told = [k[0 if name == kind_name else 1] for k in stream.kinds]
            made[name] = pa.array(np.array([*told, None], dtype=object)[kind], pa.string())
        elif name != "snap_id":
            values, levels = events.values[name][past.row], events.levels.get(name)
            if levels is None:
                made[name] = pa.array(values, pa.float64(), from_pandas=True)
            else:
                made[name] = pa.array(np.append(levels, [None])[values], pa.string())
    return pa.table(made)


def _cast(text: str, columns: Mapping[str, bool], beside: str = "") -> str:
    listed = ", ".join(
        f"CAST({identifier(name)} AS {'VARCHAR' if kind else 'DOUBLE'}) AS {identifier(name)}"
        for name, kind in columns.items()
    )
    return f"SELECT {beside}{listed} FROM ({text})"


def _offer(connection: Connection, stream: str, rows: pa.Table) -> None:
    connection.execute("CREATE SCHEMA IF NOT EXISTS past")
    connection.register("past_rows", rows)
    connection.execute(
        f"CREATE OR REPLACE VIEW past.{identifier(stream)} AS SELECT * FROM past_rows"
    )
