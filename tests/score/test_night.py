"""Nights in a row: what stands still, what follows, and that no row contradicts itself."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from score_cases import HELSINKI

from scoring.config import OwnersSection
from scoring.score import scale
from scoring.score.conditions import NUMBER, Name
from scoring.score.earlier import Earlier, Run
from scoring.score.next_step import WORK, Steps, parsed, settings_of
from scoring.score.night import Night, finish
from scoring.score.rows import DTYPES, NAMED, row_dtypes

FIRST = datetime(2027, 2, 28, 22, tzinfo=UTC)  # midnight that begins 1 March in Helsinki
TEMPLATE = Path(__file__).parents[2]
FEATURES = dict.fromkeys(
    ("bounced", "next_step", "next_asked", "committed", "offers", "haggled", "people_known",
     "decider_joined"),
    "float64",
)  # fmt: skip


def template() -> Steps:
    settings = settings_of(TEMPLATE, "conversion")
    assert settings is not None
    return parsed(settings, {name: Name(NUMBER) for name in FEATURES})


class Company:
    """Score runs of the same leads, night by night, kept as the store keeps them."""

    def __init__(self, **night: Any) -> None:
        self.runs: dict[datetime, tuple[str, pd.DataFrame]] = {}
        self.night = {"steps": template()} | night

    def earlier(self, as_of: datetime) -> Earlier:
        def read(at: datetime, columns: Sequence[str]) -> pd.DataFrame:
            rows = self.runs[at][1]
            return rows[[c for c in columns if c in rows]]

        found = sorted(at for at in self.runs if at < as_of)
        return Earlier(tuple(Run(at, self.runs[at][0]) for at in found), read)

    def score(self, leads: list[dict[str, Any]], day: int = 0, version: str = "1", **night: Any):
        as_of = FIRST + timedelta(days=day)
        dtypes = row_dtypes(FEATURES)
        made = [
            {
                "lead_id": f"l{n}",
                "as_of": pd.Timestamp(as_of),
                "probability": lead.get("score", 0) / 100,
                "attention": "none",
                "advisory_attention": "none",
                "why": "",
                "model_version": version,
                "scored_at": pd.Timestamp(as_of),
                "_flag_opens": False,
                "_flag_stays": False,
                **{NAMED + k if k in FEATURES else k: v for k, v in lead.items()},
            }
            for n, lead in enumerate(leads)
        ]
        rows = pd.DataFrame(made, columns=list(dtypes)).astype(dtypes)
        rows = finish(
            rows,
            Night(as_of, HELSINKI, version, earlier=self.earlier(as_of), **self.night | night),
        )
        self.runs[as_of] = version, rows
        return rows.set_index("lead_id").sort_index()


def test_columns_types_and_order() -> None:
    company = Company()
    assert len(company.score([])) == 0
    company.score([{"score": s} for s in (10, 90, 50)])
    rows = company.runs[FIRST][1]
    assert {name: str(kind) for name, kind in rows.dtypes.items()} == DTYPES
    assert rows["rank"].tolist() == [1, 2, 3]
    assert rows["score"].tolist() == [90, 50, 10]


def test_score_grade_and_temperature_never_contradict_each_other_on_any_night() -> None:
    rng = np.random.default_rng(1)
    company, percentile = Company(), rng.integers(0, 101, 80)
    for day in range(12):
        percentile = np.clip(percentile + rng.integers(-3, 4, 80), 0, 100)
        rows = company.score([{"score": int(s)} for s in percentile], day)
        ordered = rows.sort_values("rank")
        assert ordered["score"].is_monotonic_decreasing
        assert (scale.Cuts().grade(rows["score"].to_numpy()) == rows["grade"]).all()
        assert (scale.Cuts().warmth(rows["score"].to_numpy()) == rows["temperature"]).all()
        published = rows.loc[[f"l{n}" for n in range(80)], "score"].to_numpy(dtype=int)
        assert (np.abs(published - percentile) < scale.SETTLED).all()


def test_a_lead_at_the_edge_of_a_grade_keeps_it_and_a_new_model_starts_anew() -> None:
    company = Company()
    grades = [
        company.score([{"score": s}], day)["grade"]["l0"]
        for day, s in enumerate((80, 79, 80, 79, 78, 79, 80))
    ]
    assert grades == ["A", "A", "A", "A", "B", "B", "A"]
    assert company.score([{"score": 79}], 7, version="2")["grade"]["l0"] == "B"


def test_scoring_a_date_again_gives_the_same_rows() -> None:
    company = Company(owners=OwnersSection(capacity=2, exploration=0.5))
    for day in range(9):
        company.score([{"score": 10 * n + day} for n in range(9)], day)
    for day in (0, 3, 8):
        before = company.runs[FIRST + timedelta(days=day)][1].copy()
        company.score([{"score": 10 * n + day} for n in range(9)], day)
        pd.testing.assert_frame_equal(company.runs[FIRST + timedelta(days=day)][1], before)


def test_trend_over_a_week_and_four_weeks() -> None:
    company = Company()
    for day in range(29):
        rows = company.score([{"score": 30 + 2 * day}, {"score": 50}], day)
        if day < 7:
            assert rows["trend"].isna().all()
    assert rows.loc["l0", ["trend", "trend_cause", "trend_28d"]].tolist() == [
        "rising", "data", "rising"
    ]  # fmt: skip
    assert rows.loc["l0", ["score_7d_ago", "score_28d_ago"]].tolist() == [72, 30]
    assert rows.loc["l1", ["trend", "trend_28d"]].tolist() == ["steady", "steady"]
    assert rows.loc["l1", ["trend_cause", "trend_28d_cause"]].isna().all()


def test_the_step_has_its_condition_and_is_kept_in_a_wider_band() -> None:
    company = Company()
    late = {"score": 60, "offers": 1, "_last_meeting": 50, "_last_outbound": 2}
    steps = [
        company.score([late | {"_in_stage": days}], day).loc["l0"]
        for day, days in enumerate((25, 31, 22, 20, 25))
    ]
    assert [s["next_step"] for s in steps] == ["none", "offer_pilot", "offer_pilot", "none", "none"]
    assert steps[1]["next_step_because"] == "offers >= 1 and days_in_stage >= 30 and grade != D"
    assert steps[2]["next_step_because"] == "offers >= 1 and days_in_stage >= 21"


def test_the_question_that_tells_most_is_asked() -> None:
    asked = {"score": 60, "_inbound_90d": 1, "_ask_about": "budget", "_ask_effect": 0.4}
    rows = Company().score([asked, asked | {"score": 5}])
    assert rows["next_step"].tolist() == ["ask_question", "nurture"]
    assert rows.loc["l0", "ask_about"] == "budget"
    assert rows.loc["l0", "next_step_text"] == "Ask for this: budget"
    assert pd.isna(rows.loc["l1", "ask_about"])


def test_a_table_that_asks_where_nothing_is_open_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "q"
    folder.mkdir(parents=True)
    (folder / "next_step.toml").write_text('[[steps]]\nstep = "ask_question"\n')
    settings = settings_of(tmp_path, "q")
    assert settings is not None
    row = Company(steps=parsed(settings, {})).score([{"score": 60}]).loc["l0"]
    assert (row["next_step"], row["next_step_because"]) == ("ask_question", "always")
    assert row["next_step_text"] == "Ask what else they need"


def test_many_tries_without_an_answer_end_in_a_farewell_and_a_new_try_on_its_date() -> None:
    company = Company()
    quiet = {"score": 5, "attention": "low_engagement", "_outbound_90d": 6}
    on = date(2027, 3, 1) + timedelta(days=90)
    for day in (0, 1, 30):
        # The flag is lifted meanwhile: who was bidden farewell is left in peace all the same.
        row = company.score([quiet if day == 0 else {"score": 5}], day).loc["l0"]
        assert (row["next_step"], row["recycle_on"].date()) == ("recycle", on)
        assert pd.isna(row["work_on"])
        said = "Come back on May 30, 2027. Say goodbye now, and ask why"
        assert row["next_step_text"] == said
    assert row["next_step_because"] == "resting == true"
    row = company.score([{"score": 5}], 90).loc["l0"]
    assert (row["next_step"], row["next_step_because"]) == ("call_now", "came_back is known")
    row = company.score([{"score": 5, "_last_outbound": 0.5}], 91).loc["l0"]
    assert (row["next_step"], pd.isna(row["recycle_on"])) == ("nurture", True)


def test_a_lead_that_rests_comes_back_when_it_acts() -> None:
    company = Company()
    company.score([{"score": 5, "attention": "low_engagement", "_outbound_90d": 6}])
    row = company.score([{"score": 40, "_last_act": 0.2, "_last_outbound": 5.0}], 3).loc["l0"]
    assert (row["next_step"], pd.isna(row["recycle_on"])) == ("call_now", True)


def test_a_refusal_in_the_crm_stays_scored_and_rests() -> None:
    at = (FIRST - timedelta(days=10)).replace(tzinfo=None)
    refusals = pd.DataFrame({"lead_id": ["l0"], "refused_at": [at], "known_at": [at]}).astype(
        {"lead_id": "str", "refused_at": "datetime64[us]", "known_at": "datetime64[us]"}
    )
    company = Company(refusals=refusals, owners=OwnersSection(capacity=5))
    rows = company.score([{"score": 95}, {"score": 95, "_last_outbound": 4}])
    assert rows.loc["l0", ["score", "next_step"]].tolist() == [95, "recycle"]
    assert rows.loc["l0", "next_step_text"] == "Come back on May 20, 2027, or when they act"
    assert rows.loc["l0", "recycle_on"].date() == date(2027, 5, 20)
    assert pd.isna(rows.loc["l0", "work_on"])
    assert rows.loc["l1", "work_on"].date() == date(2027, 3, 1)


def test_the_days_work_is_of_the_local_day_and_within_each_owners_capacity() -> None:
    leads = [{"score": 99 - n, "_last_outbound": 20, "_owner": f"o{n % 2}"} for n in range(20)]
    rows = Company(owners=OwnersSection(capacity=3, exploration=0, capacities={"o1": 1})).score(
        leads
    )
    work = rows[rows["work_on"].notna()]
    assert set(work["work_on"].dt.date) == {date(2027, 3, 1)}
    assert sorted(work.index) == ["l0", "l1", "l2", "l4"]
    assert set(work["work_because"]) == {"best"}
    assert (work["next_step"].isin(WORK)).all()


def test_who_is_drawn_by_lot_is_to_be_called_and_is_not_flagged() -> None:
    leads = [{"score": 1, "_last_outbound": 20} for _ in range(200)]
    rows = Company(owners=OwnersSection(capacity=10, exploration=0.5)).score(leads)
    drawn = rows[rows["work_because"] == "exploration"]
    assert len(drawn) == 5
    assert set(drawn["next_step"]) == {"call_now"}
    assert set(drawn["next_step_because"]) == {"exploring == true"}
    assert set(rows["next_step"][rows["work_on"].isna()]) == {"nurture"}


def test_without_a_table_nothing_is_advised() -> None:
    rows = Company(owners=OwnersSection(capacity=9)).score([{"score": 50}], steps=None)
    assert rows[["next_step", "next_step_because", "work_on", "recycle_on"]].isna().all().all()


@pytest.mark.parametrize("gone", [["score"], ["next_step", "recycle_on"], ["flag_since"]])
def test_runs_of_an_older_program_are_read_as_far_as_they_go(gone: list[str]) -> None:
    company = Company()
    company.score([{"score": 80}])
    version, rows = company.runs[FIRST]
    company.runs[FIRST] = version, rows.drop(columns=gone)
    assert company.score([{"score": 79}], 1)["score"]["l0"] == (79 if "score" in gone else 80)
