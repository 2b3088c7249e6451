"""50,000 leads with a million activities: read completely and written back, with faults on."""

import os
from collections import Counter
from pathlib import Path

import pyarrow.dataset as ds
import pytest
from hubspot_server import HubSpotServer
from hubspot_world import populate, project_over
from loopback import ScaledClock, serving
from test_hubspot_reading import night
from test_hubspot_writing import FIELDS, changes, sink_at, stored

from scoring.crm import http
from scoring.errors import TryLater

LEADS = int(os.environ.get("CRM_TEST_LEADS", "50000"))
ACTIVITIES = 20 * LEADS


@pytest.mark.slow
def test_all_of_it_with_faults_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBSPOT_TOKEN", "token")
    clock = ScaledClock(100)
    monkeypatch.setattr(http, "CLOCK", clock)
    server = HubSpotServer(clock)
    with serving(server):
        populate(server, LEADS, ACTIVITIES)
        server.keep = False
        server.daily = 10_000_000
        server.faults.share = 0.02
        project = project_over(tmp_path / "p", server)
        for _ in range(20):
            try:
                counts = night(project).to_json()
                break
            except TryLater:
                continue
        read = 0
        for kind in ("contacts", "calls", "emails", "notes", "tasks", "meetings"):
            files = sorted((project / ".scoring/landing/crm" / kind).glob("*/rows.parquet"))
            ids = ds.dataset(files).to_table(columns=["id"])["id"].to_pylist()
            assert Counter(ids) == Counter(list(server.state.stores[kind].records))
            assert counts[kind]["in_crm"] == counts[kind]["here"] == len(ids)
            read += len(ids)
        assert read == LEADS + ACTIVITIES
        assert server.faults.caused > 0

        sink = sink_at(server)
        server.faults.share = 0.0
        sink.ensure_fields(FIELDS, apply=True)
        server.faults.share = 0.3
        waiting = changes(*range(1, LEADS + 1))
        outcomes: Counter[str] = Counter()
        for _ in range(20):
            retry = []
            for start in range(0, len(waiting), sink.batch_size):
                batch = {c.lead_id: c for c in waiting[start : start + sink.batch_size]}
                told = sink.write(list(batch.values()))
                assert {o.lead_id for o in told} == set(batch)
                outcomes.update(o.status for o in told)
                retry += [batch[o.lead_id] for o in told if o.status == "retry"]
            if not retry:
                break
            waiting = retry
        assert outcomes["sent"] == LEADS
        assert all(stored(server, n)["ls_score"] == str(n % 101) for n in range(1, LEADS + 1))
