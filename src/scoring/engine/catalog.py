"""What a query reads, as SQL that makes the same views in an empty database elsewhere.

So a query that was written against one connection runs on another machine: views go as their
text, tables as Parquet files on the disk that both share. The landing can be made smaller on the
way: a slice of its rows is a piece of work.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import sqlglot
from sqlglot import exp

from scoring.engine.connection import Connection, copy_to_parquet, identifier, literal, parquet

# What the landing calls its rows, in the views that read them.
LANDED = "landed"


@dataclass(frozen=True)
class Slice:
    """The rows `first` to `last` of a Parquet file, counted from 0, both inclusive."""

    file: str
    first: int
    last: int


@dataclass(frozen=True)
class Catalog:
    """Statements that make what a query reads; `landed` are the files of the landing among it."""

    statements: tuple[str, ...]
    landed: tuple[str, ...]

    def make(self, connection: Connection, only: Slice | None = None) -> None:
        """Make the views; `only`: the landing holds no other rows than these."""
        for statement in self.statements:
            connection.execute(statement if only is None else _sliced(statement, only))

    def slices(self, rows: int) -> list[Slice]:
        """The landing in pieces of at most `rows` rows, file by file."""
        return [
            Slice(file, first, first + rows - 1)
            for file in self.landed
            for first in range(0, pq.read_metadata(file).num_rows, rows)
        ]


def catalog(connection: Connection, query: str, folder: Path) -> Catalog:
    """Describe what `query` reads; the tables among it are written into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    tables, views = _read_by(connection, query)
    statements, landed, schemas = [], [], {"main"}
    for name in tables:
        file = folder / f"{name}.parquet"
        copy_to_parquet(connection, f"FROM {identifier(name)}", file)
        statements.append(f"CREATE VIEW {identifier(name)} AS FROM {parquet([file])}")
    for schema, text in views:
        if schema not in schemas:
            schemas.add(schema)
            statements.append(f"CREATE SCHEMA {identifier(schema)}")
        statements.append(text)
        landed += [file for scan in _landed_scans(_parsed(text)) for file in _files(scan)]
    return Catalog(tuple(statements), tuple(dict.fromkeys(landed)))


def _read_by(connection: Connection, query: str) -> tuple[list[str], list[tuple[str, str]]]:
    """The tables, and the views (schema, text) in the order of their making, that a query reads.

    Whatever is named in the query or in a view that it reads: a name that stands there by chance
    costs a statement more and changes nothing.
    """
    known = connection.execute(
        "SELECT schema_name, view_name, sql FROM duckdb_views() WHERE NOT internal "
        "ORDER BY view_oid DESC"
    ).fetchall()
    texts, views = [query], []
    for schema, name, text in known:  # a view reads older ones only
        if _named(name, texts):
            texts.append(text)
            views.append((schema, text))
    tables = connection.execute(
        "SELECT DISTINCT table_name FROM duckdb_tables() WHERE NOT internal ORDER BY 1"
    ).fetchall()
    return [name for (name,) in tables if _named(name, texts)], views[::-1]


def _named(name: str, texts: Sequence[str]) -> bool:
    word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
    return any(word.search(text) for text in texts)


def _sliced(statement: str, only: Slice) -> str:
    """The statement with every scan of landed rows cut down to the slice."""
    parsed = _parsed(statement)
    scans = list(_landed_scans(parsed))
    for scan in scans:
        if only.file in _files(scan):
            rows = f"file_row_number BETWEEN {only.first} AND {only.last}"
            chosen = f"read_parquet([{literal(only.file)}]) WHERE {rows}"
        else:
            chosen = f"read_parquet([{literal(_files(scan)[0])}]) WHERE false"
        cut = _parsed(f"SELECT *, file_row_number FROM {chosen}")
        alias = exp.TableAlias(this=exp.to_identifier(LANDED))
        # What is joined to a table in parentheses hangs on the table.
        scan.replace(exp.Subquery(this=cut, alias=alias, joins=scan.args.get("joins")))
    return str(parsed.sql(dialect="duckdb")) if scans else statement


def _parsed(text: str) -> Any:
    return sqlglot.parse_one(text, read="duckdb")


def _landed_scans(parsed: Any) -> Iterator[exp.Table]:
    for table in list(parsed.find_all(exp.Table)):
        if isinstance(table.this, exp.ReadParquet) and table.alias == LANDED:
            yield table


def _files(scan: exp.Table) -> list[str]:
    return [file.this for file in scan.this.expressions[0].expressions]
