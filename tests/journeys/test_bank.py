"""Telephone sales, one call after the other: a question at the moment of the call, and drift."""

import pandas as pd
import pytest
from kit import Journey, counts_add_up, real_data

pytestmark = pytest.mark.real

LAST_CALLS = "2009-04-06"  # the newest 30 % of the calls
FLOOR = (0.660, 0.673)


def test_backtest_is_not_below_the_floor_and_shows_the_drift(bank: Journey) -> None:
    result = bank.json("backtest", "--test-from", LAST_CALLS, "--origins", 1)

    ours, (block,) = result["pooled"], result["origins"]
    assert ours["auc"] >= FLOOR[0]
    assert ours["log_loss"] <= FLOOR[1]
    assert (block["from"], ours["n"]) == ("2009-04-06T00:00:00", 13_603)
    # From 6 % to 25 %: the old prevalence says so little that its log loss is far above
    # what the new one would have.
    before = block["trained_positives"] / block["trained_on"]
    after = block["positives"] / block["n"]
    assert (before, after) == (pytest.approx(0.058, abs=0.002), pytest.approx(0.254, abs=0.002))
    assert result["baselines"]["prevalence"]["log_loss"] > 0.7


@pytest.mark.slow
def test_each_night_scores_the_calls_of_its_day(bank: Journey) -> None:
    trained = bank.json("run", "retrain", "--as-of", "2010-11-09")["steps"]
    counts_add_up(trained["check"])
    assert trained["train"]["promoted"], trained["train"]["why"]

    first = bank.json("run", "nightly", "--as-of", "2010-11-09")["steps"]["score"]
    second = bank.json("run", "nightly", "--as-of", "2010-11-10")["steps"]["score"]

    calls = _calls_by_day()
    assert first["scored"] == calls["2010-11-09"]
    assert second["scored"] == calls["2010-11-10"]


def _calls_by_day() -> dict[str, int]:
    leads = pd.read_parquet(real_data("bank_marketing") / "leads.parquet")
    return leads["called_at"].dt.strftime("%Y-%m-%d").value_counts().to_dict()
