"""The sample project from nothing to scores in the CRM's hands, compared with the known truth."""

import json
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from kit import Journey, counts_add_up, scoring

COLUMNS = {
    "lead_id", "as_of", "horizon_days", "score", "probability", "probability_low",
    "probability_high", "grade", "temperature", "trend", "next_step", "attention",
    "advisory_attention", "tire_kicker", "tire_kicker_reasons", "why", "reasons_up", "reasons_down",
    "main_reason", "rank", "work_on", "recycle_on", "model_version", "scored_at",
    "score_updated_on",
}  # fmt: skip


@pytest.fixture(scope="module")
def scores(sample: Journey) -> pd.DataFrame:
    return pd.read_parquet(sample.root / "out" / "scores.parquet")


@pytest.fixture(scope="module")
def truth(sample: Journey, scores: pd.DataFrame) -> pd.DataFrame:
    """The scored leads beside their exact chance of being won within the horizon."""
    exact = pd.read_parquet(sample.root / "data" / "sample_truth" / "probabilities.parquet")
    tonight = exact[exact["as_of"] == scores["as_of"].iloc[0].tz_localize(None)]
    return scores.merge(
        tonight[["lead_id", "probability"]], on="lead_id", suffixes=("", "_exact"), how="left"
    )


def test_score_columns_are_all_there_in_both_files(sample: Journey, scores: pd.DataFrame) -> None:
    table = pd.read_csv(sample.root / "out" / "scores.csv")

    assert set(scores.columns) >= COLUMNS
    assert list(table.columns) == list(scores.columns)
    assert table["lead_id"].tolist() == scores["lead_id"].tolist()
    assert scores["lead_id"].is_unique
    assert scores["score"].between(0, 100).all()
    assert set(scores["horizon_days"]) == {90}


def test_why_is_short_enough_for_a_crm(scores: pd.DataFrame) -> None:
    lines = scores["why"].str.split("\n")

    assert scores["why"].str.len().max() <= 255
    assert lines.explode().str.len().max() <= 90  # the mark included
    assert (scores["reasons_up"].str.split("\n").str.len() <= 3).all()
    assert (scores["reasons_down"].str.split("\n").str.len() <= 2).all()
    assert (scores["why"] != "").mean() > 0.95


def test_rank_score_and_grade_never_contradict_the_probability(scores: pd.DataFrame) -> None:
    ordered = scores.sort_values("probability", ascending=False)

    assert ordered["rank"].is_monotonic_increasing
    assert ordered["score"].is_monotonic_decreasing
    assert ordered["grade"].is_monotonic_increasing
    assert set(ordered["grade"]) == set("ABCD")


def test_a_flag_its_attention_and_the_grade_never_contradict_each_other(
    scores: pd.DataFrame,
) -> None:
    kinds = ["low_engagement", "busy_without_progress", "outside_profile"]
    flagged = scores["tire_kicker"]
    assert flagged.any()
    assert scores["attention"].isin(kinds).equals(flagged)
    assert set(scores["grade"][flagged]) <= {"C", "D"}
    assert (scores["tire_kicker_reasons"].ne("") == flagged).all()


def test_every_lead_has_a_next_step_and_nobody_more_work_than_fits(scores: pd.DataFrame) -> None:
    assert scores["next_step"].notna().all()
    assert ((scores["next_step"] == "none") == (scores["next_step_text"] == "")).all()
    assert 0 < scores["work_on"].notna().sum() < len(scores)


def test_scores_agree_with_the_truth(truth: pd.DataFrame) -> None:
    exact = truth["probability_exact"]
    assert exact.notna().all()  # nobody is scored who is not open
    # Of each pair of leads, weighted by how sure it is that one is won and the other is not.
    assert _expected_auc(truth["probability"].to_numpy(), exact.to_numpy()) > 0.8
    # Expected sales: 274 leads with a chance of 9 % have a standard error of some 15 %.
    assert truth["probability"].sum() == pytest.approx(exact.sum(), rel=0.45)
    best = truth.nsmallest(len(truth) // 5, "rank")
    assert best["probability_exact"].mean() > 2.5 * exact.mean()


def _expected_auc(score: np.ndarray, chance: np.ndarray) -> float:
    won_lost = np.outer(chance, 1 - chance)
    ahead = (score[:, None] > score[None, :]) + 0.5 * (score[:, None] == score[None, :])
    np.fill_diagonal(won_lost, 0)
    return float((won_lost * ahead).sum() / won_lost.sum())


def test_the_same_night_again_sends_nothing(sample: Journey, scores: pd.DataFrame) -> None:
    again = sample.json("run", "nightly")["steps"]

    assert again["emit"]["sent"] == 0
    assert again["emit"]["unchanged"] == len(scores)
    pd.testing.assert_frame_equal(pd.read_parquet(sample.root / "out" / "scores.parquet"), scores)
    for table in again["ingest"].values():
        assert table["accepted"] == 0


def test_the_same_training_again_makes_no_second_version(sample: Journey) -> None:
    again = sample.json("train")

    assert again["reused"]
    assert again["candidate"] == again["champion"] == "1"


def test_the_next_night_sends_only_what_changed(sample: Journey, scores: pd.DataFrame) -> None:
    tomorrow = str(date.fromisoformat(_local_day(scores)) + timedelta(days=1))

    dry = sample.json("run", "nightly", "--as-of", tomorrow)["steps"]["emit"]

    assert dry["sent"] + dry["unchanged"] == len(scores)
    assert dry["unchanged"] > 0
    assert dry["rejected"] == dry["skipped"] == dry["retry"] == 0


def _local_day(scores: pd.DataFrame) -> str:
    return str(scores["as_of"].iloc[0].tz_convert("Europe/Helsinki").date())


def test_every_looking_command_answers_with_one_json_object(
    sample: Journey, scores: pd.DataFrame
) -> None:
    for arguments in (
        ("status",),
        ("doctor",),
        ("features",),
        ("explain", scores["lead_id"].iloc[0]),
        ("emit", "--dry-run", "--as-of", _local_day(scores)),
        ("audit", "--sample", 10),
    ):
        answer = sample(*arguments, "--json")
        assert isinstance(answer.json, dict), arguments
        assert answer.out.count("\n") == 1, arguments


def test_every_step_counts_every_row(sample: Journey) -> None:
    steps = {
        step["step"]: step["result"]
        for run in sample.json("status")["runs"]
        for step in run["steps"]
        if step["state"] == "done"
    }

    counts_add_up(steps["ingest"])
    counts_add_up(steps["check"])
    assert steps["check"]["leads"]["rows_in"] == steps["ingest"]["leads"]["rows_in"] == 3_000


def test_audit_proves_that_no_score_saw_the_future(sample: Journey) -> None:
    proof = sample.json("audit", "--sample", 30)

    assert proof["differences"] == []
    assert proof["compared"] > 1_000


def test_a_wrong_command_is_one_sentence(sample: Journey) -> None:
    answer = sample("score", "--question", "conversoin", "--json", code=2)

    assert not answer.out
    assert 'Did you mean "conversion"' in answer.err
    answer = sample("explain", "nobody", "--json", code=2)
    assert not answer.out
    assert len(answer.err.splitlines()) <= 2


def test_init_refuses_a_folder_that_is_not_empty(sample: Journey) -> None:
    before = json.dumps(sorted(str(path) for path in sample.root.rglob("*")))

    answer = scoring("init", sample.root, "--sample", code=2)

    assert "is not empty" in answer.err
    assert json.dumps(sorted(str(path) for path in sample.root.rglob("*"))) == before
