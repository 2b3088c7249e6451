"""Up or down since a week and four weeks ago, and what moved it: the lead, the model, its scale."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from scoring.score.earlier import Earlier, Run
from scoring.score.trend import trends

AS_OF = datetime(2027, 3, 1, tzinfo=UTC)
Scores = Mapping[str, tuple[int, float]]


def table(scores: Scores) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "lead_id": list(scores),
            "score": pd.array([s for s, _ in scores.values()], dtype="Int64"),
            "probability": [p for _, p in scores.values()],
        }
    )


def earlier(*runs: tuple[int, str, Scores]) -> Earlier:
    """Runs as (days ago, version, scores)."""
    stored = {AS_OF - timedelta(days=days): table(scores) for days, _, scores in runs}

    def read(at: datetime, columns: Sequence[str]) -> pd.DataFrame:
        return stored[at][[c for c in columns if c in stored[at]]]

    found = sorted((AS_OF - timedelta(days=days), version) for days, version, _ in runs)
    return Earlier(tuple(Run(at, version) for at, version in found), read)


def found(now: Scores, version: str, before: Earlier) -> pd.DataFrame:
    made = trends(table(now), version, AS_OF, before).set_index(pd.Index(now)).astype(object)
    return made.where(made.notna(), None)


def test_up_down_and_still_by_the_lead_itself() -> None:
    then = {"up": (40, 0.1), "down": (60, 0.3), "still": (59, 0.3)}
    now = {"up": (50, 0.2), "down": (50, 0.2), "still": (50, 0.2), "new": (50, 0.2)}
    made = found(now, "3", earlier((7, "3", then)))
    assert made["trend"].tolist() == ["rising", "falling", "steady", None]
    assert made["trend_cause"].tolist() == ["data", "data", None, None]
    assert made["score_7d_ago"].tolist()[:3] == [40, 60, 59]
    assert made["score_7d_ago"]["new"] is None
    assert made["trend_28d"].isna().all()


@pytest.mark.parametrize(
    ("days", "trend", "trend_28d"),
    [
        ((6,), None, None), ((7,), "rising", None), ((14,), "rising", None), ((15,), None, None),
        ((27,), None, None), ((28,), None, "rising"), ((35,), None, "rising"), ((36,), None, None),
        ((7, 28), "rising", "rising"),
    ],
)  # fmt: skip
def test_which_run_is_a_week_and_four_weeks_ago(
    days: tuple[int, ...], trend: str | None, trend_28d: str | None
) -> None:
    before = earlier(*((d, "1", {"x": (10, 0.1)}) for d in days))
    made = found({"x": (60, 0.5)}, "1", before).loc["x"]
    assert (made["trend"], made["trend_28d"]) == (trend, trend_28d)


def test_the_nearest_run_that_is_old_enough_counts() -> None:
    before = earlier(
        (12, "1", {"x": (10, 0.1)}), (8, "1", {"x": (55, 0.1)}), (3, "1", {"x": (1, 0.1)})
    )
    assert found({"x": (60, 0.5)}, "1", before).loc["x", "trend"] == "steady"


def leads(scores: Sequence[int]) -> Scores:
    """Ten leads whose probability orders them as their score does."""
    return {f"l{n}": (s, s / 100) for n, s in enumerate(scores)}


BASE = (5, 15, 25, 35, 45, 55, 65, 75, 85, 95)


def test_a_new_model_that_ranks_a_lead_elsewhere_is_named() -> None:
    """Nothing happened from the last night of version 1 to the first of version 2, which puts the
    first lead where the last one was."""
    turned = (95, 15, 25, 35, 45, 55, 65, 75, 85, 5)
    before = earlier((8, "1", leads(BASE)), (1, "1", leads(BASE)))
    made = found(leads(turned), "2", before)
    assert made.loc["l0", ["trend", "trend_cause"]].tolist() == ["rising", "model"]
    assert made.loc["l9", ["trend", "trend_cause"]].tolist() == ["falling", "model"]
    assert made["trend_cause"].notna().sum() == 2


def test_a_new_scale_with_the_same_order_is_calibration() -> None:
    higher = (*(s + 20 for s in BASE[:-2]), 99, 100)
    before = earlier((8, "1", leads(BASE)), (1, "1", leads(BASE)))
    made = found(leads(higher), "2", before)
    assert set(made["trend_cause"].dropna()) == {"calibration"}
    assert made.loc["l0", "trend"] == "rising"


def test_what_the_lead_did_on_other_nights_stays_its_own() -> None:
    """Version 2 came four nights ago and changed nothing for l0; the lead rose since."""
    switched = earlier(
        (8, "1", leads(BASE)), (5, "1", leads(BASE)), (4, "2", leads(BASE)), (1, "2", leads(BASE))
    )
    now = dict(leads(BASE)) | {"l0": (90, 0.9)}
    assert found(now, "2", switched).loc["l0", "trend_cause"] == "data"


def test_of_several_causes_the_largest_along_the_move_is_named() -> None:
    """The model took 20 points, the lead won 50: it rises by its data; the other way it falls."""
    down = (5, 15, 25, 35, 45, 35, 65, 75, 85, 95)
    after = dict(leads(BASE)) | {"l5": (35, 0.35), "l4": (55, 0.55)}
    before = earlier((8, "1", leads(BASE)), (4, "1", leads(BASE)), (3, "2", after))
    now = dict(leads(down)) | {"l5": (85, 0.85)}
    made = found(now, "2", before)
    assert made.loc["l5", ["trend", "trend_cause"]].tolist() == ["rising", "data"]


def test_a_lead_that_was_not_scored_on_the_night_of_the_change_moved_by_itself() -> None:
    without = {k: v for k, v in leads(BASE).items() if k != "l0"}
    before = earlier((8, "1", leads(BASE)), (4, "1", without), (3, "2", without))
    now = dict(leads(BASE)) | {"l0": (80, 0.8)}
    assert found(now, "2", before).loc["l0", "trend_cause"] == "data"


def test_a_first_run_has_no_trend() -> None:
    made = found({"x": (60, 0.5)}, "1", Earlier())
    assert made.isna().all().all()
