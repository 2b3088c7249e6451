"""Tables that grow by a night have the rows, the order and the counts of a full rebuild."""

import subprocess
import sys
import time

import pandas as pd
import pytest
from check_world import World, at
from nights import Nights, assert_equal, project_of, rebuilt, rows

from scoring.check import layers, tables
from scoring.check.run import check
from scoring.check.tables import Tables
from scoring.errors import ConfigError
from scoring.ingest.run import ingest
from scoring.store import publish

LIMITS = "[limits]\nquarantine_share = 1.0\nvanished_share = 1.0\n"


def play(root, seed, mode, nights, own_ids=True):
    """Play nights; compare after each. Returns for each whether it was added ("n"), everything was
    made again ("F"), or nothing had changed ("-")."""
    world = World(root)
    world.scoring = LIMITS
    crm = Nights(world, seed, mode, own_ids)
    did = ""
    for _ in range(nights):
        crm.deliver()
        project = project_of(world, mode)
        before = publish.read_manifest(project.tables / "manifest.json")
        ingest(project, world.moment())
        result = check(project, world.moment())
        did += ("n" if result.nightly else "F") if result.published else "-"
        if result.published:
            full = rebuilt(project, world.moment(), before, root / "rebuilt")
            assert_equal(Tables.open(project), full)
        world.day += 1
    return did


@pytest.fixture
def layered(monkeypatch):
    """Small tables are layered as large ones are."""
    monkeypatch.setattr(layers, "SMALL", 3)
    monkeypatch.setattr(layers, "SHARE", 0.5)
    monkeypatch.setattr(tables, "ROWS_PER_PARTITION", 12)


@pytest.mark.slow
@pytest.mark.usefixtures("layered")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("mode", ["append", "changes", "full"])
def test_random_nights_equal_a_full_rebuild(tmp_path, mode, seed):
    did = play(tmp_path, seed, mode, nights=6)
    assert did[0] == "F"
    assert "n" in did


@pytest.mark.slow
@pytest.mark.usefixtures("layered")
@pytest.mark.parametrize("seed", range(2))
def test_random_nights_of_rows_without_ids_equal_a_full_rebuild(tmp_path, seed):
    assert "n" in play(tmp_path, 10 + seed, "append", nights=5, own_ids=False)


def test_a_small_table_is_written_as_a_full_rebuild_writes_it(small):
    small.check()
    _more(small, 4, "2026-03-01")
    result = small.check()
    assert result.nightly
    store = small.root / ".scoring" / "tables"

    def written(version):
        files = sorted((store / version / "interactions").iterdir())
        return {f.name: pd.read_parquet(f) for f in files}

    nightly = written(result.version)
    (store / "manifest.json").unlink()
    again = check(small.project(), small.moment())
    assert not again.nightly
    whole = written(again.version)
    assert list(nightly) == list(whole) == ["part-000.parquet"]
    pd.testing.assert_frame_equal(nightly["part-000.parquet"], whole["part-000.parquet"])


def _more(world, interaction, when, lead="a", **more):
    path = world.root / "exports" / "crm" / "interactions.parquet"
    row = {
        "interaction_id": str(interaction),
        "lead_id": lead,
        "occurred_at": at(when),
        "type": "call",
        "direction": "outbound",
        "minutes": 1.0,
        **more,
    }
    world.deliver("interactions", pd.concat([pd.read_parquet(path), pd.DataFrame([row])]))


def test_only_what_a_night_touches_is_written(small, monkeypatch):
    monkeypatch.setattr(layers, "SMALL", 0)
    monkeypatch.setattr(layers, "SHARE", 9)
    first = small.check()
    _more(small, 4, "2026-03-01")
    second = small.check()
    made = Tables.open(small.project())
    entry = made.manifest["tables"]["interactions"]
    assert entry["files"] == [f"{first.version}/interactions/part-000.parquet"]
    assert entry["added"] == [f"{second.version}/interactions/added-000.parquet"]
    assert entry["hidden"] == [None]
    assert len(pd.read_parquet(made.files("interactions")[1])) == 1
    assert made.manifest["tables"]["outcomes"]["files"][0].startswith(first.version)
    _more(small, 5, "2026-01-04T12:00:00")
    third = small.check()
    entry = Tables.open(small.project()).manifest["tables"]["interactions"]
    assert entry["hidden"] == [f"{third.version}/interactions/hidden-000.parquet"]
    found = rows(Tables.open(small.project()), "interactions")
    assert found["interaction_id"].tolist() == ["2", "5", "1", "4", "3"]


def test_the_version_before_stays_readable_and_unused_ones_go(small, monkeypatch):
    monkeypatch.setattr(layers, "SMALL", 0)
    monkeypatch.setattr(layers, "SHARE", 9)
    versions = []
    for number in range(4, 8):
        before = Tables.open(small.project()) if versions else None
        _more(small, number, f"2026-03-{number:02d}")
        versions.append(small.check().version)
        if before:
            stood = before.manifest["tables"]["interactions"]["rows"]
            assert len(rows(before, "interactions")) == stood
    kept = {p.name for p in (small.root / ".scoring" / "tables").iterdir() if p.is_dir()}
    assert kept == {versions[0], versions[2], versions[3]}


def test_a_join_in_staging_makes_everything_again(small):
    small.staging(
        "interactions",
        "SELECT i.*, l.industry FROM interactions i JOIN leads l USING (lead_id)",
    )
    small.check()
    _more(small, 4, "2026-03-01")
    result = small.check()
    assert result.published
    assert not result.nightly
    assert len(small.table("interactions")) == 4


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT *, gone_landed IS NULL AS live FROM interactions",
        "SELECT DISTINCT * FROM interactions",
        "SELECT * FROM interactions UNION SELECT * FROM interactions",
        "SELECT *, (SELECT any_name FROM (SELECT 'x' AS any_name) LIMIT 1) AS y FROM interactions",
    ],
)
def test_staging_that_is_more_than_a_map_of_rows_makes_everything_again(small, sql):
    small.staging("interactions", sql)
    small.check()
    _more(small, 4, "2026-03-01")
    result = small.check()
    assert result.published
    assert not result.nightly


def test_staging_that_maps_rows_is_read_by_the_night(small):
    small.staging(
        "interactions",
        "SELECT * FROM interactions WHERE type <> 'x' UNION ALL BY NAME "
        "SELECT interaction_id || 'b' AS interaction_id, lead_id, occurred_at, 'copy' AS type "
        "FROM interactions",
    )
    small.check()
    _more(small, 4, "2026-03-01")
    assert small.check().nightly
    assert len(small.table("interactions")) == 8


def test_other_settings_make_everything_again(small):
    small.check()
    small.time_zone = "Europe/Helsinki"
    _more(small, 4, "2026-03-01")
    assert not small.check().nightly


def test_rows_of_the_future_come_in_when_their_time_has_come(small):
    small.scoring = LIMITS
    _more(small, 4, "2026-06-04")
    assert small.check().quarantine["interactions"] == {"occurred_at lies in the future": 1}
    small.day = 2
    before = publish.read_manifest(small.root / ".scoring" / "tables" / "manifest.json")
    moment = small.moment()
    result = small.check()
    assert result.nightly
    assert result.quarantine["interactions"] == {}
    full = rebuilt(small.project(), moment, before, small.root / "rebuilt")
    assert_equal(Tables.open(small.project()), full)


def test_tables_of_another_layout_are_refused_and_made_again(small):
    small.check()
    path = small.root / ".scoring" / "tables" / "manifest.json"
    manifest = publish.read_json(path)
    del manifest["layout"]
    publish.write_json(path, manifest)
    with pytest.raises(ConfigError, match="another version"):
        Tables.open(small.project())
    _more(small, 4, "2026-03-01")
    assert not small.check().nightly
    assert len(small.table("interactions")) == 4


CHECK = """
import sys
from datetime import datetime
from scoring.check.run import check
from scoring.clock import Moment
from scoring.project import Project

as_of, now = map(datetime.fromisoformat, sys.argv[2:])
print("started", flush=True)
check(Project(sys.argv[1]), Moment(as_of=as_of, now=now))
"""


def test_a_night_that_is_killed_leaves_the_tables_and_the_next_run_adds_it(small, monkeypatch):
    monkeypatch.setattr(layers, "SMALL", 0)
    first = small.check()
    before = publish.read_manifest(small.root / ".scoring" / "tables" / "manifest.json")
    _more(small, 4, "2026-03-01")
    project, moment = small.land(), small.moment()
    times = moment.as_of.isoformat(), moment.now.isoformat()
    stopped = 0
    for wait in (0.05, 0.4, 0.9, 1.4):
        process = subprocess.Popen(
            [sys.executable, "-c", CHECK, str(small.root), *times],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout.readline() == "started\n"
        time.sleep(wait)
        process.kill()
        stopped += process.wait() != 0
        made = Tables.open(project)
        n = 3 if made.version == first.version else 4
        assert len(rows(made, "interactions")) == n
        if n == 4:
            break
    assert stopped
    check(project, moment)
    made = Tables.open(project)
    assert_equal(made, rebuilt(project, moment, before, small.root / "rebuilt"))
