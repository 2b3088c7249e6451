"""`check`, `build` and `score` on Apache Spark, on one and two cores of this machine.

    .venv/bin/python benchmarks/spark.py                    1 and 4 million events
    .venv/bin/python benchmarks/spark.py --events 5e5

For each size a sales organisation is simulated and ingested; then, in a process of its own for
every engine, the tables are made, the open leads are built with every feature, and a model that was
trained on a small history scores them. `start` is the session's, `first` what the first piece of
work waits for: the workers' imports. Both are paid once a command.

Tables are cut into partitions of 250,000 events and slices of 500,000 rows, so that even a small
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
PARTITION, SLICE = 250_000, 500_000
STEPS = ("start", "first", "check", "build", "score")


def prepare(folder: Path, events: float) -> Path:
    """A project over about `events` interactions, landed."""
    tables, project = folder / "tables", folder / "project"
    leads = str(int(events / EVENTS_PER_LEAD))
    for arguments in (
        ("simulate", tables, "--leads", leads, "--years", "0.5", "--end", END.isoformat()),
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

    project = Project(prepare(folder, SMALL))
    check(project, Moment(as_of=END, now=END))
    train(project, "conversion", END)
    found = tracking.registered(project, "conversion", tracking.CANDIDATE)
    assert found is not None
    models = tracking.models_folder(project, "conversion")
    return {"folder": str(models / found.fingerprint[:20]), "fingerprint": found.fingerprint}


def measure(root: Path, master: str, model: dict[str, str]) -> dict[str, float]:
    """Seconds of every step on one engine; the store keeps the landing only."""
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
    trained = artefact.read(Path(model["folder"]), model["fingerprint"])
    seconds = {}
    try:
        for step, work in {
            "start": lambda: compute_of(project),
            "first": lambda: list(compute_of(project).each(_nothing, 2)),
            "check": lambda: check(project, Moment(as_of=END, now=END)),
            "build": lambda: rows_built(project, trained),
            "score": lambda: rows_by(project, "conversion", trained, "1", END),
        }.items():
            began = time.perf_counter()
            work()
            seconds[step] = time.perf_counter() - began
    finally:
        settings.write_text(before)
    return seconds


def rows_built(project: Any, trained: Any) -> None:
    """The build that `rows_by` finds done: what is left of it is the model and the reasons."""
    from datetime import timedelta

    from scoring.build.run import build_scoring
    from scoring.check.tables import Tables
    from scoring.score.facts import with_facts

    kinds = Tables.open(project).manifest["kinds"]
    since = END - timedelta(days=1)
    features = with_facts(trained.features, kinds)
    build_scoring(project, "conversion", trained.settings, features, END, since=since)


def _nothing(piece: int, workers: int) -> int:
    import scoring.build.partition  # noqa: F401 - what the first piece of real work imports

    return piece + workers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=float, nargs="*", default=[1e6, 4e6])
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
                best = " | ".join(f"{min(run[step] for run in runs):.1f}" for step in STEPS)
                print(f"| {events:,.0f} | {engine} | {best} |", flush=True)
            shutil.rmtree(home)


if __name__ == "__main__":
    main()
