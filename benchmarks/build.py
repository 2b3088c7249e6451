"""Building features for scoring, against one scan of the same columns.

    .venv/bin/python benchmarks/build.py                  20 million events, then 5 million
    .venv/bin/python benchmarks/build.py --events 2e6     quick

For each size a sales organisation is simulated (most of its leads still open), taken through
`init`, `ingest` and `check`, and then, in a process of its own each:

    floor   a scan of the columns that features read, and a count per lead
    build   snapshots of the open leads with about 120 features, into Parquet

The ratio of the two is the figure; seconds depend on the machine. Memory is the process's largest
resident set and, where partitions are built in processes of their own, the largest of those times
the number of cores: no less than what was used at once.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

END = datetime(2026, 11, 1, tzinfo=UTC)
EVENTS_PER_LEAD = 40
COLUMNS = 120
ATTRIBUTES = "industry,company_size,country,role,email_domain,source"


def prepare(folder: Path, events: float) -> dict[str, Any]:
    """A project over a simulated history of about `events` interactions."""
    scoring = [sys.executable, "-c", "from scoring.cli import main; main()"]
    tables, project = folder / "tables", folder / "project"
    leads = str(int(events / EVENTS_PER_LEAD))
    simulate = [
        "simulate",
        str(tables),
        "--leads",
        leads,
        "--years",
        "0.25",
        "--end",
        END.isoformat(),
    ]
    init = ["init", str(project), "--from", str(tables), "--known-at-creation", ATTRIBUTES]
    seconds = {}
    for name, arguments in (
        ("simulate", simulate),
        ("init", init),
        ("ingest", ["ingest", "--project", str(project), "--as-of", END.isoformat()]),
        ("check", ["check", "--project", str(project), "--as-of", END.isoformat()]),
    ):
        began = time.perf_counter()
        subprocess.run([*scoring, *arguments], check=True, stdout=subprocess.DEVNULL)
        seconds[name] = round(time.perf_counter() - began, 1)
    return seconds


def floor(project_folder: Path) -> dict[str, Any]:
    """Read what features read, and count per lead."""
    from scoring.check.tables import Tables
    from scoring.project import Project

    project = Project(project_folder)
    tables = Tables.open(project)
    with project.connect() as connection:
        scan = tables.scan("interactions")
        columns = ["kind_id", "occurred_at", "known_at", "local_day", "duration_s", "gone_landed"]
        # The outer query uses every column: the engine would not read one that nobody asks for.
        inner = ", ".join(f"max({c}) AS {c}" for c in columns)
        outer = ", ".join(f"max({c})" for c in columns)
        began = time.perf_counter()
        connection.execute(
            f"SELECT count(*), sum(n), {outer} FROM"
            f" (SELECT lead_key, count(*) AS n, {inner} FROM {scan} GROUP BY lead_key)"
        ).fetchall()
        seconds = time.perf_counter() - began
    return {"seconds": seconds, "events": tables.manifest["tables"]["interactions"]["rows"]}


def build(project_folder: Path) -> dict[str, Any]:
    """Snapshots of the open leads and their features."""
    from scoring.build.featureset import feature_set
    from scoring.build.load import load_features
    from scoring.build.run import build_scoring
    from scoring.check.tables import Tables
    from scoring.project import Project

    project = Project(project_folder)
    model = project.model("conversion")
    with project.connect() as connection:
        named = load_features(project.root / "features")
        features = feature_set(connection, Tables.open(project), named, model)
    features = features.keep([c.name for c in features.columns[:COLUMNS]])
    began = time.perf_counter()
    built = build_scoring(project, "conversion", model, features, END)
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "leads": built.rows, "columns": len(features.columns)}


MEASURED = {"floor": floor, "build": build}


def measure(what: str, project: Path, repeats: int) -> dict[str, Any]:
    """The fastest of `repeats` runs, each in a process of its own."""
    runs = []
    for _ in range(repeats):
        command = [sys.executable, __file__, "--measure", what, "--project", str(project)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        runs.append(json.loads(done.stdout))
        for built in (project / ".scoring" / "features").glob("*/scoring/*/manifest.json"):
            built.unlink()  # else the next run finds the rows built
    return min(runs, key=lambda r: r["seconds"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=float, nargs="*", default=[20e6, 5e6])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--measure", choices=sorted(MEASURED))
    parser.add_argument("--project", type=Path)
    arguments = parser.parse_args()
    if arguments.measure:
        result = MEASURED[arguments.measure](arguments.project)
        own, child = (
            resource.getrusage(who).ru_maxrss / 1024
            for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        print(json.dumps({**result, "peak_mb": round(own + child * (os.cpu_count() or 1))}))
        return
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}")
    print("|  events | open leads | columns | floor s | build s | ratio | floor MB | build MB |")
    print("|--:|--:|--:|--:|--:|--:|--:|--:|")
    for events in arguments.events:
        with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
            seconds = prepare(Path(folder), events)
            project = Path(folder) / "project"
            low = measure("floor", project, arguments.repeats)
            made = measure("build", project, arguments.repeats)
        print(
            f"| {low['events']:,} | {made['leads']:,} | {made['columns']} "
            f"| {low['seconds']:.2f} | {made['seconds']:.2f} "
            f"| {made['seconds'] / low['seconds']:.1f} "
            f"| {low['peak_mb']:,} | {made['peak_mb']:,} |",
            flush=True,
        )
        print(f"  before: {json.dumps(seconds)}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
