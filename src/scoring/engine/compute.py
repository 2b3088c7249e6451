"""Where work that is cut into pieces runs: on this machine, or on a cluster.

Partitions of leads share nothing, so each one is a piece of work of its own: it reads its Parquet
files, and writes its own part of a draft that one process publishes. `engine = "spark"` in
scoring.toml hands the same pieces to Apache Spark (`engine/spark/`); this is the one place that
chooses.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    import pandas as pd

    from scoring.project import Project

Result = TypeVar("Result")


class Compute(Protocol):
    """Runs functions of this package on pieces that share nothing.

    What is sent to another process must be pickled: functions of modules, and their arguments.
    """

    def each(self, work: Callable[[int, int], Result], pieces: int) -> Iterator[Result]:
        """`work(piece, workers)` for the pieces 0, 1, …, in their order.

        workers   how many of them run on one machine at the same time

        A piece may be run again, or twice at once, where a machine is lost: it writes under a name
        of its own and moves the file to its place. Errors of the package arrive as they are.
        """
        ...

    def over_parquet(
        self,
        files: Sequence[Path],
        work: "Callable[[pd.DataFrame], pd.DataFrame]",
        dtypes: Mapping[str, str],
    ) -> "pd.DataFrame":
        """`work` over the rows of the files, a batch at a time, united; columns and types as
        `dtypes` says. The files hold at least the columns of the first one; batches and their
        order are the engine's affair, so `work` looks at each row for itself."""
        ...


def compute_of(project: "Project") -> Compute:
    """The engine that scoring.toml names. Raises ConfigError where it cannot be started."""
    if project.settings.project.engine == "spark":
        from scoring.engine.spark.compute import SparkCompute

        return SparkCompute.of(project)
    return LocalCompute()


class LocalCompute:
    """One piece after the other, or, where there are many, a thread a core.

    Threads start at once, where a process would first import the package and all that it needs;
    the engine and NumPy work on arrays without holding Python's lock.
    """

    def each(self, work: Callable[[int, int], Result], pieces: int) -> Iterator[Result]:
        workers = min(os.cpu_count() or 1, pieces)
        if workers < 2:
            for piece in range(pieces):
                yield work(piece, 1)
            return
        with ThreadPoolExecutor(workers) as pool:
            waiting = [pool.submit(work, piece, workers) for piece in range(pieces)]
            try:
                for future in waiting:
                    yield future.result()
            finally:
                for future in waiting:
                    future.cancel()

    def over_parquet(
        self,
        files: Sequence[Path],
        work: "Callable[[pd.DataFrame], pd.DataFrame]",
        dtypes: Mapping[str, Any],
    ) -> "pd.DataFrame":
        import pandas as pd
        import pyarrow.parquet as pq

        made = [work(pq.read_table(file).to_pandas()) for file in files]
        return pd.concat(made, ignore_index=True).astype(dict(dtypes))
