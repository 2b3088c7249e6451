"""kill -9 at any point of a read loses nothing, and nothing is read into the tables twice."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hubspot_server import HubSpotServer
from hubspot_world import populate, project_over
from test_hubspot_reading import expected, landed, read

HERE = Path(__file__).parent


def start(project: Path, server: HubSpotServer) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(HERE / "pull_once.py"), str(project), str(server.clock.scale), "300"],
        env={**os.environ, "HUBSPOT_TOKEN": "token", "PYTHONPATH": str(HERE)},
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.slow
def test_kills_while_reading(tmp_path: Path, hubspot: HubSpotServer) -> None:
    populate(hubspot, 1_500, 6_000)
    hubspot.keep = False
    project = project_over(tmp_path / "p", hubspot)
    draw = random.Random(5)
    hubspot.clock.scale = 10
    killed = 0
    for _ in range(25):
        run = start(project, hubspot)
        calls = hubspot.calls
        while run.poll() is None and hubspot.calls < calls + 3:
            time.sleep(0.01)
        time.sleep(draw.uniform(0, 1.2))
        if run.poll() is not None:
            break
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        killed += 1
        manifest = project / ".scoring/pulled/crm/manifest.json"
        if manifest.exists():  # whatever it names is there and whole
            for name, table in json.loads(manifest.read_text())["tables"].items():
                for file, rows in table["drops"].items():
                    import pyarrow.parquet as pq

                    path = manifest.parent / name / file
                    assert pq.read_metadata(path).num_rows == rows
    while run.poll() is None:
        time.sleep(0.05)
    for _ in range(3):
        if start(project, hubspot).wait() == 0:
            break
    assert killed >= 5
    for kind in ("contacts", "calls", "emails", "notes", "tasks", "meetings"):
        assert read(project, kind) == expected(hubspot, kind)
        assert len(landed(project, kind)) == len(expected(hubspot, kind))
    assert not list((project / ".scoring/pulled/crm").glob("*/*.parquet"))
    shutil.rmtree(project)
