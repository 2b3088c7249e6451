"""Two runs at once, signals, and kill -9 at random points: one holder, the old state or the new
one, and a next run that converges to what an undisturbed run gives."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from fault_kit import NEXT_NIGHT, NIGHT, SCORING, Site, environment


def interruptible() -> None:
    """What runs behind a shell's `&` ignores SIGINT and passes that on to its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(site: Site, *arguments: str, night: str = NEXT_NIGHT) -> subprocess.Popen:
    """A command that goes on in the background, in a process group of its own."""
    return subprocess.Popen(
        [str(SCORING), *arguments, "--project", str(site.project), "--as-of", night],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=interruptible,
    )


def held(site: Site, process: subprocess.Popen, doing: str = "") -> bool:
    """Wait until the process holds the lock, and stands in the step `doing`."""
    lock = site.project / ".scoring" / "lock"
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        named = lock.exists() and f'"process": {process.pid}' in lock.read_text()
        if named and (not doing or doing in site("status", "--json", night=None).out):
            return True
        time.sleep(0.02)
    return False


def test_a_second_run_is_sent_away_at_once(site: Site):
    first = start(site, "run", "nightly")
    assert held(site, first, '"running"')
    os.kill(first.pid, signal.SIGSTOP)
    try:
        for command in (("ingest",), ("run", "nightly")):
            began = time.monotonic()
            answer = site(*command, "--json", code=5)
            # Two seconds are for the command; a busy machine is slow to start one.
            took = time.monotonic() - began
            began = time.monotonic()
            site("status", "--json", night=None)
            assert took < 2 + (time.monotonic() - began)
            assert f"process {first.pid}, scoring nightly" in answer.sentence
            assert "run the same command again" in answer.sentence
            assert answer.out == ""
        # Looking is allowed.
        assert site("status", "--json", night=None).json["runs"][0]["state"] == "running"
    finally:
        os.kill(first.pid, signal.SIGCONT)
    assert first.wait(120) == 0


def test_the_lock_of_a_dead_process_is_taken_over_and_said(site: Site):
    process = start(site, "run", "nightly")
    assert held(site, process, '"running"')
    process.kill()
    process.wait()
    assert site("status", "--json", night=None).json["runs"][0]["state"] == "killed"
    answer = site("ingest")
    assert f"took over the lock of a run that did not end by itself (process {process.pid}" in (
        answer.err
    )
    # An expected failure ends by itself: nothing to take over afterwards.
    site.settings("data/sources.toml", 'path = "../crm"', 'path = "../away"')
    site.refuses("ingest", code=2, says=["../away"])
    assert "took over" not in site("ingest", code=2).err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_stops_a_run(site: Site, number, code):
    site.edit("leads", lambda rows: [{**row, "tier": "other"} for row in rows])
    before = site.published()
    process = start(site, "run", "nightly")
    assert held(site, process, '"running"')
    began = time.monotonic()
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == code, err
    assert time.monotonic() - began < 10
    assert "Traceback" not in err
    assert "fault in lead-scoring" not in err
    run = site("status", "--json", night=None).json["runs"][0]
    assert (run["state"], run["exit_code"]) == ("failed", code)
    assert {k: v for k, v in site.published().items() if k.startswith("out/")} == {
        k: v for k, v in before.items() if k.startswith("out/")
    }
    site("run", "nightly")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_in_the_middle_of_a_query(tmp_path, number, code):
    """The engine puts its own error in the place of what a signal raises."""
    program = f"""
from pathlib import Path
from scoring.engine.connection import connect
from scoring.stop import stop_on_signals
stop_on_signals()
with connect(Path({str(tmp_path)!r})) as connection:
    print("running", flush=True)
    while True:
        connection.execute("SELECT sum(range) FROM range(20000000)").fetchall()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=interruptible,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n"
    time.sleep(0.5)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (code, "")


# --- kill -9 ------------------------------------------------------------------------------------


def outcome(site: Site) -> dict[str, object]:
    """What a night came to, without what names a place or counts attempts."""
    store = site.project / ".scoring"
    tables = json.loads((store / "tables" / "manifest.json").read_text())
    scores = pd.read_parquet(site.project / "out" / "scores.parquet")
    sent = pd.concat(
        pd.read_parquet(p) for p in sorted((site.project / "out" / "emit").rglob("*.parquet"))
    )
    return {
        "landing": (store / "landing" / "manifest.json").read_bytes(),
        "tables": (tables["version"], tables["tables"], tables["quarantine"]),
        "parts": {
            path.relative_to(store).as_posix(): path.read_bytes()
            for path in sorted((store / "tables" / tables["version"]).rglob("*.parquet"))
        },
        "scores": scores.to_json(),
        "csv": (site.project / "out" / "scores.csv").read_bytes(),
        "sent": sent.sort_values("lead_id").to_csv(index=False),
    }


def change(site: Site) -> None:
    """A night's news: some rows are new, some changed."""
    site.edit("leads", lambda rows: [{**r, "tier": "gold"} if i % 9 == 0 else r
                                     for i, r in enumerate(rows)])  # fmt: skip
    site.edit(
        "interactions",
        lambda rows: rows
        + [{**r, "occurred_at": "2026-10-31 09:00:00", "recorded_at": "", "interaction_id": f"n{i}"}
           for i, r in enumerate(rows[::20])],
    )  # fmt: skip


def readable(site: Site) -> None:
    """Whatever is published can be read whole, and every file that a manifest names is there."""
    store = site.project / ".scoring"
    for path in store.rglob("manifest.json"):
        if "tmp" not in path.relative_to(store).parts:
            json.loads(path.read_text())
    tables = json.loads((store / "tables" / "manifest.json").read_text())
    for table in tables["tables"].values():
        for file in table["files"]:
            pd.read_parquet(store / "tables" / file)
    for path in (site.project / "out").rglob("*.parquet"):
        pd.read_parquet(path)


def kill_and_converge(copies: list[Site], pipeline: str, kills: int, seed: int) -> None:
    """Copies of one project: the first is undisturbed, each other is killed and run again."""
    clean, *disturbed = copies
    began = time.monotonic()
    clean("run", pipeline)
    lasts = time.monotonic() - began
    if pipeline == "retrain":
        clean("run", "nightly")
    expected = outcome(clean)
    chance = random.Random(seed)
    killed = 0
    for site in disturbed:
        for _ in range(kills):
            process = start(site, "run", pipeline)
            time.sleep(lasts * chance.random())
            process.kill()
            process.communicate()
            killed += process.returncode == -signal.SIGKILL
            readable(site)
        site("run", pipeline)
        if pipeline == "retrain":
            site("run", "nightly")
        assert not [p for p in (site.project / ".scoring" / "tmp").iterdir() if p.is_file()]
        found = outcome(site)
        for part, value in expected.items():
            assert found[part] == value, f"{part} differs from an undisturbed run"
    assert killed


@pytest.fixture
def copies(trained: Site, tmp_path: Path):
    import shutil

    def make(n: int) -> list[Site]:
        made = []
        for i in range(n):
            shutil.copytree(trained.root, tmp_path / f"copy{i}")
            made.append(Site(tmp_path / f"copy{i}"))
            change(made[-1])
        # The same bytes at the same times: what a delivery looks like is part of what landed.
        for site in made[1:]:
            for path in site.crm.iterdir():
                stat = (made[0].crm / path.name).stat()
                os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        return made

    return make


def test_a_killed_night_converges(copies):
    kill_and_converge(copies(2), "nightly", kills=4, seed=11)


@pytest.mark.slow
def test_a_night_killed_often_converges(copies):
    kill_and_converge(copies(9), "nightly", kills=8, seed=12)


@pytest.mark.slow
def test_a_killed_retraining_converges(copies):
    kill_and_converge(copies(5), "retrain", kills=8, seed=13)


def test_the_night_of_the_fixture_is_the_one_before(trained: Site):
    """Every test starts from this state: one delivered night."""
    runs = trained("status", "--json", night=None).json["runs"]
    assert {run["as_of"][:10] for run in runs} == {NIGHT}
