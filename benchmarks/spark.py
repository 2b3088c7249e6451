"""`check`, `build` and `score` on Apache Spark, on one and two cores of this machine.

    .venv/bin/python benchmarks/spark.py                    half a million and 2 million events
    .venv/bin/python benchmarks/spark.py --events 1e5

For each size a sales organisation is simulated and ingested; then, in a process of its own for
every engine, the tables are made, the open leads are built with every feature, and a model that was
trained on a small history scores them. `start` is the session's, `first` what the first piece of
work waits for: the workers' imports; both are paid once a command. `driver` is what of `check` is
no piece of work. Beside the seconds stand, in brackets, the processor seconds of all processes:
they tell the work also where other programs use the same cores.

Tables are cut into partitions of 125,000 events and slices of 250,000 rows, so that even a small
history has pieces for all cores; the program's own numbers are 2 and 10 million.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

END = datetime(2026, 11, 1, tzinfo=UTC)
EVENTS_PER_LEAD = 40
SMALL = 60_000
ATTRIBUTES = "industry,company_size,country,role,email_domain,source"
ENGINES = {"DuckDB": "", "Spark, 1 core": "local[1]", "Spark, 2 cores": "local[2]"}
PARTITION, SLICE = 125_000, 250_000
STEPS = ("start", "first", "check", "driver", "build", "score")


def prepare(folder: Path, events: float, years: float = 0.5) -> Path:
    """A project over about `events` interactions, landed."""
    tables, project = folder / "tables", folder / "project"
    leads = str(int(events / EVENTS_PER_LEAD))
    for arguments in (
        ("simulate", tables, "--leads", leads, "--years", str(years), "--end", END.isoformat()),
        ("init", project, "--from", tables, "--known-at-creation", ATTRIBUTES),
        ("ingest", "--project", project, "--as-of", END.isoformat()),
    ):
        command = [sys.executable, "-c", "from scoring.cli import main; main()", *arguments]
        subprocess.run([str(a) for a in command], check=True, stdout=subprocess.DEVNULL)
    return project


def train_model(folder: Path) -> dict[str, str]:
    """A model trained on a small history: its folder and fingerprint."""
    from scoring.check.run import check
    from scoring.clock import Moment
    from scoring.project import Project
    from scoring.train import tracking
    from scoring.train.run import train

    project = Project(prepare(folder, SMALL, years=2))
    check(project, Moment(as_of=END, now=END))
    train(project, "conversion", END)
    found = tracking.registered(project, "conversion", tracking.CANDIDATE)
    assert found is not None
    models = tracking.models_folder(project, "conversion")
    return {"folder": str(models / found.fingerprint[:20]), "fingerprint": found.fingerprint}


def measure(root: Path, master: str, model: dict[str, str]) -> dict[str, tuple[float, float]]:
    """Seconds, and processor seconds, of every step on one engine."""
    from scoring.check import spread, tables
    from scoring.check.run import check
    from scoring.clock import Moment
    from scoring.engine.compute import compute_of
    from scoring.project import Project
    from scoring.score.run import rows_by
    from scoring.train import artefact

    tables.ROWS_PER_PARTITION, spread.ROWS_PER_SLICE = PARTITION, SLICE
    for made in ("tables", "features", "scores"):
        shutil.rmtree(root / ".scoring" / made, ignore_errors=True)
    settings = root / "scoring.toml"
    before = settings.read_text()
    if master:
        settings.write_text(f'engine = "spark"\n[spark]\nmaster = "{master}"\n' + before)
    project = Project(root)
    away = _time_away() if master else [(0.0, 0.0)]
    trained = artefact.read(Path(model["folder"]), model["fingerprint"])
    seconds: dict[str, tuple[float, float]] = {}
    try:
        for step, work in {
            "start": lambda: compute_of(project),
            "first": lambda: list(compute_of(project).each(_nothing, 2)),
            "check": lambda: check(project, Moment(as_of=END, now=END)),
            "build": lambda: rows_built(project, trained),
            "score": lambda: rows_by(project, "conversion", trained, "1", END),
        }.items():
            began, used = time.perf_counter(), processor_seconds()
            work()
            seconds[step] = time.perf_counter() - began, processor_seconds() - used
            if step == "check":
                took, needed = seconds["check"]
                seconds["driver"] = took - sum(t for t, _ in away), needed - sum(u for _, u in away)
            away.clear()
    finally:
        settings.write_text(before)
    return seconds


def processor_seconds() -> float:
    """What this process and all below it have used so far."""
    parents, used = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            told = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile; its parent counts what it used
        pid = int(path.parent.name)
        parents[pid], used[pid] = int(told[1]), sum(map(int, told[11:15]))
    ours = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    return sum(used[pid] for pid in ours) / os.sysconf("SC_CLK_TCK")


def _time_away() -> list[tuple[float, float]]:
    """From now on what each call of the cluster takes, in both kinds of seconds."""
    from scoring.engine.spark.compute import SparkCompute

    away: list[tuple[float, float]] = []

    def timed(name: str) -> None:
        call = getattr(SparkCompute, name)

        def run(*arguments: Any) -> Any:
            began, used = time.perf_counter(), processor_seconds()
            made = call(*arguments)
            made = made if made is None else list(made)
            away.append((time.perf_counter() - began, processor_seconds() - used))
            return made

        setattr(SparkCompute, name, run)

    timed("each")
    timed("write_repeated")
    return away


def rows_built(project: Any, trained: Any) -> None:
    """The build that `rows_by` finds done: what is left of it is the model and the reasons."""
    from datetime import timedelta

    from scoring.build.run import build_scoring
    from scoring.check.tables import Tables
    from scoring.score.next_step import settings_of
    from scoring.score.run import features_to_build

    since = END - timedelta(days=1)
    table = settings_of(project.root, "conversion")
    features = features_to_build(
        project, "conversion", trained, Tables.open(project), table
    ).features
    build_scoring(project, "conversion", trained.settings, features, END, since=since)


def _nothing(piece: int, workers: int) -> int:
    import scoring.build.partition  # noqa: F401 - what the first piece of real work imports

    return piece + workers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=float, nargs="*", default=[5e5, 2e6])
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        root, master, model = arguments.measure
        print(json.dumps(measure(Path(root), master, json.loads(model))))
        return
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, seconds")
    print(f"|  events | engine | {' | '.join(STEPS)} |")
    print("|--:|---|" + "--:|" * len(STEPS))
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        (Path(folder) / "small").mkdir()
        model = json.dumps(train_model(Path(folder) / "small"))
        for events in arguments.events:
            home = Path(folder) / f"{events:.0f}"
            home.mkdir()
            project = prepare(home, events)
            for engine, master in ENGINES.items():
                command = [sys.executable, __file__, "--measure", str(project), master, model]
                runs = [
                    json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
                    for _ in range(arguments.repeats)
                ]
                best = " | ".join("{:.1f} ({:.1f})".format(*min(r[s] for r in runs)) for s in STEPS)
                print(f"| {events:,.0f} | {engine} | {best} |", flush=True)
            shutil.rmtree(home)


if __name__ == "__main__":
    main()
