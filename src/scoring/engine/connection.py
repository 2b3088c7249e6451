"""A DuckDB connection with every setting that matters said once.

DuckDB is compute over immutable Parquet here. The database lives in memory and spills to the
store's `tmp/`, so there is no `.duckdb` file that anything depends on.
"""

import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb

from scoring.errors import ScoringError, TryLater
from scoring.stop import stopped

Connection = duckdb.DuckDBPyConnection
EngineError = duckdb.Error
BinderError = duckdb.BinderException

DEFAULT_MEMORY_MB = 2000
# What a partition needs, however many processes share a machine.
LEAST_MEMORY_MB = 500


@contextmanager
def connect(tmp: Path, *, workers: int = 1) -> Iterator[Connection]:
    """A connection that fetches nothing from the network and spills below `tmp`.

    Naive timestamps are UTC. `workers` is how many processes share the machine: each gets its part
    of the cores and of the memory. SCORING_MEMORY_LIMIT names the memory of one connection instead.
    """
    # A folder of its own: the engine names its spill files the same way in every process.
    spill = tmp / f"duckdb-{uuid.uuid4().hex[:8]}"
    tmp.mkdir(parents=True, exist_ok=True)
    memory = max(LEAST_MEMORY_MB, DEFAULT_MEMORY_MB // workers)
    config: dict[str, Any] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "memory_limit": os.environ.get("SCORING_MEMORY_LIMIT", f"{memory}MB"),
        "temp_directory": str(spill),
        "preserve_insertion_order": "true",
        "threads": max(1, (os.cpu_count() or 1) // workers),
    }
    connection = duckdb.connect(":memory:", config=config)
    try:
        # In a notebook without widgets the engine refuses the setting, and shows no bar either.
        with suppress(duckdb.InvalidInputException):
            connection.execute("SET enable_progress_bar = false")
        connection.execute("SET TimeZone = 'UTC'")
        yield connection
    except duckdb.OutOfMemoryException as error:
        raise TryLater(
            "The work did not fit into the engine's memory limit.",
            "Set SCORING_MEMORY_LIMIT higher (for example 6GB) and run the same command again.",
        ) from error
    except duckdb.IOException as error:
        if "No space left" in str(error) or "ENOSPC" in str(error):
            raise TryLater(
                "The disk is full; nothing was published and the previous state stands.",
                "Free some space and run the same command again.",
            ) from error
        if damaged := _damaged(error):
            raise damaged from error
        raise
    except duckdb.InvalidInputException as error:
        if damaged := _damaged(error):
            raise damaged from error
        raise
    except duckdb.InterruptException:
        raise stopped() from None
    except RuntimeError as error:
        # A signal during a query: the engine throws away the exception that the handler raised.
        if str(error) == "Query interrupted":
            raise stopped() from None
        raise
    finally:
        connection.close()
        shutil.rmtree(spill, ignore_errors=True)


def _damaged(error: duckdb.Error) -> ScoringError | None:
    """A file of the store that cannot be read, in one sentence; None for any other fault."""
    found = re.search(r"[^\s'\"]*\.scoring/(\S+?\.parquet)", str(error))
    if found is None:
        return None
    part = found.group(1).split("/")[0]
    again = {
        "tables": "Remove .scoring/tables and run `scoring check`: it makes the tables again.",
        "features": "Remove .scoring/features: the next build makes them again.",
    }
    return ScoringError(
        f"{found.group(1)} in the store is damaged or gone.",
        again.get(part, "Restore .scoring from a backup."),
    )


def identifier(name: str) -> str:
    """A name quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """A text quoted for SQL."""
    return "'" + value.replace("'", "''") + "'"


def parquet(files: list[Path] | list[str]) -> str:
    """`read_parquet([...])` over files, columns united by name."""
    listed = ", ".join(literal(str(f)) for f in files)
    return f"read_parquet([{listed}], union_by_name = true)"


def columns_of(connection: Connection, relation: str) -> dict[str, str]:
    """Column name → engine type of a table, view or subquery."""
    rows = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    return {row[0]: row[1] for row in rows}


def scalar(connection: Connection, query: str) -> Any:
    row = connection.execute(query).fetchone()
    return None if row is None else row[0]


def copy_to_parquet(
    connection: Connection, query: str, path: Path, rows_per_group: int = 122_880
) -> int:
    """Write the rows of `query`, in its order, and return how many there were."""
    result = connection.execute(
        f"COPY ({query}) TO {literal(str(path))} "
        f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {rows_per_group})"
    ).fetchone()
    return int(result[0]) if result else 0


def function_names(connection: Connection, kind: str) -> frozenset[str]:
    """The engine's own functions of one kind (`aggregate`, `scalar`, `table`), lower case."""
    rows = connection.execute(
        f"SELECT DISTINCT lower(function_name) FROM duckdb_functions() "
        f"WHERE function_type = {literal(kind)}"
    ).fetchall()
    return frozenset(row[0] for row in rows)


def unsteady_functions(connection: Connection) -> frozenset[str]:
    """The engine's functions that may answer otherwise another time, lower case."""
    rows = connection.execute(
        "SELECT DISTINCT lower(function_name) FROM duckdb_functions() "
        "WHERE stability <> 'CONSISTENT'"
    ).fetchall()
    return frozenset(row[0] for row in rows)


# What the values of a row, not the words of a query, can raise while it runs.
ValueFault = (duckdb.DataError, duckdb.InvalidInputException)


def move_view(connection: Connection, name: str, schema: str) -> None:
    """Make a temporary view the view of the same name in a schema (given as SQL)."""
    text = scalar(
        connection,
        f"SELECT sql FROM duckdb_views() WHERE temporary AND view_name = {literal(name)}",
    )
    query = text.split(" AS ", 1)[1].rstrip().rstrip(";")
    connection.execute(f"CREATE VIEW {schema}.{identifier(name)} AS {query}")
    connection.execute(f"DROP VIEW temp.{identifier(name)}")
