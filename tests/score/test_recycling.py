"""Who refused for now rests until the date, and comes back when it acts, once for one act."""

from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from scoring.score.recycling import RETURN_DAYS, proposed_on, recycling

ZONE = ZoneInfo("Europe/Helsinki")
TODAY = date(2027, 3, 1)
AS_OF = pd.Timestamp("2027-02-28 22:00", tz="UTC")  # the midnight that begins TODAY
AFTER = 90


def rows(act: float | None = None, out: float | None = None, met: float | None = None):
    return pd.DataFrame(
        {
            "lead_id": pd.Series(["x"], dtype="str"),
            "as_of": pd.Series([AS_OF]).dt.as_unit("us"),
            "_last_act": [np.nan if act is None else act],
            "_last_outbound": [np.nan if out is None else out],
            "_last_meeting": [np.nan if met is None else met],
        }
    )


def refused(*days_ago: float, known: float | None = None, lead: str = "x") -> pd.DataFrame:
    at = [(AS_OF - pd.Timedelta(days=d)).tz_localize(None) for d in days_ago]
    seen = at if known is None else [(AS_OF - pd.Timedelta(days=known)).tz_localize(None)]
    return pd.DataFrame({"lead_id": lead, "refused_at": at, "known_at": seen}).astype(
        {"lead_id": "str", "refused_at": "datetime64[us]", "known_at": "datetime64[us]"}
    )


def proposed(on: str | None) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "lead_id": pd.Series(["x"], dtype="str"),
            "recycle_on": pd.Series([on], dtype="datetime64[us]"),
        }
    )


def state(of: pd.DataFrame, refusals=None, previous=None, spared=(), today=TODAY):
    """(recycle_on, resting, came_back)."""
    refusals = refused(10, lead="other") if refusals is None else refusals
    made = recycling(of, refusals, previous, spared, today=today, zone=ZONE, after_days=AFTER).iloc[
        0
    ]
    on = None if pd.isna(made["recycle_on"]) else made["recycle_on"].date()
    back = None if pd.isna(made["came_back"]) else made["came_back"]
    return on, bool(made["resting"]), back


def test_nobody_refused() -> None:
    assert state(rows(act=1)) == (None, False, None)


def test_a_refusal_rests_until_its_date() -> None:
    assert state(rows(out=9), refused(10)) == (date(2027, 5, 20), True, None)


@pytest.mark.parametrize(
    ("days_ago", "came_back"), [(89, None), (90, "date"), (90 + RETURN_DAYS - 1, "date"),
                                (90 + RETURN_DAYS, None)]
)  # fmt: skip
def test_it_comes_back_on_its_date_and_not_for_ever(days_ago: int, came_back: str | None) -> None:
    on, resting, back = state(rows(), refused(days_ago))
    assert back == came_back
    assert resting == (days_ago < AFTER)
    assert (on is not None) == (resting or back is not None)


def test_once_somebody_turned_to_it_after_the_date_it_is_a_lead_like_any_other() -> None:
    assert state(rows(out=5), refused(100))[2] is None
    assert state(rows(met=5), refused(100))[2] is None
    assert state(rows(out=11), refused(100))[2] == "date"  # the day before the date


def test_it_comes_back_when_it_acts_until_we_answer() -> None:
    assert state(rows(act=2, out=9.5), refused(10)) == (None, False, "acted")
    assert state(rows(act=2, out=1), refused(10)) == (None, False, None)
    assert state(rows(act=2, met=1), refused(10)) == (None, False, None)
    assert state(rows(act=11), refused(10))[1:] == (True, None)  # before it refused


def test_at_the_moment_of_the_refusal_it_has_not_acted_since() -> None:
    assert state(rows(act=10), refused(10))[1:] == (True, None)


def test_the_last_refusal_counts() -> None:
    assert state(rows(act=40), refused(100, 10))[:2] == (date(2027, 5, 20), True)


def test_what_was_not_known_yet_counts_for_nothing() -> None:
    assert state(rows(), refused(10, known=0)) == (None, False, None)
    assert state(rows(), refused(10, known=1))[1]


def test_our_own_proposal_rests_comes_back_and_is_forgotten() -> None:
    assert state(rows(out=9), previous=proposed("2027-03-20")) == (date(2027, 3, 20), True, None)
    assert state(rows(), previous=proposed("2027-03-01")) == (date(2027, 3, 1), False, "date")
    assert state(rows(act=3), previous=proposed("2027-05-20")) == (None, False, "acted")
    assert state(rows(out=0.5), previous=proposed("2027-02-25")) == (None, False, None)
    assert state(rows(), previous=proposed(None)) == (None, False, None)


def test_a_seller_who_says_that_they_mean_to_buy_ends_our_proposal_and_not_their_refusal() -> None:
    assert state(rows(), previous=proposed("2027-03-20"), spared=["x"]) == (None, False, None)
    assert state(rows(), refused(10), spared=["x"])[1]


def test_the_later_of_proposal_and_refusal_holds() -> None:
    assert state(rows(), refused(10), proposed("2027-03-20"))[0] == date(2027, 5, 20)
    assert state(rows(out=2), refused(100), proposed("2027-05-01"))[:2] == (date(2027, 5, 1), True)


def test_the_date_is_local_and_survives_the_change_of_the_clock() -> None:
    late = refused(0)
    late[["refused_at", "known_at"]] = pd.Timestamp("2026-12-31 23:30")  # 01:30 of 1 January there
    assert state(rows(), late)[0] == date(2027, 4, 1)


def test_nights_in_a_row_say_the_same_date() -> None:
    """The proposal's date does not move with the nights; it is stored with the scores."""
    first = proposed_on(TODAY, AFTER)
    previous = proposed(str(first.date()))
    for _ in range(3):
        on, resting, _ = state(rows(), previous=previous)
        assert (on, resting) == (first.date(), True)
        previous = proposed(str(on))
