"""The canonical tables on disk: partitions of leads, written sorted, found through the manifest.

    .scoring/tables/manifest.json
    .scoring/tables/<version>/<table>/part-NNN.parquet

A lead's partition is a hash of its ID modulo their number; `lead_key` counts the leads in the order
(partition, lead_id), so a partition holds one range of keys. `participants` belongs to no lead and
is one file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scoring.engine.connection import Connection, copy_to_parquet, literal, parquet
from scoring.errors import ConfigError
from scoring.project import Project
from scoring.store import publish

ROWS_PER_PARTITION = 2_000_000
UNPARTITIONED = ("participants",)


@dataclass(frozen=True)
class Tables:
    """The published tables of a project, for reading."""

    folder: Path
    manifest: dict[str, Any]

    @classmethod
    def open(cls, project: Project) -> "Tables":
        """Raises ConfigError where nothing has been published yet."""
        manifest = publish.read_manifest(project.tables / "manifest.json")
        if manifest is None:
            raise ConfigError(
                "There are no tables yet.", "Run `scoring ingest` and `scoring check`."
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
        """All files of a table, or that of one partition of leads."""
        files = [self.folder / path for path in self.manifest["tables"][name]["files"]]
        if partition is None or name in UNPARTITIONED:
            return files
        return [files[partition]]

    def scan(self, name: str, partition: int | None = None) -> str:
        """What to read FROM, in SQL."""
        return parquet(self.files(name, partition))


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
    folder = draft / table
    folder.mkdir()
    files, rows = [], 0
    for number, query in enumerate(queries):
        name = f"part-{number:03d}.parquet"
        rows += copy_to_parquet(connection, query, folder / name)
        files.append(f"{version}/{table}/{name}")
    described = connection.execute(
        f"DESCRIBE SELECT * FROM {parquet([folder / 'part-000.parquet'])}"
    ).fetchall()
    return {"files": files, "rows": rows, "columns": {row[0]: row[1] for row in described}}


def iso(moment: datetime) -> str:
    """A moment for the manifest; naive ones mean UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat()
