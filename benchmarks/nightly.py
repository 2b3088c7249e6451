"""A night's work against making everything again.

    .venv/bin/python benchmarks/nightly.py                  20 million events
    .venv/bin/python benchmarks/nightly.py --events 2e6     quick

A sales organisation is simulated and its history cut where the newest 0.3 % of the interactions
begin. What lies before is landed and checked; then, as one night,

    ingest   the files that came, beside those of before
    check    what landed, added to the tables that stand
    build    features of the open leads, which read the tables
    again    ingest and check of the same files: nothing is new

and, over the same landing, `check` and `build` after the tables have been removed. The ratios of
the night to that are the figures; seconds depend on the machine.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from scoring.check.run import check
from scoring.clock import Moment
from scoring.ingest.run import ingest
from scoring.project import Project
from scoring.simulate.run import simulate

END = datetime(2026, 11, 1, tzinfo=UTC)
EVENTS_PER_LEAD = 40
NIGHT = 0.003
ATTRIBUTES = "industry,company_size,country,role,email_domain,source"
# When the CRM had a row, for the cut.
KNOWN = {
    "leads": "created_at",
    "interactions": "coalesce(recorded_at, occurred_at)",
    "stage_changes": "coalesce(recorded_at, changed_at)",
    "lead_changes": "coalesce(recorded_at, changed_at)",
    "contacts": "coalesce(recorded_at, joined_at)",
    "outcomes": "coalesce(recorded_at, decided_at)",
}


def cut(tables: Path, first: Path, night: Path) -> None:
    """Every table in two files: what was known before the night, and the night's."""
    first.mkdir()
    night.mkdir()
    with duckdb.connect() as connection:
        connection.execute("SET memory_limit = '2GB'")
        events = tables / "interactions.parquet"
        found = connection.execute(
            f"SELECT quantile_cont(epoch_us({KNOWN['interactions']}), {1 - NIGHT})::BIGINT "
            f"FROM '{events}'"
        ).fetchall()
        at = found[0][0]
        for file in sorted(tables.glob("*.parquet")):
            name = file.stem
            when = f"coalesce(epoch_us({KNOWN[name]}) < {at}, true)" if name in KNOWN else ""
            if name == "participants":
                kept = f"SELECT interaction_id FROM '{first}/interactions-1.parquet'"
                when = f"interaction_id IN ({kept})"
            for folder, number, which in ((first, 1, when), (night, 2, f"NOT ({when})")):
                connection.execute(
                    f"COPY (SELECT * FROM '{file}' WHERE {which}) "
                    f"TO '{folder}/{name}-{number}.parquet' (COMPRESSION zstd)"
                )


def prepare(folder: Path, events: float) -> Project:
    """A project over the cut history, with the first part in place."""
    simulate(
        folder / "tables",
        leads=int(events / EVENTS_PER_LEAD),
        end=END,
        seed=7,
        years=0.25,
    )
    cut(folder / "tables", folder / "first", folder / "night")
    root = folder / "project"
    command = [sys.executable, "-c", "from scoring.cli import main; main()", "init", str(root)]
    command += ["--from", str(folder / "tables"), "--known-at-creation", ATTRIBUTES]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    exports = root / "exports"
    shutil.copytree(folder / "first", exports)
    names = sorted(f.stem for f in (folder / "tables").glob("*.parquet"))
    shutil.rmtree(folder / "tables")
    lines = ["[sources.crm]", 'path = "exports"', 'mode = "append"', "[sources.crm.tables]"]
    lines += [f'{name} = "{name}-*.parquet"' for name in names]
    (root / "data" / "sources.toml").write_text("\n".join(lines) + "\n")
    return Project(root)


def features(project: Project, at: datetime) -> None:
    shutil.rmtree(project.store / "features", ignore_errors=True)
    project.features(at)


def measure(events: float) -> dict[str, Any]:
    seconds: dict[str, Any] = {}

    def timed(name: str, do: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        result = do()
        seconds[name] = time.perf_counter() - began
        print(f"  {name}: {seconds[name]:.1f} s", file=sys.stderr, flush=True)
        return result

    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name)
        project = prepare(folder, events)
        before = Moment(END - timedelta(days=1), END)
        night = Moment(END, END)
        timed("first ingest", lambda: ingest(project, before))
        timed("first check", lambda: check(project, before))
        for file in (folder / "night").iterdir():
            shutil.copy(file, project.root / "exports" / file.name)
        timed("ingest", lambda: ingest(project, night))
        done = timed("check", lambda: check(project, night))
        seconds["nightly"], seconds["rows"] = done.nightly, done.counts["interactions"]
        timed("build", lambda: features(project, END))
        timed("ingest again", lambda: ingest(project, night))
        timed("check again", lambda: check(project, night))
        shutil.rmtree(project.tables)
        timed("whole check", lambda: check(project, night))
        timed("whole build", lambda: features(project, END))
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=float, nargs="*", default=[20e6])
    arguments = parser.parse_args()
    print("| events | new | step | night s | all s | ratio |")
    print("|--:|--:|---|--:|--:|--:|")
    for events in arguments.events:
        s = measure(events)
        rows = s["rows"]
        assert s["nightly"], "the night was not added but everything made again"
        for step, whole in (("ingest", "first ingest"), ("check", "whole check"),
                            ("build", "whole build"), ("ingest again", "first ingest"),
                            ("check again", "whole check")):  # fmt: skip
            print(
                f"| {rows['rows_in']:,} | {rows['accepted']:,} | {step} | {s[step]:.2f} "
                f"| {s[whole]:.2f} | {s[step] / s[whole]:.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
