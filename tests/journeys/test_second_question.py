"""Two questions of one project: will it be won, and will it agree to the next encounter?"""

import pandas as pd
import pytest
from kit import Journey, scoring

pytestmark = pytest.mark.slow
QUESTIONS = ("conversion", "meeting")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Journey:
    """The sample, with a champion and a night of each question."""
    root = tmp_path_factory.mktemp("second") / "project"
    scoring("init", root, "--sample")
    journey = Journey(root)
    for question in QUESTIONS:
        model = root / "models" / question / "model.toml"
        text = model.read_text(encoding="utf-8")
        model.write_text(text.replace('preset = "best"', 'preset = "fast"'), encoding="utf-8")
        trained = journey.json("run", "retrain", "--question", question)["steps"]["train"]
        assert trained["promoted"], trained["why"]
        assert trained["leaks"] == []
        journey.json("run", "nightly", "--question", question)
    return journey


def scores(journey: Journey, question: str) -> pd.DataFrame:
    name = "scores" if question == "conversion" else f"scores-{question}"
    return pd.read_parquet(journey.root / "out" / f"{name}.parquet").set_index("lead_id")


def test_both_are_scored_for_the_same_leads_and_say_different_things(both: Journey) -> None:
    sale, meeting = (scores(both, question) for question in QUESTIONS)
    assert set(sale.index) == set(meeting.index)
    assert set(sale["horizon_days"]) == {90}
    assert set(meeting["horizon_days"]) == {30}
    order = sale["probability"].corr(meeting["probability"].reindex(sale.index), method="spearman")
    assert 0 < order < 0.95  # who meets buys more often, and it is not the same question


def test_the_second_question_is_told_apart_on_later_rows(both: Journey) -> None:
    tested = both.json("backtest", "--question", "meeting", "--origins", 1)
    assert tested["horizon_days"] == 30
    assert tested["pooled"]["auc"] > tested["baselines"]["hand_rule"]["auc"] > 0.6
    assert tested["pooled"]["log_loss"] < tested["baselines"]["prevalence"]["log_loss"]


def test_what_was_said_came_about(both: Journey) -> None:
    """Nothing of the future is in a score: the raw events rebuild it."""
    proof = both.json("audit", "--question", "meeting", "--sample", 20)
    assert proof["differences"] == []
    assert proof["compared"] > 500


def test_each_question_is_emitted_and_only_sales_have_pipeline_tables(both: Journey) -> None:
    again = both.json("run", "nightly", "--question", "meeting")["steps"]["emit"]
    assert again["sent"] == 0
    assert again["unchanged"] == len(scores(both, "meeting"))
    assert (both.root / "out" / "analytics" / "stages.csv").is_file()
    assert not (both.root / "out" / "analytics-meeting").exists()
