"""`kill -9` at random points of an ingest: the old state or the new one, and the next run
converges to what an undisturbed run gives, byte for byte."""

import random
import shutil
import subprocess
import sys
import time

import pytest

INGEST = """
import sys, time
from datetime import UTC, datetime
from scoring.clock import Moment
from scoring.ingest.run import ingest
from scoring.project import Project

at = datetime(2026, 3, int(sys.argv[2]), tzinfo=UTC)
print("started", flush=True)
ingest(Project(sys.argv[1]), Moment(as_of=at, now=at))
print("ended", flush=True)
"""


def start(root, n: int) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", INGEST, str(root), str(n)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "started\n"
    return process


def content(root) -> dict[str, bytes]:
    landing = root / ".scoring" / "landing"
    return {
        path.relative_to(landing).as_posix(): path.read_bytes()
        for path in sorted(landing.rglob("*"))
        if path.is_file()
    }


def rows(first: int, last: int) -> str:
    lines = (f"{i},{i * 7919 % 104729},note {i}\n" for i in range(first, last))
    return "id,n,note\n" + "".join(lines)


@pytest.mark.slow
def test_killed_at_random_points(site, tmp_path):
    site.declare('leads = "leads.csv"\ninteractions = "i.csv"')
    site.write("leads.csv", rows(0, 200_000))
    site.write("i.csv", rows(0, 200_000))
    site.take(1)
    old = site.live("count(*), sum(n::BIGINT)")
    site.write("leads.csv", rows(1_000, 260_000))
    site.write("i.csv", rows(0, 260_000))
    clean = tmp_path / "clean"
    shutil.copytree(site.root, clean)
    began = time.monotonic()
    assert start(clean, 2).wait() == 0
    lasts = time.monotonic() - began
    undisturbed = content(clean)
    site_state = tmp_path / "before"
    shutil.copytree(site.root / ".scoring", site_state)
    chance = random.Random(2)
    stopped = 0
    for _ in range(4):
        shutil.rmtree(site.root / ".scoring")
        shutil.copytree(site_state, site.root / ".scoring")
        for _ in range(2):
            process = start(site.root, 2)
            time.sleep(chance.random() * lasts)
            process.kill()
            stopped += process.wait() != 0
            manifest = site.manifest
            if manifest != undisturbed["manifest.json"]:
                assert site.live("count(*), sum(n::BIGINT)") == old
        process = start(site.root, 2)
        assert process.wait() == 0
        assert content(site.root) == undisturbed
    assert stopped >= 2
