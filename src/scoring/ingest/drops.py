"""What was read from a CRM, durable before it lands.

    .scoring/pulled/<source>/manifest.json
    .scoring/pulled/<source>/<table>/<number>.parquet    a drop: rows as text, in their order

A drop becomes visible together with the cursor behind it, by one replacement of the manifest: a
read that is killed goes on where its last drop ended. Drops that have landed are removed.

A record whose content is what landed last is not written again, whatever its volatile columns say.
So overlapping reads cost nothing, and our own writes do not come back as news.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from scoring.crm.reading import MARKS, Mark, RawTable, Row
from scoring.engine.connection import Connection, identifier, literal
from scoring.ingest.files import Found
from scoring.ingest.landing import TableState, row_hash, scan
from scoring.project import Project
from scoring.store import publish

# Places in the order of arrival: batches of the landing first, then what has not landed yet.
BATCH = 10**12
PENDING = 10**6


@dataclass
class PulledTable:
    """columns: all that it ever had; drops: file name → rows; number: of the next drop."""

    columns: list[str] = field(default_factory=list)
    drops: dict[str, int] = field(default_factory=dict)
    number: int = 1


@dataclass
class Pulled:
    """The manifest of one source.

    cursors   stream → where to go on
    marks     stream → marks that are not written yet: the records before them come first
    asked     stream → what data/sources.toml asked for: something else is read from the beginning
    gaps      stream → runs in a row after which the CRM had more records than are here
    """

    account: str = ""
    asked: dict[str, Any] = field(default_factory=dict)
    gaps: dict[str, int] = field(default_factory=dict)
    cursors: dict[str, str] = field(default_factory=dict)
    marks: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    tables: dict[str, PulledTable] = field(default_factory=dict)


class Drops:
    """The drops of one source. `publish` makes what was written visible, with the cursors."""

    def __init__(
        self,
        connection: Connection,
        project: Project,
        source: str,
        landed: dict[str, TableState],
    ) -> None:
        self.folder = project.store / "pulled" / source
        self.source = source
        self._connection = connection
        self._landing = project.landing / source
        self._landed = landed
        self.pulled = _read(self.folder / "manifest.json")
        self._remove_leftovers()
        self._left = {name: set(table.drops) for name, table in self.pulled.tables.items()}

    def table(self, name: str) -> PulledTable:
        return self.pulled.tables.setdefault(name, PulledTable())

    def found(self, name: str) -> list[Found]:
        """The drops of a table as files that `ingest` lands."""
        files = []
        for file in sorted(self.table(name).drops):
            path = self.folder / name / file
            stat = path.stat()
            files.append(Found(f"{name}/{file}", path, stat.st_size, stat.st_mtime_ns))
        return files

    def write(self, table: RawTable, rows: Sequence[Row]) -> int:
        """A drop of the rows that are news, and how many they are; none is written without any,
        unless the table has none at all yet."""
        state = self.table(table.name)
        columns = list(dict.fromkeys([*state.columns, *table.all_columns]))
        incoming = _arrow(columns, rows)
        fresh = self._fresh(table, columns, incoming) if rows else incoming
        if not fresh.num_rows and (state.columns or state.drops):
            return 0
        file = f"{state.number:06d}.parquet"
        path = self.folder / table.name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        with publish.no_space_is_later():
            pq.write_table(fresh, path, compression="zstd")
            publish.sync_tree(path.parent)
        state.columns = columns
        state.drops[file] = fresh.num_rows
        state.number += 1
        return int(fresh.num_rows)

    def publish(self) -> None:
        tables = {name: vars(table) for name, table in self.pulled.tables.items()}
        content = {**vars(self.pulled), "tables": tables}
        publish.write_manifest(self.folder / "manifest.json", content)

    def forget_landed(self, landed: dict[str, TableState]) -> None:
        """Remove the drops that the landing holds now."""
        for name, state in self.pulled.tables.items():
            known = landed.get(name, TableState()).files
            state.drops = {f: n for f, n in state.drops.items() if f"{name}/{f}" not in known}
        self.publish()
        self._remove_leftovers()

    # --- what is known already --------------------------------------------------------------

    def marked(self, table: RawTable, marks: Sequence[Mark], as_of: str) -> list[Row]:
        """The last known rows of these records with their marks, where they have none yet."""
        if not marks or not (known := self._known(table, table.all_columns)):
            return []
        asked = [
            {"key_": m.key, "at_": m.at or as_of, "into_": m.merged_into or None} for m in marks
        ]
        self._connection.register("asked", pa.Table.from_pylist(asked, schema=ASKED))
        key = identifier(table.key)
        kept = ", ".join(identifier(c) for c in table.columns)
        packed = ", ".join(f"{identifier(c)} := {identifier(c)}" for c in table.all_columns)
        query = (
            f"SELECT {kept}, CASE WHEN into_ IS NULL THEN at_ ELSE deleted_at END AS deleted_at, "
            "into_ AS merged_into, CASE WHEN into_ IS NOT NULL THEN at_ END AS merged_at "
            "FROM (SELECT unnest(last), asked.* FROM "
            f"(SELECT {key} AS key_, arg_max(struct_pack({packed}), arrived_) AS last "
            f"FROM ({known}) "
            f"SEMI JOIN (SELECT key_ AS {key} FROM asked) USING ({key}) GROUP BY {key}) "
            "JOIN (SELECT key_, any_value(at_ ORDER BY at_) AS at_, any_value(into_ ORDER BY at_) "
            "AS into_ FROM asked GROUP BY key_) AS asked USING (key_)) "
            "WHERE deleted_at IS NULL AND merged_into IS NULL ORDER BY key_"
        )
        found = self._connection.execute(query)
        names = [*table.columns, *MARKS]
        rows: list[Row] = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        self._connection.unregister("asked")
        return rows

    def count(self, table: RawTable) -> int:
        """Records that are here and there: neither deleted nor merged away."""
        present = self._present(table)
        if not present:
            return 0
        ((found,),) = self._connection.execute(f"SELECT count(*) FROM ({present})").fetchall()
        return int(found)

    def gone(self, table: RawTable, keys: Sequence[str]) -> list[str]:
        """The keys that are here and not among those that the CRM has."""
        self._connection.register("there", pa.table({"key_": pa.array(keys, pa.string())}))
        present = self._present(table) or "SELECT NULL::VARCHAR AS key_ WHERE false"
        found = self._connection.execute(
            f"SELECT key_ FROM ({present}) ANTI JOIN there USING (key_) ORDER BY key_"
        ).fetchall()
        self._connection.unregister("there")
        return [row[0] for row in found]

    def _present(self, table: RawTable) -> str:
        known = self._known(table, (table.key, *MARKS))
        if not known:
            return ""
        return (
            f"SELECT key_ FROM (SELECT {identifier(table.key)} AS key_, "
            "arg_max(coalesce(deleted_at, merged_into, ''), arrived_) AS gone "
            f"FROM ({known}) GROUP BY ALL) WHERE gone = ''"
        )

    def _known(self, table: RawTable, columns: Sequence[str], overlapping: bool = False) -> str:
        """SELECT of everything that came before: the columns, and `arrived_`, its place in time.

        overlapping   without the drops of this run but the last: what it reads anew overlaps with
                      runs before it, and with its own last page
        """
        state = self._landed.get(table.name, TableState())
        selects = []
        if paths := state.paths(self._landing / table.name, "rows"):
            there = {name.lower() for name in state.columns}
            chosen = _chosen(columns, there)
            place = f"landed_batch::BIGINT * {BATCH} + file_row_number"
            selects.append(f"SELECT {chosen}, {place} AS arrived_ FROM {scan(paths)}")
        drops = sorted(self.table(table.name).drops)
        if overlapping:
            drops = [f for f in drops if f in self._left.get(table.name, ()) or f == drops[-1]]
        for file in drops:
            path = self.folder / table.name / file
            there = {name.lower() for name in pq.read_schema(path).names}
            place = f"({PENDING} + {int(file.split('.')[0])})::BIGINT * {BATCH} + file_row_number"
            selects.append(
                f"SELECT {_chosen(columns, there)}, {place} AS arrived_ "
                f"FROM read_parquet({literal(str(path))})"
            )
        return " UNION ALL ".join(selects)

    def _fresh(self, table: RawTable, columns: list[str], incoming: pa.Table) -> pa.Table:
        """The rows whose content is not that of the version before them."""
        steady = {c: "VARCHAR" for c in columns if c not in table.volatile}
        said = row_hash(steady)
        known = self._known(table, columns, overlapping=True)
        key = identifier(table.key) if table.key else said
        places = pa.array(range(incoming.num_rows), pa.int64())
        self._connection.register("incoming", incoming.append_column("place_", places))
        before = "NULL::UUID"
        query = f"SELECT *, {key} AS key_, {said} AS said_ FROM incoming"
        if known:
            if table.key:  # only what came again is read as a whole
                known = f"SELECT * FROM ({known}) SEMI JOIN incoming USING ({key})"
            query = (
                f"SELECT batch.*, latest.said_ AS latest_ FROM ({query}) AS batch LEFT JOIN "
                f"(SELECT key_, arg_max(said_, arrived_) AS said_ FROM "
                f"(SELECT {key} AS key_, {said} AS said_, arrived_ FROM ({known})) "
                "GROUP BY key_) AS latest USING (key_)"
            )
            before = "latest_"
        kept = ", ".join(identifier(c) for c in columns)
        previous = f"coalesce(lag(said_) OVER (PARTITION BY key_ ORDER BY place_), {before})"
        query = (
            f"SELECT {kept} FROM (SELECT *, {previous} AS before_ FROM ({query})) "
            "WHERE before_ IS DISTINCT FROM said_ ORDER BY place_"
        )
        fresh = self._connection.sql(query).to_arrow_table()
        self._connection.unregister("incoming")
        return fresh.cast(incoming.schema)

    def _remove_leftovers(self) -> None:
        """Files that no manifest names: a read was killed between a drop and its publication."""
        publish.remove_except(self.folder, set(self.pulled.tables))
        for name, state in self.pulled.tables.items():
            for path in (self.folder / name).glob("*"):
                if path.name not in state.drops:
                    path.unlink()


ASKED = pa.schema([("key_", pa.string()), ("at_", pa.string()), ("into_", pa.string())])


def _read(path: Path) -> Pulled:
    content: dict[str, Any] = publish.read_manifest(path) or {}
    content.pop("format_version", None)
    tables = {name: PulledTable(**table) for name, table in content.pop("tables", {}).items()}
    return Pulled(**content, tables=tables)


def _chosen(columns: Sequence[str], there: set[str]) -> str:
    return ", ".join(
        identifier(c) if c.lower() in there else f"NULL::VARCHAR AS {identifier(c)}"
        for c in columns
    )


def _arrow(columns: Sequence[str], rows: Sequence[Row]) -> pa.Table:
    return pa.table({name: _texts([row.get(name) for row in rows]) for name in columns})


def _texts(values: list[str | None]) -> pa.Array:
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        # Half of a surrogate pair is no text in any encoding; JSON lets it through.
        told = [None if v is None else v.encode("utf-8", "replace").decode() for v in values]
        return pa.array(told, pa.string())
