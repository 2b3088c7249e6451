"""Small tables in, values out: sequences, answers, and the way along the pipeline."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from operator_kit import DAY, START, micros, table, value
from pydantic import ValidationError

from scoring.build.columns import StageOrder
from scoring.build.declare import Declaration, interactions, stage_changes
from scoring.config import ScoringToml

asks, replies = interactions("ask"), interactions("reply")
theirs, ours = interactions(direction="inbound"), interactions(direction="outbound")
IN, OUT = "inbound", "outbound"


@pytest.mark.parametrize(
    ("rows", "declaration", "expected"),
    [
        ([(1, "ask"), (3, "reply")], asks.followed_by(replies, within_days=2), 1),
        ([(1, "ask"), (3.01, "reply")], asks.followed_by(replies, within_days=2), 0),
        ([(1, "ask"), (2, "ask"), (3, "reply")], asks.followed_by(replies, within_days=2), 2),
        ([(1, "reply"), (2, "ask")], asks.followed_by(replies, within_days=2), 0),
        ([(1, "ask"), (1, "reply")], asks.followed_by(replies, within_days=2), 1),
        ([(1, "reply"), (1, "ask")], asks.followed_by(replies, within_days=2), 0),
        ([(1, "ask"), (5, "reply")], asks.followed_by(replies, within_days=9, last_days=[3]), 0),
        ([(1, "ask"), (2, "ask")], asks.followed_by(asks, within_days=2), 1),  # not by itself
        ([], asks.followed_by(replies, within_days=2), 0),
        ([(1, "ask"), (8, "ask"), (2, "reply")], asks.followed_share(replies, within_days=2), 0.5),
        ([(1, "reply")], asks.followed_share(replies, within_days=2), None),
    ],
)
def test_one_after_the_other(rows: list, declaration: Declaration, expected: Any) -> None:
    assert value(table(*rows), declaration) == expected


MAIN = {"minutes": 9.0, "mood": "bad", "contact_id": "c1", "due": "2026-03-06"}
BEFORE = {"minutes": 1.0, "mood": "good"}
LATER = [(4.5, "reply", OUT)]


@pytest.mark.parametrize(
    ("declaration", "inside", "outside"),
    [
        (asks.count(last_days=[5]), 1, 0),
        (asks.share(type="ask", last_days=[5]), 1, None),
        (asks.trend(last_days=[5]), 0, -1),  # the row before is in the five days before
        (asks.busiest(within_days=9, last_days=[5]), 1, 0),
        (asks.busiest_share(within_days=9, last_days=[5]), 1, None),
        (asks.sum("minutes", last_days=[5]), 9, 0),
        (asks.mean("minutes", last_days=[5]), 9, None),
        (asks.max("minutes", last_days=[5]), 9, None),
        (asks.min("minutes", last_days=[5]), 9, None),
        (asks.distinct("contact_id", last_days=[5]), 1, 0),
        (asks.active_days(last_days=[5]), 1, 0),
        (asks.changes("mood", last_days=[5]), 1, 0),
        (asks.returns("mood", last_days=[5]), 0, 0),
        (asks.rises("minutes", last_days=[5]), 1, 0),
        (asks.falls("minutes", last_days=[5]), 0, 0),
        (asks.missed("due", done=interactions("meet"), last_days=[5]), 1, 0),
        (asks.followed_by(replies, within_days=9, last_days=[5]), 1, 0),
        (asks.followed_share(replies, within_days=9, last_days=[5]), 1, None),
        (asks.response_mean(by=replies, last_days=[5]), 12, None),
        (asks.response_median(by=replies, last_days=[5]), 12, None),
    ],
)
def test_windows_hold_their_start_and_nothing_older(
    declaration: Declaration, inside: Any, outside: Any
) -> None:
    """as_of is day 9: day 4 is the first moment of the last five days."""
    for day, expected in ((4, inside), (4 - 1e-6 / 86_400, outside)):
        rows = table((1, "ask", BEFORE), (2, "reply"), (day, "ask", MAIN), *LATER)
        assert value(rows, declaration) == expected


TALK = [
    (1, "ask", IN),
    (2, "ask", IN),  # the wait began a day ago
    (3, "reply", OUT),  # 48 hours
    (3.5, "reply", OUT),
    (4, "ask", IN),
    (4.25, "reply", OUT),  # 6 hours
    (5, "meet", None),
    (6, "ask", IN),
    (7, "ask", IN),
]


@pytest.mark.parametrize(
    ("rows", "declaration", "expected"),
    [
        (TALK, theirs.response_mean(by=ours), 27),
        (TALK, theirs.response_median(by=ours), 27),
        (TALK, theirs.response_last(by=ours), 6),
        (TALK, theirs.response_mean(by=ours, last_days=[5]), 6),  # opened in the window
        (TALK, ours.response_mean(by=theirs), (24 + 42) / 2),
        (TALK, ours.response_last(by=theirs), 42),
        (TALK, theirs.waiting_since(by=ours), 3),
        (TALK, ours.waiting_since(by=theirs), None),
        (TALK[:3], theirs.waiting_since(by=ours), None),
        (TALK[:2], theirs.response_mean(by=ours), None),
        ([], theirs.response_median(by=ours), None),
        ([], theirs.response_last(by=ours), None),
        ([], theirs.waiting_since(by=ours), None),
        (TALK, interactions("ask", "reply").last("direction"), "inbound"),
        (TALK[:4], interactions("ask", "reply").last("direction"), "outbound"),
        ([(1, "ask", IN), (2, "ask", OUT), (3, "ask", IN), (7, "ask", OUT), (8, "ask", IN),
          (8.5, "ask", OUT)], theirs.response_median(by=ours), 24),
    ],
)  # fmt: skip
def test_turns_of_a_conversation(rows: list, declaration: Declaration, expected: Any) -> None:
    assert value(table(*rows), declaration) == expected


stages = stage_changes()
# New stages are valid from day 40 on; before: new, offer, talks.
WAY = [
    (41, "new"),
    (43, "offer"),
    (44, "offer"),
    (47, "talks"),
    (48, "lost touch"),
    (48.5, "close"),
]


@pytest.mark.parametrize(
    ("rows", "declaration", "expected"),
    [
        (WAY[:2], stages.furthest(), 3),
        (WAY[:4], stages.furthest(), 3),
        (WAY, stages.furthest(), 4),
        (WAY, stage_changes("talks").furthest(), 2),
        ([(48, "lost touch")], stages.furthest(), None),
        ([], stages.furthest(), None),
        ([(1, "offer")], stages.furthest(), 2),  # by the order of that day
        (WAY, stages.backward(), 1),
        (WAY, stages.backward(last_days=[1]), 0),
        (WAY, stage_changes("new").backward(), 0),
        ([(1, "offer"), (2, "talks")], stages.backward(), 0),
        ([(41, "offer"), (42, "talks")], stages.backward(), 1),
        ([(39, "offer"), (42, "talks")], stages.backward(), 1),  # both by the order of the change
        ([], stages.backward(), 0),
        (WAY, stages.skipped(), 1),  # talks; from a stage without a position nothing is skipped
        ([(41, "new"), (42, "close")], stages.skipped(), 2),
        ([], stages.skipped(), 0),
        (WAY, stage_changes("offer").dwell(), 4),
        (WAY, stage_changes("close").dwell(), 0.5),  # the present stage, up to as_of
        (WAY, stages.dwell(), 8),
        ([(41, "new"), (42, "offer"), (45, "new")], stage_changes("new").dwell(), 5),
        ([(41, "new")], stage_changes("offer").dwell(), None),
        ([], stages.dwell(), None),
        (WAY[:3], stages.entered_on(), 6),  # the repeated row does not start it anew
        (WAY[:3], stage_changes("offer").entered_on(), 6),
        (WAY[:3], stage_changes("new").entered_on(), None),
        ([(41, "new"), (42, "offer"), (45, "new")], stages.entered_on(), 4),
        ([], stages.entered_on(), None),
    ],
)
def test_the_way_along_the_pipeline(rows: list, declaration: Declaration, expected: Any) -> None:
    assert value(table(*rows), declaration, START + 49 * DAY) == expected


def test_an_order_is_valid_from_its_first_moment_on() -> None:
    moment = START + 40 * DAY
    rows = table((39.999, "offer"), (40, "offer"))
    assert value(rows[:1], stages.furthest(), moment + DAY) == 2
    assert value(rows[1:], stages.furthest(), moment + DAY) == 3
    assert value(rows, stages.entered_on(), moment + timedelta(hours=12)) == pytest.approx(0.501)


def test_pipelines_of_scoring_toml_are_valid_from_local_midnights() -> None:
    found = toml({"earlier": [{"order": ["new", "offer"]}], "order": ["new", "talks"],
                  "valid_from": date(2026, 4, 1)})  # fmt: skip
    assert found.stages.names == ("new", "offer", "talks")
    assert found.stage_orders == (
        StageOrder(("new", "offer")),
        StageOrder(("new", "talks"), micros(datetime(2026, 3, 31, 21))),  # Helsinki, summer time
    )
    assert toml({"order": ["new"]}).stage_orders == (StageOrder(("new",)),)
    assert toml({}).stage_orders == ()


@pytest.mark.parametrize(
    "stages",
    [
        {"order": ["new", "new"]},
        {"order": ["new"], "earlier": [{"order": ["old"]}]},
        {"order": ["new"], "valid_from": date(2026, 1, 1),
         "earlier": [{"order": ["old"], "valid_from": date(2026, 1, 1)}]},
    ],
)  # fmt: skip
def test_pipelines_that_do_not_follow_each_other_are_refused(stages: dict) -> None:
    with pytest.raises(ValidationError, match=r"must (name each stage once|be valid_from a later)"):
        toml(stages)


def toml(stages: dict) -> ScoringToml:
    project = {"name": "t", "time_zone": "Europe/Helsinki"}
    return ScoringToml.model_validate({"project": project, "stages": stages})
