"""What `emit` survives: a killed process, a stop signal, a database that goes away or is locked."""

import json
import logging
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa
from emit_kit import (
    DAY_1,
    DAY_2,
    DAY_3,
    emit,
    fill,
    ledger_rows,
    rows,
    score_run,
    sql_toml,
    write_toml,
)

from scoring.crm import database as reaching
from scoring.crm.sql import SqlSink
from scoring.emit.ledger import Ledger
from scoring.errors import ConfigError, ScoringError, TryLater

SCRIPT = Path(__file__).with_name("emit_once.py")


def emit_in_process(project, scores, as_of, how, batch):
    path = project.root / "scores.parquet"
    scores.to_parquet(path)
    command = [sys.executable, str(SCRIPT), str(project.root), str(path), as_of.isoformat()]
    return subprocess.run([*command, how, str(batch)], capture_output=True, timeout=60)


def holds(engine, scores):
    held = rows(engine)
    return [held[lead]["score"] for lead in scores["lead_id"]] == scores["score"].tolist()


def test_kill_9_between_the_commit_and_our_record_sends_again(database, project):
    fill(database, 200)
    here, scores = project(database), score_run(200)
    killed = emit_in_process(here, scores, DAY_1, "killed-before-settle", 2)
    assert killed.returncode == -signal.SIGKILL
    there = [row["score"] for row in rows(database).values()]
    assert sum(score is not None for score in there) == 100
    assert sum(outcome == "sent" for _, outcome, _ in ledger_rows(here)) == 50
    result = emit(here, "conversion", DAY_1, scores)
    assert result.to_json() | {"sent": 150, "unchanged": 50} == result.to_json()
    assert holds(database, scores)
    assert {outcome for _, outcome, _ in ledger_rows(here)} == {"sent"}
    with sqlite3.connect(here.store / "ledger.db") as db:
        found = db.execute("SELECT previous FROM deliveries").fetchall()
    db.close()
    # What the killed run had written already must not pass for what stood there before.
    assert {json.loads(previous)["score"] for (previous,) in found} == {None}


def test_a_write_in_doubt_goes_out_even_if_the_score_moved_back(database, project):
    fill(database, 10)
    here, scores = project(database), score_run(10)
    emit(here, "conversion", DAY_1, scores)
    emit_in_process(here, scores.assign(score=50), DAY_2, "killed-before-settle", 1)
    assert not holds(database, scores)
    emit(here, "conversion", DAY_3, scores)
    assert holds(database, scores)


def test_a_lead_that_closed_while_its_write_was_in_doubt_is_cleared(database, project):
    fill(database, 10)
    here, scores = project(database), score_run(10)
    emit_in_process(here, scores, DAY_1, "killed-before-settle", 1)
    assert rows(database)["L00009"]["score"] is not None
    assert emit(here, "conversion", DAY_2, scores[:9]).cleared == 1
    assert rows(database)["L00009"]["score"] is None


def test_sigterm_ends_after_the_batch_in_flight(database, project):
    fill(database, 200)
    here, scores = project(database), score_run(200)
    stopped = emit_in_process(here, scores, DAY_1, "stopped-in-write", 2)
    assert stopped.returncode == 143, stopped.stderr.decode()
    assert sum(outcome == "sent" for _, outcome, _ in ledger_rows(here)) == 100
    assert len(ledger_rows(here)) == 100
    result = emit(here, "conversion", DAY_1, scores)
    assert (result.sent, result.unchanged) == (100, 100)
    assert holds(database, scores)


@pytest.mark.slow
def test_sigterm_while_waiting_for_a_lock_ends_within_ten_seconds(server, project):
    fill(server, 20)
    here = project(server)
    with server.connect() as other:
        other.exec_driver_sql("UPDATE leads SET company = 'x' WHERE lead_id = 'L00003'")
        began = time.monotonic()
        stopped = emit_in_process(here, score_run(20), DAY_1, "stopped-in-write", 1)
        other.rollback()
    assert stopped.returncode == 143, stopped.stderr.decode()
    assert time.monotonic() - began < 10
    assert emit(here, "conversion", DAY_1, score_run(20)).sent == 20


def test_the_server_goes_away_in_the_middle(server, project, monkeypatch):
    fill(server, 120)
    here, scores = project(server), score_run(120)
    monkeypatch.setattr(SqlSink, "batch_size", 40)
    update, calls = SqlSink._update, []

    def cut_off(self, connection, part):
        calls.append(len(part))
        if len(calls) == 2:
            with server.connect().execution_options(isolation_level="AUTOCOMMIT") as admin:
                admin.execute(
                    sa.text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE pid <> pg_backend_pid() AND datname = current_database()"
                    )
                )
        return update(self, connection, part)

    monkeypatch.setattr(SqlSink, "_update", cut_off)
    with pytest.raises(TryLater) as raised:
        emit(here, "conversion", DAY_1, scores)
    counts = raised.value.result.to_json()
    assert counts | {"sent": 40, "retry": 80} == counts
    assert calls == [40, 40]
    monkeypatch.setattr(SqlSink, "_update", update)
    assert emit(here, "conversion", DAY_1, scores).sent == 80
    assert holds(server, scores)


def test_a_locked_table_is_later_not_a_rejection(database, project, monkeypatch):
    fill(database, 20)
    if database.dialect.name == "sqlite":
        monkeypatch.setitem(reaching.PATIENCE, "pysqlite", {"timeout": 0.2})
    else:
        monkeypatch.setattr(reaching, "LOCK_SECONDS", 1)
    here, scores = project(database), score_run(20)
    with database.connect() as other:
        if database.dialect.name == "sqlite":
            other.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            other.exec_driver_sql("UPDATE leads SET company = 'x' WHERE lead_id = 'L00003'")
        with pytest.raises(TryLater) as raised:
            emit(here, "conversion", DAY_1, scores)
        other.rollback()
    assert raised.value.result.retry == 20
    assert emit(here, "conversion", DAY_1, scores).sent == 20


def test_a_night_without_the_database_then_the_latest_once(tmp_path, server):
    fill(server, 10)
    scores = score_run(10)
    url = server.url.render_as_string(hide_password=False)
    down = write_toml(tmp_path, sql_toml("postgresql://nobody@127.0.0.1:1/crm"))
    with pytest.raises(TryLater) as raised:
        emit(down, "conversion", DAY_1, scores)
    assert raised.value.exit_code == 75
    assert raised.value.result.retry == 10
    up = write_toml(tmp_path, sql_toml(url))
    newer = scores.assign(score=scores["score"] // 2)
    assert emit(up, "conversion", DAY_2, newer).sent == 10
    assert holds(server, newer)


def test_dry_run_writes_nothing_at_the_server(server, project):
    fill(server, 30)
    here = project(server)
    emit(here, "conversion", DAY_1, score_run(30))
    with server.connect().execution_options(isolation_level="AUTOCOMMIT") as admin:
        admin.execute(sa.text("ALTER TABLE leads SET (autovacuum_enabled = off)"))
        admin.execute(sa.text("SET stats_fetch_consistency = none"))
        next_id = sa.text("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")
        log = ledger_rows(here)
        before = admin.execute(next_id).scalar_one()
        scores = score_run(31)[5:]
        scores.loc[7, "score"] = 98
        result = emit(here, "conversion", DAY_2, scores, dry_run=True)
        # A transaction that writes or locks a row takes an ID: none was taken.
        assert admin.execute(next_id).scalar_one() == before
    assert ledger_rows(here) == log
    counts = result.to_json()
    assert counts | {"sent": 1, "skipped": 1, "unchanged": 24, "cleared": 5} == counts
    assert (result.plan.send, result.plan.clear) == (2, 5)
    assert result.plan.columns["score"] == 2
    moved = {row["lead_id"]: row for row in result.plan.rows}["L00007"]
    assert (moved["score_before"], moved["score"]) == (57, 98)


def test_dry_run_makes_no_ledger(database, project):
    fill(database, 3)
    here = project(database)
    assert emit(here, "conversion", DAY_1, score_run(3), dry_run=True).sent == 3
    assert not here.store.exists()


def test_a_trigger_that_changes_our_value_is_found_by_reading_back(server, project):
    fill(server, 30)
    with server.begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " NEW.attention := upper(NEW.attention); RETURN NEW; END $$"
        )
        connection.exec_driver_sql(
            "CREATE TRIGGER shout BEFORE UPDATE ON leads FOR EACH ROW EXECUTE FUNCTION shout()"
        )
    with pytest.raises(ScoringError) as raised:
        emit(project(server), "conversion", DAY_1, score_run(30))
    assert raised.value.result.codes == {"read_back_differs": 30}


def test_a_trigger_that_refuses_one_record_does_not_stop_the_rest(server, project):
    fill(server, 30)
    with server.begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF NEW.lead_id = 'L00011' THEN RAISE EXCEPTION 'frozen'; END IF;"
            " RETURN NEW; END $$"
        )
        connection.exec_driver_sql(
            "CREATE TRIGGER no BEFORE UPDATE ON leads FOR EACH ROW EXECUTE FUNCTION no()"
        )
    with pytest.raises(ScoringError) as raised:
        emit(project(server), "conversion", DAY_1, score_run(30))
    assert raised.value.result.codes == {"P0001": 1}
    assert raised.value.result.sent == 29


@pytest.fixture
def reader(server):
    """A user with a password who may only read."""
    with server.begin() as connection:
        connection.exec_driver_sql("DROP ROLE IF EXISTS reader")
        connection.exec_driver_sql("CREATE ROLE reader LOGIN PASSWORD 'tiger-9137'")
    yield server.url.set(username="reader", password="tiger-9137")
    with server.begin() as connection:
        connection.exec_driver_sql("DROP OWNED BY reader")
        connection.exec_driver_sql("DROP ROLE reader")


def test_a_user_who_may_not_write_is_a_setting_to_change(
    server, reader, tmp_path, monkeypatch, caplog
):
    caplog.set_level(logging.DEBUG)
    fill(server, 5)
    with server.begin() as connection:
        connection.exec_driver_sql("GRANT SELECT ON leads TO reader")
    monkeypatch.setenv("CRM_URL", reader.render_as_string(hide_password=False))
    toml = sql_toml("", extra='url_env = "CRM_URL"')
    here = write_toml(tmp_path, toml)
    with pytest.raises(ConfigError, match="42501") as raised:
        emit(here, "conversion", DAY_1, score_run(5))
    ledger = (here.store / "ledger.db").read_bytes()
    for text in (str(raised.value), repr(raised.value), caplog.text, str(ledger)):
        assert "tiger" not in text


@pytest.mark.parametrize("url", ["postgresql://u:tiger@h:x/db", "tiger", "nodb://u:tiger@h/d"])
def test_a_broken_address_is_refused_without_showing_it(tmp_path, monkeypatch, url):
    monkeypatch.setenv("CRM_URL", url)
    here = write_toml(tmp_path, sql_toml("", extra='url_env = "CRM_URL"'))
    with pytest.raises(ConfigError) as raised:
        emit(here, "conversion", DAY_1, score_run(2))
    assert "tiger" not in str(raised.value)


def test_an_unset_address_lists_the_places_searched(tmp_path, monkeypatch):
    monkeypatch.delenv("CRM_URL", raising=False)
    here = write_toml(tmp_path, sql_toml("", extra='url_env = "CRM_URL"'))
    with pytest.raises(ConfigError, match=r"CRM_URL.*emit\.url in scoring\.toml"):
        emit(here, "conversion", DAY_1, score_run(2))


def test_a_password_in_the_settings_file_is_refused(tmp_path):
    here = write_toml(tmp_path, sql_toml("postgresql://u:tiger@h/db"))
    with pytest.raises(ConfigError, match="holds a password") as raised:
        emit(here, "conversion", DAY_1, score_run(2))
    assert "tiger" not in str(raised.value)


def test_a_missing_sqlite_file_is_not_created(tmp_path):
    here = write_toml(tmp_path, sql_toml("sqlite:///crm.db"))
    with pytest.raises(ConfigError, match=r"crm\.db"):
        emit(here, "conversion", DAY_1, score_run(2))
    assert not (tmp_path / "crm.db").exists()


def test_a_database_or_user_that_does_not_exist_is_a_setting(server, tmp_path):
    for url in (server.url.set(database="nowhere"), server.url.set(username="stranger")):
        here = write_toml(tmp_path, sql_toml(url.render_as_string(hide_password=False)))
        with pytest.raises(ConfigError):
            emit(here, "conversion", DAY_1, score_run(2))


def test_a_ledger_of_another_version_or_damaged_is_refused(tmp_path):
    path = tmp_path / "ledger.db"
    Ledger(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(ScoringError, match="format version 99"):
        Ledger(path)
    other = tmp_path / "other.db"
    other.write_bytes(b"not a database" * 100)
    with pytest.raises(ScoringError, match="damaged"):
        Ledger(other)


def test_duplicate_leads_are_a_fault_of_the_run(tmp_path):
    here = write_toml(tmp_path, "")
    twice = pd.concat([score_run(2), score_run(1)])
    with pytest.raises(ScoringError):
        emit(here, "conversion", DAY_1, twice)
