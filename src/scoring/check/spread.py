"""The long tables of a full check on many machines: by the same SQL, a slice of rows at a time.

Three things of `events` pass over every row: finding keys that stand in several rows, judging rows
and splitting them by partition, and sorting each partition. With `engine = "spark"` they are pieces
of work on the cluster; everything else looks at leads, or at few rows, and stays where it is.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from scoring.check import tables
from scoring.check.rows import Rows
from scoring.engine.catalog import Catalog, Slice, catalog
from scoring.engine.connection import (
    Connection,
    connect,
    copy_to_parquet,
    parquet,
)
from scoring.project import Project
from scoring.store.publish import written_aside

if TYPE_CHECKING:
    from scoring.engine.spark.compute import SparkCompute

# Rows of the landing that are one piece of work; a table with fewer stays on the driver.
ROWS_PER_SLICE = 10_000_000


@dataclass(frozen=True)
class Spread:
    """The cluster's part in a check; `work` is a folder of the draft, seen by every machine."""

    compute: "SparkCompute"
    connection: Connection
    tmp: Path
    work: Path

    @classmethod
    def of(cls, project: Project, connection: Connection, work: Path) -> "Spread | None":
        """None where one machine does it all. Raises ConfigError where Spark does not start."""
        if project.settings.project.engine != "spark":
            return None
        from scoring.engine.spark.compute import SparkCompute

        return cls(SparkCompute.of(project), connection, project.tmp, work)

    def repeated(self, rows: Rows, keys: str) -> str:
        """SELECT of the values (UBIGINT) that the query `keys` gives more than once, as `key_hash`;
        empty where the cluster is not asked."""
        cut = self._cut(rows, keys)
        if cut is None:
            return ""
        folder = self._folder()
        work = partial(_write_keys, *cut, keys, self.tmp, folder)
        files = list(self.compute.each(work, len(cut[1])))
        found = folder / "repeated.parquet"
        self.compute.write_repeated(files, "key_hash", found)
        return f"SELECT CAST(CAST(key_hash AS BIT) AS UBIGINT) AS key_hash FROM {parquet([found])}"

    def split(self, rows: Rows, query: str) -> tuple[int, list[Path]] | None:
        """What `tables.split` does: rows written, and the folders that hold them together."""
        cut = self._cut(rows, query)
        if cut is None:
            return None
        folder = self._folder()
        work = partial(_split_slice, *cut, query, self.tmp, folder)
        made = list(self.compute.each(work, len(cut[1])))
        return sum(n for n, _ in made), [folder / name for _, name in made]

    def sorted_parts(
        self, rows: Rows, folders: Sequence[Path], empty: str, zone: str, files: Sequence[Path]
    ) -> list[int]:
        """Sort every partition into its file, as `events.in_order` says; rows of each."""
        needs = f"({empty}) AS a"
        if rows.name == "interactions":
            needs += ", kind_index AS b"
        made = catalog(self.connection, f"SELECT * FROM {needs}", self._folder())
        slim = replace(rows, query="", sources=())
        work = partial(_sort_part, made, slim, tuple(folders), empty, zone, tuple(files), self.tmp)
        return list(self.compute.each(work, len(files)))

    def _cut(self, rows: Rows, query: str) -> tuple[Catalog, list[Slice]] | None:
        """What the query reads, and its slices. None where the rows are few, or where staging reads
        several rows for one (a join): a slice would not see them."""
        if not rows.sources or not all(part.row_wise for part in rows.sources):
            return None
        made = catalog(self.connection, query, self._folder())
        slices = made.slices(ROWS_PER_SLICE)
        return (made, slices) if len(slices) > 1 else None

    def _folder(self) -> Path:
        folder = self.work / uuid.uuid4().hex
        folder.mkdir(parents=True)
        return folder


# --- on a worker ----------------------------------------------------------------------------------


def _write_keys(
    made: Catalog,
    slices: Sequence[Slice],
    keys: str,
    tmp: Path,
    folder: Path,
    piece: int,
    workers: int,
) -> Path:
    file = folder / f"keys-{uuid.uuid4().hex}.parquet"
    with connect(tmp, workers=workers) as connection:
        made.make(connection, slices[piece])
        bits = "CAST(CAST(key_hash AS BIT) AS BIGINT) AS key_hash"
        copy_to_parquet(connection, f"SELECT {bits} FROM ({keys})", file)
    return file


def _split_slice(
    made: Catalog,
    slices: Sequence[Slice],
    query: str,
    tmp: Path,
    folder: Path,
    piece: int,
    workers: int,
) -> tuple[int, str]:
    # A folder for each attempt: the driver reads those that it was told of.
    name = uuid.uuid4().hex
    with connect(tmp, workers=workers) as connection:
        made.make(connection, slices[piece])
        return tables.split(connection, query, folder / name), name


def _sort_part(
    made: Catalog,
    rows: Rows,
    folders: Sequence[Path],
    empty: str,
    zone: str,
    files: Sequence[Path],
    tmp: Path,
    piece: int,
    workers: int,
) -> int:
    from scoring.check.events import in_order

    source = tables.united(tables.pieces(list(folders), piece), empty)
    with connect(tmp, workers=workers) as connection, written_aside(files[piece], tmp) as aside:
        made.make(connection)
        return copy_to_parquet(connection, in_order(connection, rows, source, zone), aside)
