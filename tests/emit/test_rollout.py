"""Introducing scores step by step: shadow, pilot, pause, a latest hour, and taking them out."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from command_kit import Site, counts
from emit_kit import DAY_1, DAY_2, DAY_3, TABLE, fill, rows, score_run, sql_toml
from hypothesis import given
from hypothesis import strategies as st

from scoring.emit.rollout import in_share
from scoring.emit.stop import Deadline
from scoring.errors import ConfigError

DAY = ("--as-of", "2026-11-21")
NEXT = ("--as-of", "2026-11-22")


@pytest.fixture
def site(tmp_path, database):
    """Ten scored leads, and a table with them."""
    fill(database, 10)
    found = Site(tmp_path / "site", sql_toml(database.url.render_as_string(hide_password=False)))
    found.root.mkdir()
    found.settings()
    found.scored(DAY_1, score_run(10))
    return found


def held(database):
    return {lead for lead, row in rows(database).items() if row["score"] is not None}


def test_shadow_writes_nothing_and_counts_every_score(site, database):
    site.settings('mode = "shadow"')
    assert counts(site.json("emit", *DAY)) == {"skipped": 10}
    assert held(database) == set()
    assert not (site.root / ".scoring" / "ledger.db").exists()
    said = site.run("emit", *DAY, "--dry-run")
    assert "10 records to write" in said
    assert 'skipped: `emit.mode` is "shadow"' in said
    site.settings()
    assert counts(site.json("emit", *DAY)) == {"sent": 10}


def test_a_pause_holds_what_stands_there(site, database):
    site.json("emit", *DAY)
    site.settings("pause = true")
    site.scored(DAY_2, score_run(10).assign(score=1))
    before = rows(database)
    assert counts(site.json("emit", *NEXT)) == {"skipped": 10}
    assert rows(database) == before
    site.settings()
    assert counts(site.json("emit", *NEXT)) == {"sent": 10}


def test_a_pilot_of_owners_and_teams(site, database):
    site.settings('mode = "pilot"', '[emit.pilot]\nowners = ["7"]\nteams = ["north"]')
    site.owners(
        {
            "lead_id": [f"L{i:05d}" for i in range(10)],
            "owner_id": ["7", "7", "8", "8", "8", "07", "9", "9", "9", "9"],
            "team": ["south", "south", "north", "south", "south", "x", "x", "x", "x", "x"],
        }
    )
    answer = site.json("emit", *DAY)
    assert counts(answer) == {"sent": 3, "skipped": 7}
    assert held(database) == {"L00000", "L00001", "L00002"}
    assert counts(site.json("emit", *DAY)) == {"unchanged": 3, "skipped": 7}


def test_who_leaves_the_pilot_is_cleared_and_everybody_comes_with_all(site, database):
    site.settings('mode = "pilot"', "[emit.pilot]\nshare = 1.0")
    site.json("emit", *DAY)
    site.settings('mode = "pilot"', "[emit.pilot]\nshare = 0.5")
    stay = {lead for lead in rows(database) if in_share(lead, "demo", 0.5)}
    assert 0 < len(stay) < 10
    left = 10 - len(stay)
    answer = counts(site.json("emit", *DAY))
    assert answer == {"unchanged": len(stay), "skipped": left, "cleared": left}
    assert held(database) == stay
    site.settings()
    assert counts(site.json("emit", *DAY)) == {"unchanged": len(stay), "sent": left}


@given(st.text(min_size=1), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_holds_the_smaller_one(lead, one, other):
    small, large = sorted((one, other))
    if in_share(lead, "demo", small):
        assert in_share(lead, "demo", large)
    assert in_share(lead, "demo", 1.0)
    assert not in_share(lead, "demo", 0.0)


def test_a_share_is_about_as_large_as_it_says():
    inside = sum(in_share(f"L{i}", "demo", 0.2) for i in range(20_000))
    # Five standard deviations of a binomial with p = 0.2.
    assert abs(inside - 4_000) < 5 * (20_000 * 0.2 * 0.8) ** 0.5


@pytest.mark.parametrize(
    ("pilot", "says"),
    [("", "pilot.owners"), ('[emit.pilot]\nteams = ["a"]\nteam_column = "taem"', "team")],
)
def test_a_pilot_that_names_nobody_or_a_column_that_is_not_there(site, pilot, says):
    site.settings('mode = "pilot"', pilot)
    site.owners({"lead_id": ["L00000"], "team": ["a"]})
    assert says in site.run("emit", *DAY, code=2)


def test_two_questions_have_columns_of_their_own(site, database):
    site.scored(DAY_1, score_run(10).assign(score=5), "meeting")
    site.json("emit", *DAY)
    refused = site.run("emit", *DAY, "--question", "meeting", code=2)
    assert "conversion" in refused
    assert "[emit.questions" in refused
    own = '[emit.questions.meeting]\nprefix = "meeting_"\ncolumns = ["score", "score_updated_on"]'
    site.settings("", own)
    answer = site.json("emit", *DAY, "--question", "meeting", "--apply-fields")
    assert counts(answer) == {"sent": 10}
    found = rows(database)["L00003"]
    assert (found["score"], found["meeting_score"]) == (3 * 37 % 101, 5)
    assert "meeting_why" not in found
    assert counts(site.json("emit", *DAY)) == {"unchanged": 10}


def test_clear_takes_out_ours_and_nothing_else(site, database):
    before = rows(database)
    site.json("emit", *DAY)
    with database.begin() as connection:
        connection.exec_driver_sql("UPDATE leads SET phase = 'won' WHERE lead_id = 'L00004'")
    assert counts(site.json("emit", *DAY, "--clear", "--dry-run")) == {"cleared": 10}
    assert len(held(database)) == 10
    assert counts(site.json("emit", *NEXT, "--clear")) == {"cleared": 10}
    before["L00004"]["phase"] = "won"
    assert rows(database) == before
    assert counts(site.json("emit", *NEXT, "--clear")) == {}
    # The date that was cleared may be sent again: it is not older than itself.
    site.scored(DAY_2, score_run(10))
    assert counts(site.json("emit", *NEXT)) == {"sent": 10}


@pytest.mark.parametrize(
    ("night", "now", "latest", "late"),
    [
        ("2026-11-21T00:00", "2026-11-21T02:00", "06:30", False),
        ("2026-11-21T00:00", "2026-11-21T06:29", "06:30", False),
        ("2026-11-21T00:00", "2026-11-21T06:30", "06:30", True),
        ("2026-11-21T00:00", "2026-11-21T22:00", "06:30", True),
        ("2026-11-21T22:00", "2026-11-21T23:00", "06:30", False),
        ("2026-11-20T00:00", "2026-11-21T02:00", "06:30", True),
        ("2026-11-21T00:00", "2026-11-21T12:00", "", False),
        # The clock goes back an hour at 04:00 of this night.
        ("2026-10-25T00:00", "2026-10-25T06:29", "06:30", False),
        ("2026-10-25T00:00", "2026-10-25T06:31", "06:30", True),
    ],
)
def test_the_latest_hour_belongs_to_the_night(night, now, latest, late):
    zone = ZoneInfo("Europe/Helsinki")
    at = [datetime.fromisoformat(text).replace(tzinfo=zone) for text in (night, now)]
    as_of, started = (moment.astimezone(UTC) for moment in at)
    assert Deadline(latest, as_of, started, zone, clock=lambda: 7.0).passed is late


def test_the_hour_comes_while_it_writes(site, database, monkeypatch):
    """Three batches of three: the clock passes the hour after the second."""
    from scoring.crm.sql import SqlSink
    from scoring.emit import run

    monkeypatch.setattr(SqlSink, "batch_size", 3)
    seconds = iter([0.0, 0.0, 10.0, 59.0, 60.0])

    def ticking(latest, as_of, now, zone):
        return Deadline(latest, as_of, now, zone, clock=lambda: next(seconds))

    monkeypatch.setattr(run, "Deadline", ticking)
    site.settings('latest = "06:30"')
    scores = score_run(10)
    began = DAY_1 + timedelta(hours=6, minutes=29)
    result = run.emit(site.project, "conversion", DAY_1, scores, now=began)
    assert (result.sent, result.retry, result.waits) == (6, 4, "latest")
    late = began + timedelta(minutes=2)
    monkeypatch.undo()
    result = run.emit(site.project, "conversion", DAY_1, scores, now=late)
    assert (result.unchanged, result.sent, result.retry) == (6, 0, 4)
    next_night = run.emit(site.project, "conversion", DAY_2, scores, now=DAY_2)
    assert (next_night.unchanged, next_night.sent) == (6, 4)
    assert len(held(database)) == 10


def test_a_wrong_time_of_day_is_refused(site):
    site.settings('latest = "24:00"')
    with pytest.raises(ConfigError, match="06:30"):
        _ = site.project.settings


def test_limited_nights_send_the_most_valuable_first_and_carry_over(site, database):
    site.settings("records_a_night = 4")
    scores = score_run(10)
    scores["attention"] = ["none"] * 10
    scores.loc[[1, 6], "attention"] = "waiting_for_us"
    site.scored(DAY_1, scores)
    said = site.run("emit", *DAY, "--dry-run")
    assert "10 records to write: " in said
    assert "3 nights" in said
    estimate = site.json("emit", *DAY, "--dry-run")["estimate"]
    assert (estimate["records"], estimate["nights"]) == (10, 3)
    answer = site.json("emit", *DAY)
    assert counts(answer) == {"sent": 4, "retry": 6}
    # Two that ask for something, then the best of the others: 74 (2), 93 (8), 84 (5), 58 (7) …
    order = sorted(range(10), key=lambda i: (i not in (1, 6), -scores["score"][i]))
    assert held(database) == {f"L{i:05d}" for i in order[:4]}
    # The same night again has no room left.
    assert counts(site.json("emit", *DAY)) == {"unchanged": 4, "retry": 6}
    site.scored(DAY_2, scores)
    assert counts(site.json("emit", *NEXT)) == {"unchanged": 4, "sent": 4, "retry": 2}
    site.scored(DAY_3, scores)
    assert counts(site.json("emit", "--as-of", "2026-11-23")) == {"unchanged": 8, "sent": 2}
    assert len(held(database)) == 10


def test_a_list_that_lost_a_value_is_noticed_before_the_first_write(server, tmp_path):
    fill(server, 0)
    with server.begin() as connection:
        connection.exec_driver_sql("CREATE TYPE \"Step\" AS ENUM ('call_now', 'nurture', 'none')")
        table = TABLE.replace("next_step VARCHAR(40)", 'next_step "Step"')
    fill(server, 10, table=table)
    site = Site(tmp_path / "site", sql_toml(server.url.render_as_string(hide_password=False)))
    site.root.mkdir()
    site.settings()
    site.scored(DAY_1, score_run(10))
    refused = site.run("emit", *DAY, code=2)
    assert "offer_pilot" in refused
    assert """ALTER TYPE "Step" ADD VALUE 'offer_pilot';""" in refused
    assert "call_now" not in refused
    assert held(server) == set()
    assert counts(site.json("emit", *DAY, "--apply-fields")) == {"sent": 10}
    assert rows(server)["L00003"]["next_step"] == "call_now"


def test_a_changed_type_is_noticed_before_the_first_write(site, database):
    site.json("emit", *DAY)
    fill(database, 10, table=TABLE.replace("score_updated_on DATE", "score_updated_on INTEGER"))
    site.scored(DAY_2, score_run(10).assign(score=1))
    assert "score_updated_on" in site.run("emit", *NEXT, code=2)
    assert held(database) == set()


def test_labels_and_keys_of_the_fields_are_in_the_projects_language(site):
    from scoring.emit.fields import fields_of

    site.settings()
    toml = site.root / "scoring.toml"
    toml.write_text(toml.read_text().replace("'why',", "'why', 'score_feedback', 'main_reason',"))
    (site.root / "features").mkdir()
    (site.root / "features" / "effort.py").write_text(
        "from scoring import interactions\n"
        'calls_made = interactions("call").count(last_days=[7]).says("{n} call", "{n} calls")\n'
    )
    fields = {f.column: f for f in fields_of(site.project, "conversion")}
    assert fields["score"].label == "Lead score"
    assert {f.group for f in fields.values()} == {"Lead scoring"}
    assert ("not_worked", "Not worked yet") in [
        (o.key, o.label) for o in fields["attention"].options
    ]
    said = [(o.key, o.label) for o in fields["main_reason"].options]
    assert said == [("effort", "Effort on both sides")]
    assert fields["score_feedback"].theirs
    assert all(not f.theirs for c, f in fields.items() if c != "score_feedback")
    toml.write_text(toml.read_text().replace("[emit]", 'language = "fi"\n[emit]'))
    finnish = {f.column: f for f in fields_of(site.project, "conversion")}
    assert [o.key for o in finnish["attention"].options] == [
        o.key for o in fields["attention"].options
    ]
    assert finnish["attention"].options != fields["attention"].options


def test_an_empty_pilot_still_adds_up(site):
    site.settings('mode = "pilot"', "[emit.pilot]\nshare = 0.000001")
    assert counts(site.json("emit", *DAY)) == {"skipped": 10}


def test_a_lead_that_comes_onto_the_days_list_is_sent_and_one_that_falls_off_is_not(site, database):
    site.emit = site.emit.replace("'why',", "'why', 'work_on',")
    site.settings()
    scores = score_run(10).assign(work_on=None)
    scores.loc[[2, 3], "work_on"] = "2026-11-21"
    site.scored(DAY_1, scores)
    assert counts(site.json("emit", *DAY, "--apply-fields")) == {"sent": 10}
    scores.loc[[2, 3, 4], "work_on"] = [None, "2026-11-22", "2026-11-22"]
    site.scored(DAY_2, scores)
    assert counts(site.json("emit", *NEXT)) == {"sent": 2, "unchanged": 8}
    assert counts(site.json("emit", *NEXT)) == {"unchanged": 10}
    days = {lead: str(row["work_on"]) for lead, row in rows(database).items() if row["work_on"]}
    assert days == {"L00002": "2026-11-21", "L00003": "2026-11-22", "L00004": "2026-11-22"}
