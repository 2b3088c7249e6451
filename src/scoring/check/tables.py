"""The canonical tables on disk: partitions of leads, written sorted, found through the manifest.

    .scoring/tables/manifest.json
    .scoring/tables/<version>/<table>/part-NNN.parquet      a partition, sorted
                                      added-NNN.parquet     what came since, sorted
                                      hidden-NNN.parquet    leads whose rows in the first are void

A lead's partition is a hash of its ID modulo their number. Its `lead_key` is the partition's first
key plus its ordinal among the partition's leads by (when it landed first, lead_id): keys stay when
leads come, and a partition holds one range of them. `participants` belongs to no lead and is one
partition.

A version names files of earlier ones where nothing has changed since. Rows of a lead are in order
of `seq` within each table; the rows of a file are in order of (lead_key, seq).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from scoring.engine.connection import Connection, copy_to_parquet, literal, parquet
from scoring.errors import ConfigError
from scoring.project import Project
from scoring.store import publish

ROWS_PER_PARTITION = 2_000_000
UNPARTITIONED = ("participants",)
LAYOUT = 2
MOST_LISTED = 5_000


@dataclass(frozen=True)
class Tables:
    """The published tables of a project, for reading.

    draft   where the manifest's own version lies as long as it is being made
    """

    folder: Path
    manifest: dict[str, Any]
    draft: Path | None = None

    @classmethod
    def open(cls, project: Project) -> "Tables":
        """Raises ConfigError where nothing has been published yet."""
        manifest = publish.read_manifest(project.tables / "manifest.json")
        if manifest is None:
            raise ConfigError(
                "There are no tables yet.", "Run `scoring ingest` and `scoring check`."
            )
        if manifest.get("layout") != LAYOUT:
            raise ConfigError(
                "The tables were written by another version of the program.",
                "Run `scoring check`: it makes them again from what has landed.",
            )
        return cls(project.tables, manifest)

    @property
    def version(self) -> str:
        return str(self.manifest["version"])

    @property
    def partitions(self) -> int:
        return int(self.manifest["partitions"])

    @property
    def data_end(self) -> datetime:
        """The moment up to which the history is complete; aware, UTC."""
        return datetime.fromisoformat(self.manifest["data_end"])

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """First and last lead_key of each partition; last < first where it is empty."""
        return [(first, last) for first, last in self.manifest["ranges"]]

    def columns(self, name: str) -> dict[str, str]:
        """Column → engine type."""
        return dict(self.manifest["tables"][name]["columns"])

    def files(self, name: str, partition: int | None = None) -> list[Path]:
        """All files of a table, or those of one partition of leads. `scan` knows which of their
        rows stand."""
        return self._of(name, partition, "files") + self._of(name, partition, "added")

    def scan(self, name: str, partition: int | None = None) -> str:
        """What to read FROM, in SQL."""
        hidden = self._of(name, partition, "hidden")
        if not hidden:
            return parquet(self.files(name, partition))
        return (
            f"(SELECT stood.* FROM {parquet(self._of(name, partition, 'files'))} AS stood "
            f"ANTI JOIN {parquet(hidden)} AS hidden ON hidden.lead_key = stood.lead_key "
            f"UNION ALL BY NAME SELECT * FROM {parquet(self._of(name, partition, 'added'))})"
        )

    def scan_leads(self, connection: Connection, name: str, keys: str) -> str:
        """What to read FROM for the leads of a relation with `lead_key`.

        A short list is spelled out: the engine then passes over what does not hold them.
        """
        query = f"SELECT DISTINCT lead_key FROM {keys} WHERE lead_key IS NOT NULL"
        found = connection.execute(f"{query} ORDER BY 1 LIMIT {MOST_LISTED + 1}").fetchall()
        listed = ", ".join(str(key) for (key,) in found) or "NULL"
        if len(found) > MOST_LISTED:
            listed = query
        return f"(SELECT * FROM {self.scan(name)} WHERE lead_key IN ({listed}))"

    def newest(self, name: str, columns: Sequence[str]) -> list[datetime]:
        """The newest times of columns over all rows ever written (naive, UTC), where there are any.

        Read from the files' statistics: rows that do not stand any more have newer versions of
        themselves with the same times.
        """
        wanted, found = set(columns), []
        for file in self.files(name):
            metadata = pq.read_metadata(file)
            for group in range(metadata.num_row_groups):
                for place in range(metadata.num_columns):
                    chunk = metadata.row_group(group).column(place)
                    if chunk.path_in_schema in wanted and chunk.statistics:
                        found.append(chunk.statistics.max)
        return [moment for moment in found if moment is not None]

    def path(self, named: str) -> Path:
        """A file that the manifest names."""
        version, _, rest = named.partition("/")
        if self.draft and version == self.version:
            return self.draft / rest
        return self.folder / named

    def _of(self, name: str, partition: int | None, what: str) -> list[Path]:
        entry = self.manifest["tables"][name]
        if partition is None or name in UNPARTITIONED:
            return [self.path(named) for named in entry[what] if named]
        named = entry[what][partition]
        return [self.path(named)] if named else []


def versions_named(manifest: dict[str, Any] | None) -> set[str]:
    """The folders that a manifest's files lie in."""
    if manifest is None:
        return set()
    named = {manifest["version"], *(f.split("/")[0] for f in manifest.get("besides", {}).values())}
    for entry in manifest["tables"].values():
        for what in ("files", "added", "hidden"):
            named |= {f.split("/")[0] for f in entry.get(what, []) if f}
    return named


def partitions_for(events: int, before: int | None) -> int:
    """How many partitions `events` rows need; the number of before, while it fits."""
    if before:
        each = events / before
        if each <= 1.5 * ROWS_PER_PARTITION and (before == 1 or each >= ROWS_PER_PARTITION / 4):
            return before
    return max(1, -(-events // ROWS_PER_PARTITION))


def partition_of(lead_id: str, partitions: int) -> str:
    """SQL of the partition that a lead belongs to."""
    return f"CAST(md5_number_upper({lead_id}) % {partitions} AS INTEGER)"


def first_key(part: int, partitions: int) -> int:
    """The lead_key that a partition's first lead has."""
    return part * ((2**31 - 1) // partitions)


def split(connection: Connection, query: str, folder: Path) -> int:
    """Write rows below `folder` by their column `part`, unsorted; return how many."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Order comes with the sort of each partition; without it the engine writes as it reads.
    connection.execute("SET preserve_insertion_order = false")
    try:
        result = connection.execute(
            f"COPY ({query}) TO {literal(str(folder))} "
            "(FORMAT parquet, COMPRESSION lz4_raw, PARTITION_BY (part))"
        ).fetchone()
    finally:
        connection.execute("SET preserve_insertion_order = true")
    return int(result[0]) if result else 0


def pieces(folders: list[Path], part: int | None = None) -> list[Path]:
    """The files that `split` wrote for one part, or for all that belong to leads (0 and up)."""
    found: list[Path] = []
    for folder in folders:
        for piece in sorted(folder.glob("part=*")):
            number = int(piece.name.removeprefix("part="))
            if number == part or (part is None and number >= 0):
                found += sorted(piece.glob("*.parquet"))
    return found


def united(files: list[Path], empty: str) -> str:
    """What to read FROM for interim files; `empty` is a SELECT with their columns and no rows."""
    if not files:
        return f"({empty})"
    listed = ", ".join(literal(str(f)) for f in files)
    return f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"


def write_parts(
    connection: Connection, queries: Iterator[str], draft: Path, version: str, table: str
) -> dict[str, Any]:
    """Write one file per query, in its order; return the table's entry in the manifest."""
    (draft / table).mkdir()
    rows = [
        copy_to_parquet(connection, query, draft / part_file(table, number))
        for number, query in enumerate(queries)
    ]
    return written(connection, draft, version, table, rows)


def part_file(table: str, number: int) -> str:
    """A partition's file, below the version's folder."""
    return f"{table}/part-{number:03d}.parquet"


def written(
    connection: Connection, draft: Path, version: str, table: str, rows: list[int]
) -> dict[str, Any]:
    """The manifest's entry of a table whose parts lie in the draft; `rows` of each."""
    described = connection.execute(
        f"DESCRIBE SELECT * FROM {parquet([draft / part_file(table, 0)])}"
    ).fetchall()
    files = [f"{version}/{part_file(table, number)}" for number in range(len(rows))]
    return {
        "files": files,
        "added": [None] * len(files),
        "hidden": [None] * len(files),
        "rows": sum(rows),
        "sizes": [[n, n] for n in rows],
        "columns": {row[0]: row[1] for row in described},
    }


def iso(moment: datetime) -> str:
    """A moment for the manifest; naive ones mean UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat()
