"""What a small company's sellers are told to do, night after night, at the command line."""

from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
from kit import Journey, scoring

from scoring.score.next_step import STEPS

pytestmark = pytest.mark.slow

END = date(2026, 11, 1)
NIGHTS = tuple(END - timedelta(days=days) for days in (28, 7, 1, 0))
CAPACITY = 2
MIDNIGHT = pd.Timestamp("2026-11-01")  # the project's zone is UTC


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("advice") / "tables"
    scoring(
        *("simulate", folder, "--leads", 900, "--end", END, "--seed", 11),
        *("--events-per-lead", 30, "--prevalence", 0.2),
    )
    return folder


@pytest.fixture(scope="module")
def company(tables: Path) -> Journey:
    """Trained at the end of its history, and scored on four nights before."""
    root = tables.parent / "company"
    scoring("init", root, "--from", tables, "--known-at-creation", "*", "--time-zone", "UTC")
    model = root / "models" / "conversion" / "model.toml"
    text = model.read_text().replace('preset = "best"', 'preset = "fast"')
    themes = '["engagement", "effort", "fit", "stages", "qualification"]'
    text = text.replace('use = ["*"]', f"use = {themes}")
    model.write_text(text.replace("margin = 0.005", "margin = 1.0"))
    settings = root / "scoring.toml"
    settings.write_text(settings.read_text().replace("capacity = 10", f"capacity = {CAPACITY}"))
    journey = Journey(root)
    for step in ("ingest", "check"):
        journey(step, "--as-of", END)
    said = journey("train", "--as-of", END).out
    assert "temperature, conversion of the newest leads: hot (90+) " in said
    assert "grade, conversion of the newest leads: A (80+) " in said
    if "is a candidate only" in said:
        journey("promote", "--override", "a company for the tests", "--as-of", END)
    for night in NIGHTS:
        journey("score", "--as-of", night)
    return journey


@pytest.fixture(scope="module")
def scores(company: Journey) -> pd.DataFrame:
    return pd.read_parquet(company.root / "out" / "scores.parquet")


def stored(company: Journey, night: date) -> pd.DataFrame:
    folder = company.root / ".scoring" / "scores" / "conversion"
    return pd.read_parquet(folder / f"{night:%Y%m%d}T000000Z" / "scores.parquet")


def test_every_lead_has_a_step_and_the_condition_that_gave_it(scores: pd.DataFrame) -> None:
    assert set(scores["next_step"]) <= set(STEPS)
    assert scores["next_step"].nunique() >= 5
    unexplained = scores["next_step_because"] == ""
    assert (scores["next_step"][unexplained] == "none").all()
    waiting = scores["attention"] == "waiting_for_us"
    assert waiting.any()
    assert ((scores["next_step"] == "answer_customer") == waiting).all()
    asked = scores["next_step"] == "ask_question"
    assert scores["ask_about"].notna().equals(asked)


def test_grade_temperature_and_score_are_cuts_of_one_scale(scores: pd.DataFrame) -> None:
    assert scores["rank"].tolist() == list(range(1, len(scores) + 1))
    assert scores["score"].is_monotonic_decreasing
    assert scores["grade"].is_monotonic_increasing
    warmth = scores["temperature"].map({"hot": 0, "warm": 1, "cold": 2})
    assert warmth.is_monotonic_increasing
    assert ((scores["score"] >= 90) == (scores["temperature"] == "hot")).all()


def test_who_refused_for_now_rests_until_its_date_and_stays_scored(
    scores: pd.DataFrame, tables: Path
) -> None:
    outcomes = pd.read_parquet(tables / "outcomes.parquet")
    recycled = outcomes[outcomes["outcome"] == "recycled"]
    known = recycled["recorded_at"].fillna(recycled["decided_at"])
    last = recycled[known < MIDNIGHT].groupby("lead_id")["decided_at"].max()
    events = pd.read_parquet(tables / "interactions.parquet")
    theirs = events[events["direction"] == "inbound"].groupby("lead_id")["occurred_at"].max()
    quiet = last[last > theirs.reindex(last.index).fillna(pd.Timestamp(0))]
    merged = pd.read_parquet(tables / "leads.parquet")["merged_into"].dropna()
    quiet = quiet[~quiet.index.isin(merged)]
    resting = scores[scores["lead_id"].isin(quiet[quiet > MIDNIGHT - pd.Timedelta(days=89)].index)]
    resting = resting[resting["attention"] != "waiting_for_us"]
    assert len(resting) > 0
    assert (resting["next_step"] == "recycle").all()
    day = resting["lead_id"].map(quiet).dt.normalize() + pd.Timedelta(days=90)
    assert (resting["recycle_on"] == day).all()
    assert resting["score"].notna().all()
    assert resting["work_on"].isna().all()


def test_nobody_is_told_more_work_than_fits_in_a_day(scores: pd.DataFrame, tables: Path) -> None:
    owner = pd.read_parquet(tables / "leads.parquet").set_index("lead_id")["owner_id"]
    work = scores[scores["work_on"].notna()]
    assert set(work["work_on"].dt.date) == {END}
    places = work["lead_id"].map(owner).fillna("").value_counts()
    assert places.max() == CAPACITY
    assert set(work["work_because"]) <= {"best", "exploration"}
    assert not work["next_step"].isin(["nurture", "recycle", "disqualify", "none"]).any()


def test_the_trend_says_what_it_was_a_week_and_four_weeks_ago(
    company: Journey, scores: pd.DataFrame
) -> None:
    for column, days, night in (("trend", 7, NIGHTS[1]), ("trend_28d", 28, NIGHTS[0])):
        before = stored(company, night).set_index("lead_id")["score"]
        then = scores["lead_id"].map(before)
        pd.testing.assert_series_equal(
            scores[f"score_{days}d_ago"].astype("float64"), then.astype("float64"),
            check_names=False,
        )  # fmt: skip
        moved = (scores["score"] - then).astype("float64")
        assert ((scores[column] == "rising") == (moved >= 10)).all()
        assert ((scores[column] == "falling") == (moved <= -10)).all()
        turned = scores[column].isin(["rising", "falling"])
        assert (scores[f"{column}_cause"][turned] == "data").all()  # one model made all of them
        assert turned.any()


def test_a_published_score_stands_until_the_percentile_has_left_it(company: Journey) -> None:
    old, new = (stored(company, night).set_index("lead_id")["score"] for night in NIGHTS[-2:])
    step = (new - old.reindex(new.index)).dropna().abs()
    assert len(step) > 50
    assert not (step == 1).any()


def test_explain_shows_grade_trend_and_step_with_their_reasons(
    company: Journey, scores: pd.DataFrame
) -> None:
    lead = scores[scores["trend"].eq("rising") & scores["next_step_because"].ne("")].iloc[0]
    said = company("explain", lead["lead_id"]).out
    assert f"grade {lead['grade']}" in said
    assert "rising over 7 days: the score was" in said
    assert "moved by the data" in said
    assert f"next step {lead['next_step']}" in said
    assert f"because {lead['next_step_because']}" in said
    told = company.json("explain", lead["lead_id"])
    assert told["next_step_because"] == lead["next_step_because"]
    assert told["equal"]


def test_a_night_again_is_the_same_and_the_team_edits_the_table(
    company: Journey, scores: pd.DataFrame
) -> None:
    path = company.root / "models" / "conversion" / "next_step.toml"
    text = path.read_text()
    try:
        path.write_text(text.replace("grade in C, D", "grad in C, D"))
        said = company("score", "--as-of", END, code=2).err
        assert "next_step.toml: `grad` is no feature of the project" in said
        assert 'Did you mean "grade"' in said
        path.write_text('[[steps]]\nstep = "nurture"\nwhen = ["timeline is missing"]\n')
        company("score", "--as-of", END)
        edited = pd.read_parquet(company.root / "out" / "scores.parquet")
        assert set(edited["next_step"]) == {"nurture", "none"}
        pd.testing.assert_series_equal(edited["score"], scores["score"])
    finally:
        path.write_text(text)
    company("score", "--as-of", END)
    pd.testing.assert_frame_equal(pd.read_parquet(company.root / "out" / "scores.parquet"), scores)
