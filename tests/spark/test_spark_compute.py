"""Pieces of work on Spark: the promises of `engine/compute.py`, kept as on one machine."""

import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from spark_kit import use_spark

from scoring.engine.compute import Compute, LocalCompute, compute_of
from scoring.engine.connection import EngineError, connect
from scoring.errors import Held, TryLater
from scoring.project import Project

pytestmark = pytest.mark.slow

DTYPES = {
    "lead_id": "str",
    "as_of": "datetime64[us, UTC]",
    "day": "datetime64[us]",
    "score": "Int64",
    "probability": "float64",
    "low": "Float64",
    "flag": "bool",
    "why": "str",
}


@pytest.fixture(scope="module", autouse=True)
def functions_travel_whole() -> Iterator[None]:
    """The workers do not know this file: its functions are sent by value."""
    from pyspark import cloudpickle

    module = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(module)
    yield
    cloudpickle.unregister_pickle_by_value(module)


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Compute:
    root = tmp_path_factory.mktemp("project")
    (root / "scoring.toml").write_text('[project]\nname = "test"\n')
    return compute_of(use_spark(root))


def test_the_file_chooses(tmp_path: Path) -> None:
    (tmp_path / "scoring.toml").write_text('[project]\nname = "test"\n')
    assert isinstance(compute_of(Project(tmp_path)), LocalCompute)


@pytest.mark.parametrize("pieces", [0, 1, 7])
def test_results_come_in_the_order_of_the_pieces(spark: Compute, pieces: int) -> None:
    work = lambda piece, workers: {"piece": piece, "workers": workers}  # noqa: E731 - sent as it is
    made = list(spark.each(work, pieces))
    assert [row["piece"] for row in made] == list(range(pieces))
    assert all(row["workers"] >= 1 for row in made)


def test_an_error_of_ours_arrives_as_it_is(spark: Compute) -> None:
    def work(piece: int, workers: int) -> int:  # noqa: ARG001
        raise Held(f"piece {piece} has no rows.", "Look at it.")

    with pytest.raises(Held, match="piece 0 has no rows") as caught:
        list(spark.each(work, 2))
    assert caught.value.hint == "Look at it."


def test_a_fault_of_a_value_keeps_its_kind(spark: Compute, tmp_path: Path) -> None:
    def work(folder: Path, piece: int, workers: int) -> None:
        with connect(folder, workers=workers) as connection:
            connection.execute(f"SELECT CAST('none{piece}' AS INTEGER)").fetchall()

    with pytest.raises(EngineError, match="Conversion Error"):
        list(spark.each(partial(work, tmp_path), 1))


def test_a_lost_worker_is_a_matter_of_trying_later(spark: Compute) -> None:
    with pytest.raises(TryLater, match="gave the work up") as caught:
        list(spark.each(lambda _piece, _workers: os._exit(1), 1))
    assert ".scoring/spark.log" in str(caught.value)
    assert list(spark.each(lambda piece, _workers: piece, 2)) == [0, 1]


def rows(n: int) -> pd.DataFrame:
    at = pd.date_range("2026-01-01", periods=n, freq="h").as_unit("us")
    return pd.DataFrame(
        {
            "lead_id": pd.Series([f"00{i}" if i % 3 else "NA" for i in range(n)], dtype="str"),
            "as_of": at,
            "amount": np.where(np.arange(n) % 4 == 0, np.nan, np.arange(n) / 7),
            "industry": pd.Series([None if i % 5 == 0 else f"Ä{i}" for i in range(n)], dtype="str"),
            "key": np.arange(n, dtype="int32"),
        }
    )


def scored(frame: pd.DataFrame) -> pd.DataFrame:
    missing = frame["amount"].isna()
    return pd.DataFrame(
        {
            "lead_id": frame["lead_id"],
            "as_of": frame["as_of"].dt.tz_localize("UTC"),
            "day": frame["as_of"].where(~missing),
            "score": frame["key"].astype("Int64").mask(missing),
            "probability": frame["amount"],
            "low": frame["amount"].astype("Float64"),
            "flag": missing,
            "why": frame["industry"],
        }
    ).astype(DTYPES)


@pytest.mark.parametrize("sizes", [(30, 0, 12), (0, 0)], ids=["some", "none at all"])
def test_frames_are_the_same_with_every_type(
    spark: Compute, tmp_path: Path, sizes: tuple[int, ...]
) -> None:
    files = []
    for number, size in enumerate(sizes):
        files.append(tmp_path / f"part-{number:03d}.parquet")
        rows(size).to_parquet(files[-1], index=False)
    ours = spark.over_parquet(files, scored, DTYPES)
    theirs = LocalCompute().over_parquet(files, scored, DTYPES)
    assert {name: str(kind) for name, kind in ours.dtypes.items()} == DTYPES
    order = ["as_of", "lead_id"]
    pd.testing.assert_frame_equal(
        ours.sort_values(order, ignore_index=True), theirs.sort_values(order, ignore_index=True)
    )
