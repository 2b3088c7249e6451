"""Building features against one scan of the same columns, and against other tools.

    .venv/bin/python benchmarks/features.py                          20 million events
    .venv/bin/python benchmarks/features.py --events 5e6 20e6 80e6   growth
    .venv/bin/python benchmarks/features.py --events 200e6 --only scoring --repeats 1
    .venv/bin/python benchmarks/features.py --peers benchmarks/.venv/bin/python
                                      Polars, pandas and featuretools, too, in an environment with
                                      requirements-peers.txt

Of each size a history is simulated (`histories.py`; a hundred events a lead, nearly all leads open)
and, a process each, one after the other and all of them `--repeats` times:

    floor      a scan of the columns that the features read, and a count per lead
    scoring    a snapshot of each open lead with the features of `measured_features.py`, as Parquet
    training   five labelled snapshots a lead with the same features

Ratios of the same run are the figures; seconds depend on the machine. The fastest run counts. CPU
is user and system time of all threads: where other work shares the cores, its ratio says more than
that of the seconds. Memory is the largest resident set of the process and its children.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feature_peers import PEERS
from histories import END, prepare
from peer_agreement import compare, export

if TYPE_CHECKING:
    from scoring.build.featureset import FeatureSet

QUESTION = "conversion"
DECLARED = "declared.json"
BUILDS = ("scoring", "training")


def declared(folder: Path) -> dict[str, Any]:
    """What the project's files declare, unfolded once for all runs, as a champion keeps it."""
    from scoring.build.featureset import project_features
    from scoring.project import Project

    project = Project(folder)
    with Clock() as clock:
        features = project_features(project, project.model(QUESTION))
    (folder / DECLARED).write_text(json.dumps(features.to_json()))
    return clock.told()


def floor(folder: Path) -> dict[str, Any]:
    """Read what features read, and count per lead."""
    from scoring.check.tables import Tables
    from scoring.engine.connection import identifier
    from scoring.project import Project

    project = Project(folder)
    tables = Tables.open(project)
    chosen = _features(folder).columns
    read = {p for c in chosen if c.stream == "interactions" for p in c.properties}
    names = ["kind_id", "occurred_at", "known_at", "gone_landed", *sorted(read)]
    # The outer query uses every column: the engine would not read one that nobody asks for.
    inner = ", ".join(f"max({identifier(c)}) AS {identifier(c)}" for c in names)
    outer = ", ".join(f"max({identifier(c)})" for c in names)
    with project.connect() as connection, Clock() as clock:
        connection.execute(
            f"SELECT count(*), sum(n), {outer} FROM (SELECT lead_key, count(*) AS n, {inner}"
            f" FROM {tables.scan('interactions')} GROUP BY lead_key)"
        ).fetchall()
    return {**clock.told(), "rows": tables.manifest["tables"]["interactions"]["rows"]}


def scoring(folder: Path) -> dict[str, Any]:
    """Snapshots of the open leads and their features."""
    from scoring.build.run import build_scoring
    from scoring.project import Project

    project = Project(folder)
    model = project.model(QUESTION)
    features = _features(folder)
    with Clock() as clock:
        built = build_scoring(project, QUESTION, model, features, END)
    return {**clock.told(), "rows": built.rows, "columns": len(features.columns)}


def training(folder: Path) -> dict[str, Any]:
    """Labelled snapshots of all leads and their features."""
    from scoring.build.run import build_training
    from scoring.project import Project

    project = Project(folder)
    features = _features(folder)
    with Clock() as clock:
        built = build_training(project, QUESTION, END, features=features)
    return {**clock.told(), "rows": built.rows, "columns": len(features.columns)}


def _features(folder: Path) -> "FeatureSet":
    from scoring.build.featureset import FeatureSet

    return FeatureSet.from_json(json.loads((folder / DECLARED).read_text()))


MEASURED: dict[str, Callable[[Path], dict[str, Any]]] = {
    "declared": declared,
    "floor": floor,
    "scoring": scoring,
    "training": training,
}


class Clock:
    """Seconds, and seconds of CPU, of what is done within it."""

    def __enter__(self) -> "Clock":
        self.began, self.cpu = time.perf_counter(), _cpu()
        return self

    def __exit__(self, *_: object) -> None:
        self.began, self.cpu = time.perf_counter() - self.began, _cpu() - self.cpu

    def told(self) -> dict[str, float]:
        return {"seconds": self.began, "cpu": self.cpu}


def _cpu() -> float:
    used = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def once(what: str, project: Path) -> dict[str, Any]:
    """One run in a process of its own, with nothing built before."""
    for built in (project / ".scoring" / "features").glob("*/*/*/manifest.json"):
        built.unlink()
    command = [sys.executable, __file__, "--measure", what, "--project", str(project)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return dict(json.loads(done.stdout))


def fastest(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Each figure from the run in which it was lowest; memory from the one where it was highest."""
    return {
        **runs[0],
        **{figure: min(run[figure] for run in runs) for figure in ("seconds", "cpu")},
        "peak_mb": max(run["peak_mb"] for run in runs),
    }


def line(name: str, run: dict[str, Any], low: dict[str, Any]) -> str:
    return (
        f"| {name} | {run['rows']:,} | {run['seconds']:.2f} | {run['cpu']:.2f} "
        f"| {run['seconds'] / low['seconds']:.1f} | {run['cpu'] / low['cpu']:.1f} "
        f"| {run['peak_mb']:,} |"
    )


def measure(project: Path, wanted: list[str], repeats: int, peers: Path | None) -> None:
    """Print the figures of one history."""
    once("declared", project)
    runs: dict[str, list[dict[str, Any]]] = {}
    for _ in range(repeats):
        for what in wanted:
            runs.setdefault(what, []).append(once(what, project))
    best = {what: fastest(found) for what, found in runs.items()}
    low = best["floor"]
    columns = max(run.get("columns", 0) for run in best.values())
    print(f"\n{low['rows']:,} events, {columns} columns, best of {repeats}\n")
    print("| | rows | s | CPU s | ÷ floor | CPU ÷ floor | peak MB |\n|---|--:|--:|--:|--:|--:|--:|")
    for what, run in best.items():
        print(line(what, run, low), flush=True)
    if peers is None:
        return
    once("scoring", project)
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        export(project, QUESTION, Path(folder))
        for peer in PEERS:
            command = [str(peers), str(Path(__file__).with_name("feature_peers.py")), peer, folder]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
            run = json.loads(done.stdout)
            run["rows"], note = compare(project, QUESTION, Path(folder), peer)
            print(line(f"{peer} ({note})", run, low), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=float, nargs="*", default=[20e6])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=BUILDS, default=list(BUILDS))
    parser.add_argument("--peers", type=Path, help="the Python of the peers' environment")
    parser.add_argument("--folder", type=Path, help="keep the histories here, and use them again")
    parser.add_argument("--measure", choices=MEASURED, help=argparse.SUPPRESS)
    parser.add_argument("--project", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        result = MEASURED[arguments.measure](arguments.project)
        used = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        print(json.dumps({**result, "peak_mb": round(sum(u.ru_maxrss for u in used) / 1024)}))
        return
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}")
    wanted = ["floor", *arguments.only]
    with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
        for events in arguments.events:
            folder = (arguments.folder or Path(scratch)) / f"{events:.0f}"
            if not (folder / "ready").exists():
                folder.mkdir(parents=True)
                print(f"prepared: {json.dumps(prepare(folder, events))}", file=sys.stderr)
                (folder / "ready").touch()
            measure(folder / "project", wanted, arguments.repeats, arguments.peers)


if __name__ == "__main__":
    main()
