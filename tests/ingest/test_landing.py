"""What lands, what is live, what is held: the three modes against a naive twin."""

import errno
import os
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoring.errors import ConfigError, Held, TryLater
from scoring.ingest.landing import landed_views, landing_fingerprint
from scoring.store import publish


def csv(*rows: str, header: str = "id,n") -> str:
    return "".join(f"{line}\n" for line in (header, *rows))


# --- the naive twin ---------------------------------------------------------------------------


class Twin:
    """What is live, by the words of the three modes: full is the last delivery; append and
    changes keep, of each file, every row as often as one delivery of it ever held it."""

    def __init__(self) -> None:
        self.full = Counter()
        self.by_file: dict[str, Counter] = {}

    def deliver(self, mode: str, files: dict[str, list[str]]) -> None:
        if mode == "full":
            self.full = sum((Counter(rows) for rows in files.values()), Counter())
        for name, rows in files.items():
            self.by_file[name] = self.by_file.get(name, Counter()) | Counter(rows)

    def live(self, mode: str) -> Counter:
        return self.full if mode == "full" else sum(self.by_file.values(), Counter())


ROWS = st.lists(st.sampled_from(["a,1", "a,2", "b,1", "c,", 'c,""']), min_size=1, max_size=6)
DELIVERY = st.dictionaries(st.sampled_from(["x", "y", "z"]), ROWS, min_size=1, max_size=3)


@pytest.mark.parametrize("mode", ["full", "append", "changes"])
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(deliveries=st.lists(DELIVERY, min_size=1, max_size=4))
def test_live_rows_are_those_of_the_twin(new_site, mode, deliveries):
    site = new_site()
    site.declare('leads = "*.csv"', settings=f'mode = "{mode}"')
    (site.root / "scoring.toml").write_text('[project]\nname = "t"\n[limits]\nvanished_share = 1\n')
    twin = Twin()
    for n, delivery in enumerate(deliveries, 1):
        for old in site.exports.iterdir():
            old.unlink()
        for name, rows in delivery.items():
            site.write(f"{name}.csv", csv(*rows))
        before = sum(twin.live(mode).values())
        twin.deliver(mode, delivery)
        counts = site.take(n)["leads"]
        assert counts["rows_in"] == sum(len(rows) for rows in delivery.values())
        if mode != "full":
            assert counts["accepted"] == sum(twin.live(mode).values()) - before
        expected = Counter()
        for row, times in twin.live(mode).items():
            key, value = row.split(",")
            expected[(key, {"": None, '""': ""}.get(value, value))] += times
        assert site.live() == expected
        manifest = site.manifest
        again = site.take(n)["leads"]
        assert (again["accepted"], again["unchanged"]) == (0, counts["rows_in"])
        assert site.manifest == manifest


# --- lives of a row ---------------------------------------------------------------------------


def test_a_row_that_comes_back_has_a_life_of_its_own(site):
    for n, rows in enumerate([("1,a", "2,b", "3,c"), ("1,a", "3,c"), ("1,a", "2,b", "3,c")], 1):
        site.write("leads.csv", csv(*rows))
        site.take(n)
    lives = site.query(
        "SELECT day(first_landed), day(gone_landed), landed_batch FROM leads "
        "WHERE id = '2' ORDER BY ALL"
    )
    assert lives == [(1, 2, 1), (3, None, 3)]
    assert site.query("SELECT count(*) FROM leads") == [(4,)]


def test_equal_rows_are_counted_and_the_latest_goes_first(site):
    for n, times in enumerate([2, 3, 2], 1):
        site.write("leads.csv", csv(*["1,a"] * times))
        site.take(n)
    lives = site.query("SELECT day(first_landed), day(gone_landed) FROM leads ORDER BY ALL")
    assert lives == [(1, None), (1, None), (2, 3)]


def test_a_growing_file_lands_its_tail_and_a_copy_lands_whole(site):
    site.declare('leads = "**/*.csv"', settings='mode = "append"')
    site.write("2026/a.csv", csv("1,a", "1,a"))
    site.take()
    site.write("2026/a.csv", csv("1,a", "1,a", "2,b"))
    site.write("2026/b.csv", csv("1,a"))
    assert site.take(2)["leads"]["accepted"] == 2
    assert site.live() == {("1", "a"): 3, ("2", "b"): 1}


def test_unchanged_files_are_not_read_again(site, monkeypatch):
    path = site.write("leads.csv", csv("1,a"))
    site.take()
    manifest = site.manifest
    monkeypatch.setattr("scoring.ingest.run.stage", None)
    monkeypatch.setattr("scoring.ingest.files.Found.sha256", None)
    assert site.take()["leads"]["unchanged"] == 1
    assert site.manifest == manifest
    monkeypatch.undo()
    monkeypatch.setattr("scoring.ingest.run.stage", None)
    os.utime(path, ns=(1, 1))
    fingerprint = landing_fingerprint(site.project)
    assert site.take(2)["leads"]["unchanged"] == 1
    assert landing_fingerprint(site.project) == fingerprint


def test_an_older_as_of_does_not_move_the_landing_back(site):
    site.write("leads.csv", csv("1,a", "2,b"))
    site.take(9)
    site.write("leads.csv", csv("1,a", "2,b", "3,c"))
    site.take(3)
    assert site.query("SELECT DISTINCT day(first_landed) FROM leads") == [(9,)]


def test_identity_does_not_depend_on_the_engine(site):
    """The hash is MD5 over name, length and text, so anyone can compute it."""
    import hashlib
    import uuid

    site.write("leads.csv", csv("1,é", "2,"))
    site.take()
    rows = next(site.root.glob(".scoring/landing/crm/leads/*/rows.parquet"))
    with site.project.connect() as connection:
        found = connection.execute(f"SELECT landed_hash FROM '{rows}'").fetchall()
    said = ["2:id=1:11:n=2:é", "2:id=1:2"]
    assert found == [(uuid.UUID(hashlib.md5(s.encode()).hexdigest()),) for s in said]


# --- columns over time ------------------------------------------------------------------------


def test_new_columns_join_and_an_empty_one_changes_nothing(site):
    site.write("leads.csv", csv("1,a", "2,b"))
    site.take()
    site.write("leads.csv", csv("1,a,", "2,b,", header="id,n,extra"))
    assert site.take(2)["leads"]["accepted"] == 0
    assert site.live("id, extra") == {("1", None): 1, ("2", None): 1}
    site.write("leads.csv", csv("1,a,x", "2,b,", header="ID,n,extra"))
    assert site.take(3)["leads"]["accepted"] == 1
    assert site.live("id, n, extra") == {("1", "a", "x"): 1, ("2", "b", None): 1}


def test_a_column_of_changing_type_is_text(site):
    site.declare('leads = "leads-*.parquet"', settings='mode = "append"')
    for n, value in enumerate(["5::INTEGER", "5.5::DOUBLE", "'x'"], 1):
        with site.project.connect() as connection:
            target = site.exports / f"leads-{n}.parquet"
            connection.execute(f"COPY (SELECT {n} AS id, {value} AS v) TO '{target}'")
        site.take(n)
    assert site.live("id, v") == {(1, "5"): 1, (2, "5.5"): 1, (3, "x"): 1}
    with site.project.connect() as connection:
        table = landed_views(connection, site.project, "crm")["leads"]
    assert table.columns == {"id": "INTEGER", "v": "VARCHAR"}


@pytest.mark.parametrize("mode", ["full", "append"])
def test_a_renamed_column_is_held_and_the_likely_name_given(site, mode):
    site.declare('leads = "*.csv"', settings=f'mode = "{mode}"')
    site.write("a.csv", csv("1,a", header="id,created_at"))
    site.take()
    manifest = site.manifest
    site.write("b.csv", csv("2,b", header="id,createdat"))
    with pytest.raises(Held, match=r'no column "created_at" any more\. Did you mean "createdat"'):
        site.run(2)
    assert site.manifest == manifest


# --- held -------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", ["", "id,n\n", "\ufeff", "\n"])
def test_an_empty_table_is_held(site, content):
    site.write("leads.csv", content)
    with pytest.raises(Held, match=r"leads\.csv of crm\.leads has no rows"):
        site.run()
    assert not (site.root / ".scoring/landing/manifest.json").exists()


@pytest.mark.parametrize("content", ["", "lead_id,occurred_at,type\n"])
def test_interactions_may_be_empty_until_they_had_rows(site, content):
    site.declare('interactions = "i.csv"')
    site.write("i.csv", content)
    assert site.take()["interactions"]["rows_in"] == 0
    assert site.query("SELECT count(*) FROM interactions") == [(0,)]
    site.write("i.csv", csv("1,2026-01-01,call", header="lead_id,occurred_at,type"))
    assert site.take(2)["interactions"]["accepted"] == 1
    site.write("i.csv", content)
    with pytest.raises(Held, match="no rows"):
        site.run(3)


def test_a_day_without_rows_is_fine_in_append(site):
    site.declare('leads = "*.csv"', settings='mode = "append"')
    site.write("a.csv", csv("1,a"))
    site.write("b.csv", csv())
    assert site.take()["leads"]["accepted"] == 1
    site.write("a.csv", csv())
    with pytest.raises(Held, match=r"a\.csv .* no rows"):
        site.run(2)


def test_half_of_the_rows_gone_is_held_unless_allowed(site):
    site.write("leads.csv", csv("1,a", "2,b", "3,c", "4,d"))
    site.take()
    site.write("leads.csv", csv("1,changed", "2,changed", "3,changed"))
    assert site.take(2)["leads"]["accepted"] == 3
    manifest = site.manifest
    site.write("leads.csv", csv("1,changed"))
    with pytest.raises(Held, match=r"2 rows fewer than the 3 .*67%; the limit is 50%"):
        site.run(3)
    assert site.manifest == manifest
    (site.root / "scoring.toml").write_text('[project]\nname = "t"\n[limits]\nvanished_share = 1\n')
    site.take(3)
    assert site.live() == {("1", "changed"): 1}


def test_one_held_table_publishes_none(site):
    site.declare('leads = "leads.csv"\noutcomes = "outcomes.csv"')
    site.write("leads.csv", csv("1,a"))
    site.write("outcomes.csv", "")
    with pytest.raises(Held):
        site.run()
    assert not (site.root / ".scoring/landing/manifest.json").exists()
    site.write("outcomes.csv", csv("1,won"))
    assert site.take()["leads"]["accepted"] == 1
    assert len(list(site.root.glob(".scoring/landing/crm/leads/*"))) == 1


# --- where files are --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../leads.csv", "a/../../leads.csv", "/etc/hostname", ""])
def test_files_stay_below_the_source(site, name):
    site.declare(f'leads = "{name}"')
    with pytest.raises(ConfigError, match="must be a name or pattern below"):
        site.run()


def test_missing_file_and_folder_say_what_is_there(site):
    site.write("lead.csv", csv("1,a"))
    with pytest.raises(ConfigError, match=r'matches "leads\.csv".*Did you mean "lead\.csv"'):
        site.run()
    site.declare(path="~/exports")
    with pytest.raises(ConfigError, match=r"folder of crm\.leads is not there"):
        site.run()


def test_names_that_look_like_patterns_or_sql(site):
    site.declare('leads = "le\'ads [1].csv"')
    site.write("le'ads [1].csv", csv("1,a"))
    site.write("le'ads 1.csv", csv("2,b"))
    assert site.take()["leads"]["accepted"] == 1
    assert site.live() == {("1", "a"): 1}


def test_two_sources_and_a_table_that_has_not_landed(site):
    site.write("leads.csv", csv("1,a"))
    with pytest.raises(ConfigError, match="scoring ingest"):
        site.live()
    text = (site.root / "data/sources.toml").read_text()
    (site.root / "data/sources.toml").write_text(text + text.replace("crm", "erp"))
    assert set(site.take()) == {"crm.leads", "erp.leads"}


# --- failures ---------------------------------------------------------------------------------


def test_a_full_disk_means_later_and_leaves_the_old_state(site, monkeypatch):
    site.write("leads.csv", csv("1,a", "2,b"))
    site.take()
    manifest = site.manifest
    site.write("leads.csv", csv("1,a", "2,b", "3,c"))

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(publish, "sync_tree", full)
    with pytest.raises(TryLater, match="disk is full"):
        site.run(2)
    assert site.manifest == manifest
    monkeypatch.undo()
    assert site.take(2)["leads"]["accepted"] == 1


def test_a_file_that_changes_while_it_is_read(site, monkeypatch):
    from scoring.ingest import run

    path = site.write("leads.csv", csv("1,a"))
    read = run.stage

    def slow(*args):
        staged = read(*args)
        path.write_text(csv("1,a", "2,b"))
        return staged

    monkeypatch.setattr(run, "stage", slow)
    with pytest.raises(TryLater, match=r"leads\.csv .* changed while it was read"):
        site.run()


def test_leftovers_are_removed(site):
    site.write("leads.csv", csv("1,a"))
    site.take()
    landing = site.root / ".scoring/landing/crm"
    (landing / "leads" / "0002-deadbeef").mkdir()
    (landing / "other").mkdir()
    site.take(2)
    assert sorted(p.name for p in landing.iterdir()) == ["leads"]
    assert len(list((landing / "leads").iterdir())) == 1
    assert not (site.root / ".scoring/tmp/ingest").exists()


def test_result_counts_gone_rows_apart(site):
    site.write("leads.csv", csv("1,a", "2,b", "3,c"))
    site.take()
    site.write("leads.csv", csv("1,a", "2,b"))
    result = site.run(2)
    assert result.tables["leads"].gone == 1
    assert result.to_json()["leads"]["rows_in"] == 2
