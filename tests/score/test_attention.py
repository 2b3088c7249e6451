"""Who waits for us, who was never tried."""

import numpy as np
import pandas as pd
import pytest

from scoring.score.attention import FACTS, MEETING, advisory_attention, attention

NONE = np.nan


def facts(inbound: float, outbound: float, met: float = NONE, n: float = 0) -> pd.DataFrame:
    values = dict.fromkeys(FACTS, 0.0)
    values |= {"_last_inbound": inbound, "_last_outbound": outbound, "_n_interactions": n}
    return pd.DataFrame([values | {MEETING: met}])


@pytest.mark.parametrize(
    ("inbound", "outbound", "met", "expected"),
    [
        (3.0, 5.0, NONE, "waiting_for_us"),
        (3.0, NONE, NONE, "waiting_for_us"),
        (1.0, NONE, NONE, "waiting_for_us"),
        (0.5, NONE, NONE, "not_assessed"),  # a day to answer in
        (3.0, 2.0, NONE, "not_assessed"),
        (3.0, 3.0, NONE, "not_assessed"),  # history with days only: answered the same day
        (3.0, 5.0, 1.0, "not_assessed"),  # the meeting was the answer
        (3.0, NONE, 4.0, "waiting_for_us"),
        (NONE, 2.0, NONE, "not_assessed"),
        (NONE, NONE, 2.0, "not_assessed"),
        (NONE, NONE, NONE, "not_worked"),
    ],
)
def test_attention(inbound: float, outbound: float, met: float, expected: str) -> None:
    assert attention(facts(inbound, outbound, met), True).tolist() == [expected]
    assert attention(facts(inbound, outbound, met), False).tolist() == ["not_assessed"]


def test_without_known_meetings_any_undirected_interaction_may_have_been_one() -> None:
    quiet, noted = facts(NONE, NONE, n=0), facts(NONE, NONE, n=1)
    assert attention(quiet.drop(columns=MEETING), True).tolist() == ["not_worked"]
    assert attention(noted.drop(columns=MEETING), True).tolist() == ["not_assessed"]
    assert attention(noted, True).tolist() == ["not_worked"]


@pytest.mark.parametrize(
    ("score", "tried", "answered", "known", "expected"),
    [
        (33, 3, 0, True, "low_engagement"),
        (34, 3, 0, True, "none"),
        (10, 2, 0, True, "none"),
        (10, 9, 1, True, "none"),
        (10, 9, 0, False, "none"),
    ],
)
def test_advisory(score: int, tried: int, answered: int, known: bool, expected: str) -> None:
    row = facts(200.0, 1.0).assign(_outbound_90d=tried, _inbound_90d=answered)
    assert advisory_attention(row, np.array([score]), known).tolist() == [expected]
