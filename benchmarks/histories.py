"""Simulated histories of any size for the benchmarks, as projects whose tables are checked.

Up to `BASE` events are simulated and taken through `init`, `ingest` and `check`. A larger history
is that one again and again under new lead keys and identifiers, a set of partitions each time: what
a build reads grows as it would, and preparing 200 million events takes minutes instead of hours.
"""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from scoring.check.tables import UNPARTITIONED, first_key

END = datetime(2026, 11, 1, tzinfo=UTC)
BASE = 5e6
EVENTS_PER_LEAD = 100
YEARS = 0.6
# Five snapshots a lead on average: the youngest leads have not reached the later ages.
AGES = [3, 7, 14, 30, 60, 90]
OPEN_UNTIL = datetime(2026, 10, 29)
ATTRIBUTES = "industry,company_size,country,role,email_domain,source"
KEYS = ("lead_key", "root_lead_key")
NAMES = ("lead_id", "root_lead_id", "merged_into", "person_id", "group_id")
FEATURES = Path(__file__).with_name("measured_features.py")
MODEL = f"""
[question]
outcome = "won"
horizon_days = 1
[snapshots]
at_age_days = {AGES}
close_after_days = 365
[features]
known_at_creation = {json.dumps(ATTRIBUTES.split(","))}
"""


def prepare(folder: Path, events: float) -> dict[str, Any]:
    """`folder`/project over about `events` interactions; the seconds that its steps took."""
    copies = max(1, round(events / BASE))
    tables, project = folder / "tables", folder / "project"
    seconds: dict[str, Any] = {}

    def step(name: str, *arguments: str) -> None:
        began = time.perf_counter()
        command = [sys.executable, "-c", "from scoring.cli import main; main()", name, *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds[name] = round(time.perf_counter() - began, 1)

    leads = int(min(events, BASE) / EVENTS_PER_LEAD)
    step(
        "simulate", str(tables), "--leads", str(leads), "--years", str(YEARS),
        "--events-per-lead", str(EVENTS_PER_LEAD), "--end", END.isoformat(),
    )  # fmt: skip
    _reopen(tables / "outcomes.parquet")
    step("init", str(project), "--from", str(tables), "--known-at-creation", ATTRIBUTES)
    (project / "models/conversion/model.toml").write_text(MODEL)
    for theme in (project / "features").glob("*.py"):
        theme.unlink()
    (project / "features" / "speed.py").write_text(FEATURES.read_text())
    for name in ("ingest", "check"):
        step(name, "--project", str(project), "--as-of", END.isoformat())
    began = time.perf_counter()
    duckdb.execute("SET enable_progress_bar = false")
    multiply(project / ".scoring" / "tables", copies)
    seconds["copies"] = round(time.perf_counter() - began, 1)
    return seconds


def _reopen(outcomes: Path) -> None:
    """Only the last days' outcomes stay, so that nearly every lead is open and scored."""
    kept = outcomes.with_suffix(".kept")
    duckdb.execute(
        f"COPY (FROM '{outcomes}' WHERE decided_at >= TIMESTAMP '{OPEN_UNTIL}')"
        f" TO '{kept}' (FORMAT parquet)"
    )
    kept.replace(outcomes)


def multiply(tables: Path, copies: int) -> None:
    """Publish fresh tables `copies` times over, under new lead keys and identifiers."""
    path = tables / "manifest.json"
    manifest = json.loads(path.read_text())
    before = manifest["partitions"]
    after = before * copies
    step, room = first_key(1, before), first_key(1, after)
    for name, table in manifest["tables"].items():
        if len(table["files"]) != before or name in UNPARTITIONED:
            continue
        assert not any(table["added"] + table["hidden"]), "these are not the first night's tables"
        written: list[str] = []
        for copy in range(copies):
            changed = [
                f"({key} % {step} + ({key} // {step} + {copy * before}) * {room})::INTEGER AS {key}"
                for key in KEYS
                if key in table["columns"]
            ]
            changed += [f"{c} || '~{copy}' AS {c}" for c in NAMES if c in table["columns"]]
            for file in table["files"]:
                target = Path(file).parent / f"copy-{len(written):03d}.parquet"
                duckdb.execute(
                    f"COPY (SELECT * REPLACE ({', '.join(changed)}) FROM '{tables / file}')"
                    f" TO '{tables / target}'"
                    " (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)"
                )
                written.append(str(target))
        for file in table["files"]:
            (tables / file).unlink()
        table |= {"files": written, "added": [None] * after, "hidden": [None] * after}
        table["rows"] *= copies
    manifest["ranges"] = [
        [key % step + (key // step + copy * before) * room for key in keys]
        for copy in range(copies)
        for keys in manifest["ranges"]
    ]
    manifest["partitions"] = after
    manifest["version"] += f"x{copies}"
    path.write_text(json.dumps(manifest))
