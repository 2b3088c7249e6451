"""The landing: what every source delivered, and when it first came. Rows are only ever added.

    .scoring/landing/manifest.json
    .scoring/landing/<source>/<table>/<NNNN>-<hash8>/    one batch: a run that brought news
        rows.parquet        rows seen for the first time: the raw columns, first_landed,
                            landed_batch, landed_file, landed_hash
        gone.parquet        (landed_batch, landed_row) of rows that a full delivery lacks now,
                            and gone_landed; landed_row counts from 0 in its rows.parquet
        quarantine.parquet  (landed_file, line, reason, text) of lines that could not be read

A row is the same as another if all its non-null columns are equal as text; `landed_hash` is the
MD5 of them, names sorted. It does not depend on the engine's version, and a new column that is
all null changes nothing. Equal rows are counted, not lost: the third of three equal rows is news
where two were known. Of equal rows the latest landed is the first to go.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from scoring.config import TableFiles
from scoring.engine.connection import Connection, identifier, literal
from scoring.errors import ConfigError
from scoring.project import Project
from scoring.store import publish

Schema = dict[str, str]
Rows = Literal["all", "new", "gone"]


@dataclass
class TableState:
    """One raw table in the manifest.

    columns     name → engine type, united over all deliveries (VARCHAR where types differed)
    schemas     the distinct schemas of files and batches, which these name by their index
    files       name → sha256, size, mtime_ns, rows, quarantined, schema: the last delivery
    batches     folder, first_landed (ISO 8601, UTC), rows, gone, quarantined, schema
    reading     the settings that the files were read by; other settings read them again
    """

    columns: Schema = field(default_factory=dict)
    schemas: list[Schema] = field(default_factory=list)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    batches: list[dict[str, Any]] = field(default_factory=list)
    reading: dict[str, str] = field(default_factory=dict)

    def schema(self, columns: Schema) -> int:
        if columns not in self.schemas:
            self.schemas.append(columns)
        return self.schemas.index(columns)

    def paths(self, folder: Path, part: str, since: int = 0) -> list[Path]:
        """The files of all batches behind the first `since` that hold `part`: rows, gone or
        quarantined."""
        name = "quarantine" if part == "quarantined" else part
        return [folder / b["folder"] / f"{name}.parquet" for b in self.batches[since:] if b[part]]

    def fingerprint(self, batches: int | None = None) -> str:
        """Changes with the landed rows and columns only, not when a file is merely touched;
        that of the first `batches`, where given."""
        said = json.dumps([self.columns, self.batches[:batches]], sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class LandedTable:
    """A raw table as a view of the same name; `columns` are the raw ones (name → engine type)."""

    name: str
    columns: Schema
    fingerprint: str
    settings: TableFiles


def read_state(project: Project) -> dict[str, dict[str, TableState]]:
    """Source → table → state; empty before the first ingest."""
    manifest = publish.read_manifest(project.landing / "manifest.json") or {"sources": {}}
    return {
        source: {name: TableState(**content) for name, content in tables.items()}
        for source, tables in manifest["sources"].items()
    }


def write_state(project: Project, state: dict[str, dict[str, TableState]]) -> None:
    sources = {
        source: {name: vars(table) for name, table in tables.items()}
        for source, tables in state.items()
    }
    publish.write_manifest(project.landing / "manifest.json", {"sources": sources})


def remove_leftovers(project: Project, state: dict[str, dict[str, TableState]]) -> None:
    """Take out what a run that did not end left behind: folders that no manifest names."""
    publish.remove_except(project.landing, set(state))
    for source, tables in state.items():
        publish.remove_except(project.landing / source, set(tables))
        for name, table in tables.items():
            keep = {batch["folder"] for batch in table.batches}
            publish.remove_except(project.landing / source / name, keep)


def landing_fingerprint(project: Project) -> str:
    """A short name of everything that has landed: it changes when a row or a column does."""
    state = read_state(project)
    said = [[s, t, state[s][t].fingerprint()] for s in sorted(state) for t in sorted(state[s])]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


def row_hash(columns: Schema) -> str:
    """SQL of a row's identity: MD5 over name, length and text of its non-null columns, as UUID."""
    parts = []
    for name in sorted(columns, key=str.lower):
        text = identifier(name)
        if columns[name] != "VARCHAR":
            text = f"CAST({text} AS VARCHAR)"
        said = literal(f"{len(name)}:{name.lower()}=")
        parts.append(f"{said} || strlen({text}) || ':' || {text}")
    return f"CAST(md5(concat({', '.join(parts)})) AS UUID)"


def scan(files: list[Path]) -> str:
    listed = ", ".join(literal(str(f)) for f in files)
    return f"read_parquet([{listed}], union_by_name = true)"


def live_rows(state: TableState, folder: Path) -> str | None:
    """SELECT of (landed_batch, landed_row, landed_file, landed_hash) of the rows that are live."""
    rows, gone = state.paths(folder, "rows"), state.paths(folder, "gone")
    if not rows:
        return None
    query = (
        "SELECT landed_batch, file_row_number AS landed_row, landed_file, landed_hash "
        f"FROM {scan(rows)}"
    )
    if gone:
        query = f"SELECT * FROM ({query}) ANTI JOIN {scan(gone)} USING (landed_batch, landed_row)"
    return query


def landed_views(
    connection: Connection,
    project: Project,
    source_name: str,
    which: Rows = "all",
    known: Mapping[str, int] | None = None,
) -> dict[str, LandedTable]:
    """A view for each raw table of a source, named as in data/sources.toml.

    which   "all" rows; "new": those of the batches behind the `known` first ones (table → number);
            "gone": those of the known batches that a later one says to be gone

    Columns: the raw ones; first_landed TIMESTAMP (UTC), the logical time of the run that brought
    the row; gone_landed TIMESTAMP (UTC), that of the run in which it was no longer in a full
    delivery, NULL while it is live; landed_batch INTEGER, from 1. A row that comes back after it
    was gone is a second row with its own first_landed. Raises ConfigError where a table has not
    landed yet.
    """
    state = read_state(project).get(source_name, {})
    views = {}
    for name, settings in project.sources[source_name].tables.items():
        table = state.get(name)
        if table is None:
            raise ConfigError(
                f"{source_name}.{name} has not landed yet.", "Run `scoring ingest` first."
            )
        seen = (known or {}).get(name, 0)
        query = _view(table, project.landing / source_name / name, which, seen)
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {identifier(name)} AS {query}")
        views[name] = LandedTable(name, table.columns, table.fingerprint(), settings)
    return views


def _view(table: TableState, folder: Path, which: Rows, known: int) -> str:
    """One SELECT for each schema that batches were written in, all with the united columns."""
    gone = table.paths(folder, "gone", since=known if which == "gone" else 0)
    batches = {"all": table.batches, "new": table.batches[known:], "gone": table.batches[:known]}
    by_schema: dict[int, list[Path]] = {}
    for batch in batches[which]:
        if batch["rows"] and (gone or which != "gone"):
            files = by_schema.setdefault(batch["schema"], [])
            files.append(folder / batch["folder"] / "rows.parquet")
    selects = []
    for index, files in by_schema.items():
        chosen = _columns(table.columns, table.schemas[index])
        query = f"SELECT {chosen}landed.first_landed, "
        if gone:
            join = "JOIN" if which == "gone" else "LEFT JOIN"
            query += f"gone.gone_landed, landed.landed_batch FROM {scan(files)} AS landed "
            query += f"{join} {scan(gone)} AS gone ON gone.landed_batch = landed.landed_batch "
            query += "AND gone.landed_row = landed.file_row_number"
        else:
            query += "NULL::TIMESTAMP AS gone_landed, landed.landed_batch "
            query += f"FROM {scan(files)} AS landed"
        selects.append(query)
    if not selects:
        selects.append(
            f"SELECT {_columns(table.columns, {})}NULL::TIMESTAMP AS first_landed, "
            "NULL::TIMESTAMP AS gone_landed, NULL::INTEGER AS landed_batch WHERE false"
        )
    return " UNION ALL ".join(selects)


def _columns(united: Schema, own: Schema) -> str:
    chosen = []
    for name, kind in united.items():
        value = f"landed.{identifier(name)}" if name in own else "NULL"
        if own.get(name) != kind:
            value = f"{value}::{kind}"
        chosen.append(f"{value} AS {identifier(name)}, ")
    return "".join(chosen)


def batch_folder(state: TableState, first_landed: datetime, files: dict[str, str]) -> str:
    """The name of the next batch: equal input, history and moment give an equal name."""
    said = json.dumps(
        [[b["folder"] for b in state.batches[-1:]], first_landed.isoformat(), files],
        sort_keys=True,
    )
    return f"{len(state.batches) + 1:04d}-{hashlib.sha256(said.encode()).hexdigest()[:8]}"
