"""Pieces of work and Parquet files on a Spark cluster, by the same functions as on one machine.

The workers need this package, installed as on the driver, and the project's folder under the same
path: the store is a shared file system. What is sent to them is a function of this package by its
name, and declarations and SQL as its arguments; no code of a project.
"""

import logging
import os
import pickle
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from scoring.engine.connection import EngineError
from scoring.engine.spark.session import log_file, spark_session
from scoring.errors import ScoringError, TryLater
from scoring.project import Project

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from pyspark.sql import SparkSession

log = logging.getLogger(__name__)

SECONDS_BETWEEN_NEWS = 10
SPARK_TYPES = {
    "str": "string",
    "bool": "boolean",
    "Int64": "bigint",
    "int64": "bigint",
    "float64": "double",
    "Float64": "double",
    "datetime64[us]": "timestamp_ntz",
    "datetime64[us, UTC]": "timestamp",
}

Result = TypeVar("Result")


class SparkCompute:
    """`engine/compute.py` says what `each` and `over_parquet` do."""

    def __init__(self, session: "SparkSession", log_name: str) -> None:
        self.session = session
        self.log_name = log_name

    @classmethod
    def of(cls, project: Project) -> "SparkCompute":
        """Raises ConfigError where Spark cannot be started."""
        return cls(spark_session(project), str(log_file(project).relative_to(project.root)))

    def each(self, work: Callable[[int, int], Result], pieces: int) -> Iterator[Result]:
        numbers = self.session.range(0, pieces, 1, numPartitions=max(pieces, 1))
        done = numbers.mapInArrow(partial(_pieces, work), "piece bigint, result binary")
        with self._given_up_is_later(), self._news(pieces):
            rows = done.collect()
        for row in sorted(rows, key=lambda row: row.piece):
            ended_well, result = pickle.loads(row.result)
            if not ended_well:
                raise result
            yield result

    def over_parquet(
        self,
        files: Sequence[Path],
        work: "Callable[[pd.DataFrame], pd.DataFrame]",
        dtypes: Mapping[str, Any],
    ) -> "pd.DataFrame":
        types = ", ".join(f"`{name}` {SPARK_TYPES[kind]}" for name, kind in dtypes.items())
        rows = self.session.read.parquet(*(file.as_uri() for file in files))
        with self._given_up_is_later():
            made = rows.mapInPandas(partial(_batches, work), types).toArrow()
        return made.to_pandas().astype(dict(dtypes))

    def write_repeated(self, files: Sequence[Path], column: str, target: Path) -> None:
        """Write the values of `column` that the Parquet files hold more than once."""
        import pyarrow.parquet as pq

        values = self.session.read.parquet(*(file.as_uri() for file in files))
        twice = values.groupBy(column).count().where("count > 1").select(column)
        with self._given_up_is_later():
            pq.write_table(twice.toArrow(), target)

    @contextmanager
    def _given_up_is_later(self) -> Iterator[None]:
        """What Spark gives up after its own retries: a machine or its memory, not the data."""
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException, PythonException

        try:
            yield
        except PythonException:  # a fault inside the work
            raise
        except (PySparkException, Py4JError) as error:
            raise TryLater(
                f"Spark gave the work up ({type(error).__name__}); nothing was published and the "
                "previous state stands.",
                f"What it said is in {self.log_name}. If executors were lost, give them more "
                "memory; then run the same command again.",
            ) from error

    @contextmanager
    def _news(self, pieces: int) -> Iterator[None]:
        """Say from time to time how many pieces are done."""
        tracker = self.session.sparkContext.statusTracker()
        over = threading.Event()

        def watch() -> None:
            while not over.wait(SECONDS_BETWEEN_NEWS):
                for stage in tracker.getActiveStageIds():
                    told = tracker.getStageInfo(stage)
                    if told is not None and told.numTasks == pieces:
                        log.info("%d of %d pieces done", told.numCompletedTasks, pieces)

        watching = threading.Thread(target=watch, daemon=True)
        watching.start()
        try:
            yield
        finally:
            over.set()
            watching.join()


def _pieces(
    work: Callable[[int, int], Any], batches: "Iterator[pa.RecordBatch]"
) -> "Iterator[pa.RecordBatch]":
    """On a worker: the results of the pieces whose numbers come in, pickled."""
    import pyarrow as pa

    for batch in batches:
        for piece in batch.column(0).to_pylist():
            try:
                outcome = True, work(piece, os.cpu_count() or 1)
            except (ScoringError, EngineError) as error:
                # An answer, not a fault: Spark would try the same piece again, and wrap it up.
                outcome = False, error
            yield pa.RecordBatch.from_pydict(
                {
                    "piece": pa.array([piece], pa.int64()),
                    "result": pa.array([pickle.dumps(outcome)], pa.binary()),
                }
            )


def _batches(
    work: "Callable[[pd.DataFrame], pd.DataFrame]", frames: "Iterator[pd.DataFrame]"
) -> "Iterator[pd.DataFrame]":
    """On a worker: the rows of one file after the other, a batch at a time."""
    return map(work, frames)
