"""Sellers' answers: a column that we create and never write, read back as the table `feedback`."""

from datetime import UTC, datetime, timedelta

import duckdb
import pytest
import sqlalchemy as sa
from command_kit import Site
from emit_kit import DAY_1, DAY_2, fill, rows, score_run, sql_toml

from scoring.check.run import check
from scoring.check.tables import Tables
from scoring.clock import Moment
from scoring.ingest.feedback import collect
from scoring.ingest.run import ingest

COLUMN = "ls_score_feedback"


@pytest.fixture
def site(tmp_path, database):
    fill(database, 4)
    toml = sql_toml(database.url.render_as_string(hide_password=False), extra='prefix = "ls_"\n')
    site = Site(tmp_path / "site", toml.replace("['score',", "['score_feedback', 'score',"))
    site.root.mkdir()
    site.settings()
    site.scored(DAY_1, score_run(4))
    site.json("emit", "--as-of", "2026-11-21", "--apply-fields")
    folder = site.root / "exports"
    folder.mkdir()
    ids = [f"L{i:05d}" for i in range(4)]
    leads = "\n".join(["lead_id,created_at", *(f"{i},2026-01-01T00:00:00Z" for i in ids)])
    (folder / "leads.csv").write_text(leads + "\n")
    (folder / "interactions.csv").write_text(
        "lead_id,occurred_at,type\nL00001,2026-02-01T00:00:00Z,call\n"
    )
    (folder / "outcomes.csv").write_text(
        "lead_id,outcome,decided_at\nL00003,lost,2026-03-01T00:00:00Z\n"
    )
    (site.root / "data").mkdir()
    (site.root / "data" / "sources.toml").write_text(
        '[sources.crm]\npath = "exports"\n[sources.crm.tables]\nleads = "leads.csv"\n'
        'interactions = "interactions.csv"\noutcomes = "outcomes.csv"\n'
    )
    return site


def answer(database, **given):
    with database.begin() as connection:
        for lead, verdict in given.items():
            connection.execute(
                sa.text(f"UPDATE leads SET {COLUMN} = :verdict WHERE lead_id = :lead"),
                {"verdict": verdict, "lead": lead},
            )


def night(day, hour=2):
    as_of = datetime(2026, 11, day, 22, tzinfo=UTC)
    return Moment(as_of=as_of, now=as_of + timedelta(hours=hour))


def landed(site):
    tables = Tables.open(site.project)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        query = f"SELECT lead_id, verdict, given_at FROM {tables.scan('feedback')} ORDER BY ALL"
        return connection.execute(query).fetchall()


def test_an_answer_becomes_a_row_of_feedback_once(site, database):
    ingest(site.project, night(20))
    check(site.project, night(20))
    answer(database, L00000="too_high", L00001="agree", L00002="nonsense")
    for day in (21, 22):
        ingest(site.project, night(day))
        check(site.project, night(day))
        # Naive UTC in the store: the moment at which it was first seen.
        seen = (night(21).now).replace(tzinfo=None)
        assert landed(site) == [("L00000", "too_high", seen), ("L00001", "agree", seen)]
    answer(database, L00000="not_a_tire_kicker", L00001=None)
    ingest(site.project, night(23))
    check(site.project, night(23))
    assert [row[:2] for row in landed(site)] == [
        ("L00000", "not_a_tire_kicker"),
        ("L00000", "too_high"),
        ("L00001", "agree"),
    ]


def test_the_column_is_created_and_never_written(site, database):
    answer(database, L00000="too_low")
    site.scored(DAY_2, score_run(3).assign(score=99))
    assert site.json("emit", "--as-of", "2026-11-22")["sent"] == 3
    assert rows(database)["L00000"][COLUMN] == "too_low"
    site.json("undo", "2026-11-22")
    site.json("emit", "--as-of", "2026-11-22", "--clear")
    assert rows(database)["L00000"][COLUMN] == "too_low"
    assert rows(database)["L00000"]["ls_score"] is None


def test_nothing_is_looked_for_where_the_column_is_not_asked_for(site, database):
    answer(database, L00000="too_low")
    site.emit = site.emit.replace("'score_feedback', ", "")
    site.settings()
    assert collect(site.project, night(21)) == 0


def test_a_database_that_is_away_stops_no_ingest(site, database, caplog):
    text = "postgresql://nobody@127.0.0.1:1/crm"
    toml = (site.root / "scoring.toml").read_text()
    url = database.url.render_as_string(hide_password=False)
    (site.root / "scoring.toml").write_text(toml.replace(url, text))
    ingest(site.project, night(21))
    assert "answers were not read" in caplog.text
