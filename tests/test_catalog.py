"""A query taken to another database, whole or a slice of the landing at a time; without Spark."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scoring.engine.catalog import Slice, catalog
from scoring.engine.connection import Connection, connect, literal


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    """A landing of 10 + 7 rows, some of them gone, under views like those of `check`."""
    with connect(tmp_path / "here") as made:
        for name, rows, first in (("a", 10, 0), ("b", 7, 100)):
            made.execute(
                f"COPY (SELECT range + {first} AS v, {first} AS batch FROM range({rows})) "
                f"TO {literal(str(tmp_path / name))} (FORMAT parquet, ROW_GROUP_SIZE 2)"
            )
        made.execute(
            f"COPY (SELECT 0 AS batch, 3 AS row) TO {literal(str(tmp_path / 'gone'))} "
            "(FORMAT parquet)"
        )
        files = ", ".join(literal(str(tmp_path / name)) for name in "ab")
        gone = literal(str(tmp_path / "gone"))
        made.execute('CREATE SCHEMA "source crm"')
        made.execute(
            'CREATE VIEW "source crm"."raw events" AS SELECT landed.v, gone.row IS NOT NULL AS '
            f"is_gone FROM read_parquet([{files}], union_by_name = true) AS landed LEFT JOIN "
            f"read_parquet([{gone}]) AS gone ON gone.batch = landed.batch "
            "AND gone.row = landed.file_row_number"
        )
        made.execute('CREATE VIEW staged AS SELECT v, is_gone FROM "source crm"."raw events"')
        made.execute("CREATE TEMP TABLE known AS SELECT 100 AS v UNION ALL SELECT 3")
        made.execute("CREATE TABLE untouched AS SELECT 1 AS v")
        yield made


QUERY = "SELECT s.v, s.is_gone, k.v IS NOT NULL AS known FROM staged s LEFT JOIN known k USING (v)"


def test_the_whole_query_gives_the_same_elsewhere(connection: Connection, tmp_path: Path) -> None:
    made = catalog(connection, QUERY, tmp_path / "taken")
    expected = connection.execute(f"{QUERY} ORDER BY v").fetchall()
    with connect(tmp_path / "there") as other:
        made.make(other)
        assert other.execute(f"{QUERY} ORDER BY v").fetchall() == expected
    assert len(expected) == 17
    assert sum(row[1] for row in expected) == 1
    assert [path.stem for path in (tmp_path / "taken").iterdir()] == ["known"]


@pytest.mark.parametrize("size", [1, 3, 10, 100])
def test_slices_are_the_whole(connection: Connection, tmp_path: Path, size: int) -> None:
    made = catalog(connection, QUERY, tmp_path / "taken")
    slices = made.slices(size)
    assert len(slices) == -(-10 // size) + -(-7 // size)
    found = []
    for piece in slices:
        with connect(tmp_path / "there") as other:
            made.make(other, piece)
            rows = other.execute(QUERY).fetchall()
            assert len(rows) <= size
            found += rows
    assert sorted(found) == connection.execute(f"{QUERY} ORDER BY v").fetchall()


def test_a_slice_beyond_the_file_is_empty(connection: Connection, tmp_path: Path) -> None:
    made = catalog(connection, QUERY, tmp_path / "taken")
    with connect(tmp_path / "there") as other:
        made.make(other, Slice(made.landed[0], 50, 60))
        assert other.execute(QUERY).fetchall() == []
