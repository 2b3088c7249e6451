"""`undo RUN`: what stood there before comes back, and what changed since is left alone."""

import sqlite3

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from command_kit import Site, counts
from emit_kit import COLUMNS, DAY_1, DAY_2, DAY_3, fill, rows, score_run, sql_toml

from scoring.crm.sql import SqlSink
from scoring.emit.undo import undo

DAY, NEXT, THIRD = "2026-11-21", "2026-11-22", "2026-11-23"


@pytest.fixture
def site(tmp_path, database):
    """Scores of two nights in the table: in the second the even leads moved by one."""
    fill(database, 10)
    found = Site(tmp_path / "site", sql_toml(database.url.render_as_string(hide_password=False)))
    found.root.mkdir()
    found.settings()
    moved = score_run(10)
    moved["score"] += [i % 2 == 0 for i in range(10)]
    for day, scores, name in ((DAY_1, score_run(10), DAY), (DAY_2, moved, NEXT)):
        found.scored(day, scores)
        found.json("emit", "--as-of", name)
    return found


def change(database, lead, **values):
    with database.begin() as connection:
        for column, value in values.items():
            update = f"UPDATE leads SET {column} = :value WHERE lead_id = :lead"
            connection.execute(sa.text(update), {"value": value, "lead": lead})


def ours(database):
    return {lead: {c: row[c] for c in COLUMNS} for lead, row in rows(database).items()}


def test_the_newest_run_is_undone_and_then_the_first(site, database):
    site_before = ours(database)
    assert counts(site.json("undo", NEXT)) == {"restored": 5}
    after = ours(database)
    assert [after[f"L{i:05d}"]["score"] for i in range(10)] == score_run(10)["score"].tolist()
    assert {str(row["score_updated_on"]) for row in after.values()} == {"2026-11-21"}
    assert counts(site.json("undo", NEXT)) == {}
    # What stands there is what the first night left: sending it again changes nothing.
    assert counts(site.json("emit", "--as-of", NEXT)) == {"unchanged": 5, "sent": 5}
    assert ours(database) == site_before
    site.json("undo", NEXT)
    assert counts(site.json("undo", DAY)) == {"restored": 10}
    assert all(value is None for row in ours(database).values() for value in row.values())
    site.scored(DAY_3, score_run(10))
    assert counts(site.json("emit", "--as-of", THIRD)) == {"sent": 10}


def test_records_changed_since_are_left_alone(site, database):
    change(database, "L00002", score=1)
    change(database, "L00004", phase="won")
    with database.begin() as connection:
        connection.exec_driver_sql("DELETE FROM leads WHERE lead_id = 'L00006'")
    said = site.run("undo", NEXT)
    assert "3 restored" in said
    assert "changed in the CRM since" in said
    found = rows(database)
    assert found["L00002"]["score"] == 1
    assert (found["L00004"]["score"], found["L00004"]["phase"]) == (4 * 37 % 101, "won")


def test_an_older_run_leaves_what_a_newer_one_wrote(site, database):
    before = ours(database)
    answer = counts(site.json("undo", DAY))
    assert answer == {"restored": 5, "skipped": 5}
    after = ours(database)
    assert {lead for lead in after if after[lead] != before[lead]} == {
        f"L{i:05d}" for i in range(1, 10, 2)
    }


def test_values_that_were_there_before_us_come_back(tmp_path, database):
    fill(database, 3)
    change(database, "L00001", score=55, why="theirs", score_updated_on="2026-01-02")
    site = Site(tmp_path / "site", sql_toml(database.url.render_as_string(hide_password=False)))
    site.root.mkdir()
    site.settings()
    site.scored(DAY_1, score_run(3))
    before = rows(database)
    site.json("emit", "--as-of", DAY)
    assert counts(site.json("undo", DAY)) == {"restored": 3}
    assert rows(database) == before


def test_a_cleared_record_gets_its_values_back(site, database):
    site.scored(DAY_3, score_run(8))
    before = ours(database)
    site.json("emit", "--as-of", THIRD)
    assert ours(database)["L00009"]["score"] is None
    answer = site.json("undo", THIRD)
    assert counts(answer)["restored"] >= 2
    assert ours(database) == before
    # The ledger knows that they are there, so the lead is cleared again when it must.
    assert site.json("emit", "--as-of", THIRD)["cleared"] == 2


def test_an_undo_that_was_cut_off_goes_on(site, database, monkeypatch):
    monkeypatch.setattr(SqlSink, "batch_size", 2)
    write, calls = SqlSink.write, []

    def cut_off(self, changes):
        calls.append(len(changes))
        if len(calls) == 2:
            write(self, changes)
            raise KeyboardInterrupt
        return write(self, changes)

    monkeypatch.setattr(SqlSink, "write", cut_off)
    with pytest.raises(KeyboardInterrupt):
        undo(site.project, "conversion", DAY_2, now=DAY_3)
    monkeypatch.undo()
    # Two were put back and not recorded: they are found as they should be.
    assert counts(site.json("undo", NEXT)) == {"restored": 1, "unchanged": 2}
    assert [ours(database)[f"L{i:05d}"]["score"] for i in range(10)] == score_run(10)[
        "score"
    ].tolist()


def test_what_the_table_refuses_is_reported(tmp_path, database):
    """What stood there before may not be allowed any more."""
    fill(database, 4, check="CHECK (score IS NULL OR score <> 7)")
    site = Site(tmp_path / "site", sql_toml(database.url.render_as_string(hide_password=False)))
    site.root.mkdir()
    site.settings()
    site.scored(DAY_1, score_run(4))
    site.json("emit", "--as-of", DAY)
    with sqlite3.connect(site.root / ".scoring" / "ledger.db") as db:
        db.execute(
            "UPDATE deliveries SET previous = json_set(previous, '$.score', 7)"
            " WHERE lead_id = 'L00002'"
        )
    db.close()
    answer = site.json("undo", DAY, code=4)
    assert counts(answer) == {"restored": 3, "rejected": 1}


def test_a_run_that_delivered_nothing_is_named(site):
    assert "20261121T220000Z" in site.run("undo", "2026-11-29", code=2)
    assert "not a date" in site.run("undo", "last", code=2)


def test_columns_that_the_settings_lost_are_named(site):
    site.emit = site.emit.replace("'why', ", "")
    site.settings()
    assert '"why"' in site.run("undo", NEXT, code=2)


def test_files_get_the_values_of_the_run_before(tmp_path):
    site = Site(tmp_path / "site", 'sink = "files"\ncolumns = ["score", "why"]\n')
    site.root.mkdir()
    site.settings()
    site.scored(DAY_1, score_run(3))
    site.json("emit", "--as-of", DAY)
    site.scored(DAY_2, score_run(4).assign(score=9))
    site.json("emit", "--as-of", NEXT)
    folder = site.root / "out" / "emit" / "conversion"
    before = set(folder.iterdir())
    assert counts(site.json("undo", NEXT)) == {"restored": 4}
    (made,) = [path for path in folder.iterdir() if path not in before and path.suffix != ".csv"]
    found = {
        row["lead_id"]: (row["score"], row["cleared"]) for row in pq.read_table(made).to_pylist()
    }
    assert found == {
        "L00000": (0, False),
        "L00001": (37, False),
        "L00002": (74, False),
        "L00003": (None, True),
    }
