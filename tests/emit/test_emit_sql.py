"""Scores in a table, on SQLite and on PostgreSQL: what is written, what is left alone."""

import json
import sqlite3
from datetime import date

import pandas as pd
import pytest
import sqlalchemy as sa
from emit_kit import (
    COLUMNS,
    DAY_1,
    DAY_2,
    DAY_3,
    TABLE,
    emit,
    fill,
    ledger_rows,
    rows,
    score_run,
    sql_toml,
    write_toml,
)

from scoring.crm.sql import SqlSink
from scoring.errors import ConfigError, PartlyRejected


def added_up(result, scores):
    counts = result.to_json()
    cleared = counts.pop("cleared")
    assert sum(counts.values()) == len(scores)
    return {k: v for k, v in {**counts, "cleared": cleared}.items() if v}


def test_first_delivery_writes_our_columns_and_no_others(database, project):
    fill(database, 12)
    before = rows(database)
    scores = score_run(10)
    result = emit(project(database), "conversion", DAY_1, scores)
    assert added_up(result, scores) == {"sent": 10}
    after = rows(database)
    for row in scores.to_dict("records"):
        held = after[row["lead_id"]]
        for column in ("score", "attention", "why"):
            assert held[column] == row[column]
        assert held["next_step"] == (None if pd.isna(row["next_step"]) else row["next_step"])
        # 22:00 UTC is midnight in Helsinki: the local date is the next one.
        assert str(held["score_updated_on"]) == "2026-11-21"
    theirs = ("company", "phase")
    assert {k: [v[c] for c in theirs] for k, v in after.items()} == {
        k: [v[c] for c in theirs] for k, v in before.items()
    }
    assert after["L00010"] == before["L00010"]
    assert after["L00011"] == before["L00011"]


def test_same_date_again_sends_nothing(database, project):
    fill(database, 10)
    scores = score_run(10)
    here = project(database)
    emit(here, "conversion", DAY_1, scores)
    log = ledger_rows(here)
    again = emit(here, "conversion", DAY_1, scores)
    assert added_up(again, scores) == {"unchanged": 10}
    assert ledger_rows(here) == log


@pytest.mark.parametrize("column", ["score", "grade", "next_step", "attention", "why_key"])
def test_each_compared_column_sends_the_record(database, project, column):
    fill(database, 10)
    here, scores = project(database), score_run(10)
    emit(here, "conversion", DAY_1, scores)
    new = {"score": 99, "grade": "Z", "next_step": "nurture", "attention": "low_engagement"}
    scores.loc[3, column] = new.get(column, "meetings")
    result = emit(here, "conversion", DAY_2, scores)
    assert added_up(result, scores) == {"sent": 1, "unchanged": 9}
    dates = {lead: str(row["score_updated_on"]) for lead, row in rows(database).items()}
    assert {lead for lead, day in dates.items() if day == "2026-11-22"} == {"L00003"}


def test_words_and_probability_alone_do_not_send(database, project):
    fill(database, 10)
    here, scores = project(database), score_run(10)
    emit(here, "conversion", DAY_1, scores)
    scores["why"] = "+ other words"
    scores["probability"] += 0.2
    assert added_up(emit(here, "conversion", DAY_2, scores), scores) == {"unchanged": 10}


def test_unknown_lead_is_skipped_and_tried_again(database, project):
    fill(database, 8)
    here, scores = project(database), score_run(10)
    result = emit(here, "conversion", DAY_1, scores)
    assert added_up(result, scores) == {"sent": 8, "skipped": 2}
    assert result.codes == {"no_such_record": 2}
    with database.begin() as connection:
        connection.execute(sa.text("INSERT INTO leads (lead_id) VALUES ('L00009')"))
    result = emit(here, "conversion", DAY_2, scores)
    assert added_up(result, scores) == {"unchanged": 8, "sent": 1, "skipped": 1}


def test_closed_leads_are_cleared_once(database, project):
    fill(database, 10)
    here, scores = project(database), score_run(10)
    emit(here, "conversion", DAY_1, scores)
    assert added_up(emit(here, "conversion", DAY_2, scores[:7]), scores[:7]) == {
        "unchanged": 7,
        "cleared": 3,
    }
    held = rows(database)
    assert all(held["L00008"][c] is None for c in COLUMNS)
    assert held["L00008"]["company"] == "company 8"
    assert added_up(emit(here, "conversion", DAY_2, scores[:7]), scores[:7]) == {"unchanged": 7}
    # The lead is open again: it holds nothing of ours, so it is sent although nothing moved.
    result = emit(here, "conversion", DAY_3, scores[:8])
    assert added_up(result, scores[:8]) == {"unchanged": 7, "sent": 1}


def test_no_scores_means_no_writes(database, project):
    fill(database, 5)
    here = project(database)
    emit(here, "conversion", DAY_1, score_run(5))
    before = rows(database)
    assert added_up(emit(here, "conversion", DAY_2, score_run(0)), []) == {}
    assert rows(database) == before


def test_an_older_date_does_not_overwrite_a_newer_one(database, project):
    fill(database, 10)
    here, scores = project(database), score_run(10)
    emit(here, "conversion", DAY_2, scores)
    before = rows(database)
    older = scores.assign(score=1)[:5]
    result = emit(here, "conversion", DAY_1, older)
    assert added_up(result, older) == {"skipped": 5}
    assert rows(database) == before


def test_a_newer_date_that_changed_nothing_still_counts_as_newer(database, project):
    fill(database, 10)
    here, scores = project(database), score_run(10)
    emit(here, "conversion", DAY_1, scores)
    emit(here, "conversion", DAY_3, scores)
    assert added_up(emit(here, "conversion", DAY_2, scores.assign(score=1)), scores) == {
        "skipped": 10
    }


def test_bad_records_are_isolated_and_the_rest_delivered(database, project):
    fill(database, 120, check="CHECK (score IS NULL OR score < 90)")
    here, scores = project(database), score_run(120)
    bad = set(scores.loc[scores["score"] >= 90, "lead_id"])
    with pytest.raises(PartlyRejected) as raised:
        emit(here, "conversion", DAY_1, scores)
    result = raised.value.result
    assert added_up(result, scores) == {"sent": 120 - len(bad), "rejected": len(bad)}
    code = "23514" if database.dialect.name == "postgresql" else "SQLITE_CONSTRAINT_CHECK"
    assert set(result.codes) == {code}
    assert code in str(raised.value)
    assert {(lead, c) for lead, outcome, c in ledger_rows(here) if outcome == "rejected"} == {
        (lead, code) for lead in bad
    }
    held = rows(database)
    assert {lead for lead, row in held.items() if row["score"] is None} == bad
    # The next night they are tried again, and they alone.
    with database.begin() as connection:
        connection.execute(sa.text("DELETE FROM leads WHERE lead_id IN ('L00005')"))
    with pytest.raises(PartlyRejected) as raised:
        emit(here, "conversion", DAY_2, scores)
    assert raised.value.result.rejected == len(bad)
    assert raised.value.result.unchanged == 120 - len(bad)


def test_missing_columns_are_named_before_the_first_write(database, project):
    table = "CREATE TABLE leads (lead_id TEXT PRIMARY KEY, company TEXT, score INTEGER, why TEXT)"
    fill(database, 10, table=table)
    here, scores = project(database), score_run(10)
    before = rows(database)
    with pytest.raises(ConfigError) as raised:
        emit(here, "conversion", DAY_1, scores)
    text = str(raised.value)
    assert "next_step, attention, score_updated_on" in text
    assert "ALTER TABLE leads ADD COLUMN attention VARCHAR(40);" in text
    assert "ALTER TABLE leads ADD COLUMN score_updated_on DATE;" in text
    assert rows(database) == before
    assert ledger_rows(here) == []
    plan = emit(here, "conversion", DAY_1, scores, dry_run=True, apply_fields=True).plan
    assert plan.create == ("next_step", "attention", "score_updated_on")
    assert rows(database) == before
    result = emit(here, "conversion", DAY_1, scores, apply_fields=True)
    assert added_up(result, scores) == {"sent": 10}
    assert rows(database)["L00002"]["attention"] == "not_assessed"


@pytest.mark.parametrize(
    "settings",
    [
        {"table": 'leads"; DROP TABLE leads; --'},
        {"table": "leads;"},
        {"table": "lead"},
        {"table": "nowhere.leads"},
        {"key": "id; --"},
        {"extra": 'prefix = "x; "'},
    ],
)
def test_a_wrong_name_is_refused_and_nothing_happens(database, project, settings):
    fill(database, 5)
    before = rows(database)
    with pytest.raises(ConfigError):
        emit(project(database, **settings), "conversion", DAY_1, score_run(5))
    assert rows(database) == before


def test_a_column_of_another_type_is_named_before_the_first_write(database, project):
    fill(database, 5, table=TABLE.replace("score_updated_on DATE", "score_updated_on INTEGER"))
    with pytest.raises(ConfigError, match=r"score_updated_on.*INTEGER.*DATE"):
        emit(project(database), "conversion", DAY_1, score_run(5))
    fill(database, 5, table=TABLE.replace("why TEXT", "why VARCHAR(80)"))
    with pytest.raises(ConfigError, match=r"why.*255 characters"):
        emit(project(database), "conversion", DAY_1, score_run(5))


def test_prefix_names_with_capitals_are_quoted(database, project):
    fill(database, 5)
    here = project(database, extra='prefix = "Ls_"')
    emit(here, "conversion", DAY_1, score_run(5), apply_fields=True)
    held = rows(database)["L00001"]
    assert (held["Ls_score"], held["score"]) == (37, None)


def test_a_column_added_to_the_settings_is_filled_for_everyone(database, project):
    fill(database, 5)
    here, scores = project(database), score_run(5)
    emit(here, "conversion", DAY_1, scores)
    toml = here.root / "scoring.toml"
    toml.write_text(toml.read_text().replace("columns = [", "columns = ['probability', 'grade', "))
    here = type(here)(here.root)
    assert emit(here, "conversion", DAY_1, scores, apply_fields=True).sent == 5
    assert emit(here, "conversion", DAY_1, scores).sent == 0
    assert rows(database)["L00003"]["probability"] == pytest.approx(3e-05)


IDS = ["00123", "123", "NA", "null", "9007199254740993", "90071992547409931234567", "x'; --", "ä😀"]


def test_ids_keep_their_bytes(database, project):
    fill(database, 0)
    with database.begin() as connection:
        insert = sa.text("INSERT INTO leads (lead_id) VALUES (:id)")
        connection.execute(insert, [{"id": i} for i in IDS])
    scores = score_run(len(IDS)).assign(lead_id=IDS, score=range(len(IDS)))
    emit(project(database), "conversion", DAY_1, scores)
    assert {lead: row["score"] for lead, row in rows(database).items()} == {
        lead: i for i, lead in enumerate(IDS)
    }


def test_integer_keys_are_cast_exactly(database, project):
    fill(database, 0, table="CREATE TABLE leads (lead_id BIGINT PRIMARY KEY, company TEXT)")
    with database.begin() as connection:
        for key in (123, 9007199254740993, 9007199254740992):
            connection.execute(sa.text("INSERT INTO leads VALUES (:id, 'x')"), {"id": key})
    scores = score_run(len(IDS)).assign(lead_id=IDS, score=range(len(IDS)))
    result = emit(project(database), "conversion", DAY_1, scores, apply_fields=True)
    assert added_up(result, scores) == {"sent": 2, "skipped": len(IDS) - 2}
    assert {lead: row["score"] for lead, row in rows(database).items()} == {
        "123": 1,
        "9007199254740993": 4,
        "9007199254740992": None,
    }


def test_a_key_that_is_not_unique_is_rejected_not_guessed(database, project):
    fill(database, 4, table=TABLE.replace("PRIMARY KEY", ""))
    with database.begin() as connection:
        connection.execute(sa.text("INSERT INTO leads (lead_id) VALUES ('L00002')"))
    with pytest.raises(PartlyRejected) as raised:
        emit(project(database), "conversion", DAY_1, score_run(4))
    assert raised.value.result.codes == {"key_not_unique": 1}
    assert rows(database)["L00002"]["score"] is None


def test_most_useful_changes_go_first(database, project, monkeypatch):
    fill(database, 6)
    here, scores = project(database), score_run(6)
    emit(here, "conversion", DAY_1, scores)
    order = []
    monkeypatch.setattr(SqlSink, "batch_size", 1)
    write = SqlSink.write
    monkeypatch.setattr(SqlSink, "write", lambda s, c: order.append(c[0].lead_id) or write(s, c))
    scores["score"] += [0, 1, -3, 2, 0, 0]
    scores.loc[4, "attention"] = "low_engagement"
    emit(here, "conversion", DAY_2, scores[:5])
    # The change of attention, the record to clear, then the largest change of score.
    assert order == ["L00004", "L00005", "L00002", "L00003", "L00001"]


def test_what_stood_there_before_is_kept_for_undo(database, project):
    fill(database, 2)
    with database.begin() as connection:
        connection.execute(
            sa.text("UPDATE leads SET score = 55, score_updated_on = :d WHERE lead_id = 'L00001'"),
            {"d": date(2026, 1, 2) if database.dialect.name == "postgresql" else "2026-01-02"},
        )
    here = project(database)
    emit(here, "conversion", DAY_1, score_run(2))
    emit(here, "conversion", DAY_1, score_run(2).assign(score=77))
    with sqlite3.connect(here.store / "ledger.db") as db:
        query = "SELECT sent, previous FROM deliveries WHERE lead_id = 'L00001'"
        sent, previous = (json.loads(x) for x in db.execute(query).fetchone())
    db.close()
    assert sent["score"] == 77
    assert previous == {
        "score": 55,
        "score_updated_on": "2026-01-02",
        "next_step": None,
        "attention": None,
        "why": None,
    }


@pytest.mark.slow
def test_twenty_thousand_leads(database, project):
    n = 20_000
    fill(database, n)
    here, scores = project(database), score_run(n)
    assert added_up(emit(here, "conversion", DAY_1, scores), scores) == {"sent": n}
    held = rows(database)
    assert [held[lead]["score"] for lead in scores["lead_id"]] == scores["score"].tolist()
    assert added_up(emit(here, "conversion", DAY_1, scores), scores) == {"unchanged": n}


def test_scores_without_a_configured_column_are_refused(database, project):
    fill(database, 2)
    with pytest.raises(ConfigError, match="next_step"):
        emit(project(database), "conversion", DAY_1, score_run(2).drop(columns="next_step"))


def test_unknown_column_setting_is_refused_with_the_nearest(tmp_path):
    project = write_toml(tmp_path, 'columns = ["scor"]')
    with pytest.raises(ConfigError, match='Did you mean "score"'):
        emit(project, "conversion", DAY_1, score_run(2))


def test_optional_columns_keep_their_types(database, project):
    fill(database, 3)
    here = project(database)
    wanted = ["probability", "grade", "trend", "main_reason", "work_on", "tire_kicker"]
    toml = here.root / "scoring.toml"
    toml.write_text(toml.read_text().replace(str(list(COLUMNS)), str(["score", *wanted])))
    scores = score_run(3).assign(
        score=pd.array([0, 100, None], dtype="Int64"),
        probability=[0.1, 1 / 3, float("nan")],
        trend=["rising", None, "falling"],
        main_reason=["opened 2 emails", "", None],
        work_on=pd.to_datetime(["2026-12-01", None, "2026-12-31"]),
        tire_kicker=pd.array([True, False, None], dtype="boolean"),
    )
    assert emit(here, "conversion", DAY_1, scores, apply_fields=True).sent == 3
    held = rows(database)
    got = [[held[lead][c] for c in ("score", *wanted)] for lead in scores["lead_id"]]
    for row in got:
        row[5] = row[5] and str(row[5])
    assert got == [
        [0, 0.1, "A", "rising", "opened 2 emails", "2026-12-01", True],
        [100, pytest.approx(1 / 3), "B", None, "", None, False],
        [None, None, "C", "falling", None, "2026-12-31", None],
    ]
    assert emit(here, "conversion", DAY_1, scores).unchanged == 3


def test_a_date_column_with_other_text_is_said_plainly(tmp_path):
    (tmp_path / "crm.db").touch()
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'crm.db'}")
    fill(engine, 2)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE leads SET score_updated_on = '31.12.2025'")
    here = write_toml(tmp_path, sql_toml("sqlite:///crm.db"))
    with pytest.raises(ConfigError, match="not of the columns' types"):
        emit(here, "conversion", DAY_1, score_run(2))
