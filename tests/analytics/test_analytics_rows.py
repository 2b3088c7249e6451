"""Single sentences of the pipeline tables as rows (given, expect)."""

from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from analytics_kit import AS_OF, START, Case, a_lead, asked, made, on, random_case
from twin import DAY, World

from scoring.analytics.forecast import forecast
from scoring.analytics.run import source_kinds
from scoring.config import AnalyticsSection

TICK = timedelta(microseconds=1)


def table(tmp: Path, name: str, case: Case, **about: Any) -> list[dict[str, Any]]:
    return made(tmp, case, asked(**about), [name])[name]  # type: ignore[return-value]


# --- time ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_nothing_from_the_logical_date_on_changes_a_table(tmp_path: Path, seed: int) -> None:
    """What happened or was recorded at or after it may as well not be there."""
    case = random_case(seed)
    about = asked(as_of=(AS_OF - 60 * DAY).replace(tzinfo=UTC))
    end = AS_OF - 60 * DAY

    def past(rows: tuple) -> tuple:
        return tuple(r for r in rows if r.at < end and r.known_at < end)

    world = case.world
    before = World(
        world.leads,
        past(world.interactions),
        past(world.stages),
        past(world.outcomes),
        past(world.changes),
    )
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    whole = made(tmp_path / "one", case, about)
    truncated = replace(case, world=before, verdicts=past(case.verdicts))
    assert made(tmp_path / "other", truncated, about) == whole
    assert whole["stages"]
    assert whole["feedback_outcomes"]


@pytest.mark.parametrize(("day", "known", "here"), [(199.0, None, 1), (200.0, None, 0),
                                                   (199.0, 200.0, 0)])  # fmt: skip
def test_a_stage_counts_once_it_was_reached_and_recorded(
    tmp_path: Path, day: float, known: float | None, here: int
) -> None:
    world = World((a_lead("a", 190),), stages=(on("a", 191, "new"), on("a", day, "talks", known)))
    rows = {r["stage"]: r["here_now"] for r in table(tmp_path, "stages", Case(world))}
    assert rows == ({"new": 0, "talks": 1} if here else {"new": 1})


def test_a_merged_lead_counts_once_with_the_history_of_both(tmp_path: Path) -> None:
    world = World(
        (a_lead("a", 150, merged_into="b", merged_at=START + 160 * DAY), a_lead("b", 151)),
        (on("a", 155, "call", direction="outbound"), on("b", 156, "call", direction="outbound")),
        stages=(on("a", 152, "new"), on("a", 154, "talks")),
        outcomes=(on("b", 170, "won"),),
    )
    (row,) = table(tmp_path, "touches", Case(world))[:1]
    assert (row["sales"], row["touches"]) == (1, 2)
    assert [r["won"] for r in table(tmp_path, "stages", Case(world))] == [1, 1]


def test_only_the_first_sale_of_a_person_counts_its_touches(tmp_path: Path) -> None:
    world = World(
        (a_lead("a", 100, person_id="p"), a_lead("b", 150, person_id="p")),
        tuple(on("b", 150 + n, "call", direction="outbound") for n in range(5)),
        outcomes=(on("a", 110, "won"), on("b", 170, "won")),
    )
    assert table(tmp_path, "touches", Case(world))[-1]["touches"] == 0


# --- projects that tell less --------------------------------------------------------------------


def test_without_an_order_of_stages_every_move_is_one_further_on(tmp_path: Path) -> None:
    world = World(
        (a_lead("a", 150), a_lead("b", 150)),
        stages=(on("a", 151, "x"), on("a", 152, "y"), on("b", 151, "x")),
    )
    rows = table(tmp_path, "stages", Case(world), orders=())
    assert [(r["position"], r["stage"], r["advanced"]) for r in rows] == [
        (None, "x", 1),
        (None, "y", 0),
    ]


def test_without_directions_every_interaction_is_a_touch_and_nobody_is_silent(
    tmp_path: Path,
) -> None:
    world = World(
        (a_lead("a", 150),),
        (on("a", 151, "call"), on("a", 152, "mail")),
        outcomes=(on("a", 170, "won"),),
    )
    row = table(tmp_path, "touches", Case(world))[-1]
    assert (row["touches"], row["answers"]) == (2, 0)


def test_without_any_history_there_are_no_rows(tmp_path: Path) -> None:
    found = made(tmp_path, Case(World((a_lead("a", held=True),))), asked())
    assert {name: rows for name, rows in found.items() if rows} == {}


def test_without_five_won_leads_nothing_is_usual(tmp_path: Path) -> None:
    def case(buyers: int) -> Case:
        names = [f"w{n}" for n in range(buyers)]
        return Case(
            World(
                (a_lead("a", 150), *(a_lead(n, 100) for n in names)),
                stages=tuple(on(n, 100 if n != "a" else 151, "new") for n in ("a", *names)),
                outcomes=tuple(on(n, 110 + i, "won") for i, n in enumerate(names)),
            )
        )

    (few,) = table(tmp_path, "dwell", case(4))
    assert (few["buyers"], few["usual_days"], few["slow_now"]) == (4, None, None)
    (enough,) = table(tmp_path, "dwell", case(5))
    assert (enough["usual_days"], enough["slow_days"], enough["slow_now"]) == (12, 13, 1)


# --- effort -------------------------------------------------------------------------------------


def test_what_the_customer_alone_does_takes_us_no_time(tmp_path: Path) -> None:
    hour = {"duration_s": 3600.0}
    world = World(
        (a_lead("a", 150),),
        (
            on("a", 151, "call", direction="outbound", values=hour),
            on("a", 152, "call", direction="inbound", values=hour),
            on("a", 153, "trial", direction="inbound", values=hour),
            on("a", 154, "email", direction="outbound"),  # five minutes by the settings
            on("a", 155, "proposal", direction="outbound"),
        ),
    )
    rows = {r["type"]: r for r in table(tmp_path, "effort_types", Case(world))}
    assert {name: (r["timed"], r["untimed"], r["hours"]) for name, r in rows.items()} == {
        "call": (2, 0, 2.0),
        "email": (1, 0, pytest.approx(5 / 60)),
        "proposal": (0, 1, 0.0),
        "all": (3, 1, pytest.approx(2 + 5 / 60)),
    }


def test_hours_of_leads_that_never_moved_are_told_by_kind_and_source_and_never_by_person(
    tmp_path: Path,
) -> None:
    hour = {"duration_s": 3600.0}
    world = World(
        (a_lead("a", 100, source="web", owner_id="U1"), a_lead("b", 100, source="web")),
        tuple(on(n, 170, "call", direction="outbound", values=hour) for n in "ab"),
        (on("a", 120, "new"), on("b", 120, "new"), on("b", 130, "talks")),
        (on("a", 180, "lost"),),
    )
    said = {"score": 50, "probability": 0.1, "grade": "B", "attention": "low_engagement"}
    tonight = ({"lead_id": "b", "tire_kicker": True, **said},)
    rows = table(tmp_path, "effort", Case(world, tonight=tonight))
    told = {(r["attention"], r["source_kind"]): (r["hours"], r["never_moved_hours"]) for r in rows}
    assert told == {
        ("ended", "inbound"): (1, 1),
        ("ended", "all"): (1, 1),
        ("low_engagement", "inbound"): (1, 0),
        ("low_engagement", "all"): (1, 0),
        ("all", "inbound"): (2, 1),
        ("all", "all"): (2, 1),
    }
    assert not {"owner_id", "given_by"} & set(rows[0])


# --- sources ------------------------------------------------------------------------------------


def test_sources_are_word_of_mouth_outbound_or_inbound() -> None:
    names = ["Word of mouth", "REFERRAL partner", "web_form", "LinkedIn outreach", "Cold list",
             "advertising", "Suosittelu", "fair 2026", "content"]  # fmt: skip
    assert source_kinds(AnalyticsSection(), names) == {
        "Word of mouth": "word_of_mouth",
        "REFERRAL partner": "word_of_mouth",
        "web_form": "inbound",
        "LinkedIn outreach": "outbound",
        "Cold list": "outbound",
        "advertising": "inbound",
        "Suosittelu": "word_of_mouth",
        "content": "inbound",
    }
    own = AnalyticsSection(inbound=("fair*",))
    assert source_kinds(own, ["fair 2026", "web_form"]) == {"fair 2026": "inbound"}


# --- forecast -----------------------------------------------------------------------------------


def leads(p: list[float], amount: list[float | None], **more: Any) -> pd.DataFrame:
    n = len(p)
    frame = {
        "source_kind": ["inbound"] * n, "amount": amount, "probability": p,
        "probability_low": [None] * n, "probability_high": [None] * n,
        "tire_kicker": [False] * n, **more,
    }  # fmt: skip
    return pd.DataFrame(frame).astype({"amount": "Float64", "tire_kicker": bool})


def deals(**average: float | None) -> pd.DataFrame:
    return pd.DataFrame({"source_kind": list(average), "average_deal": list(average.values())})


def test_a_forecast_is_the_sum_of_probability_times_amount_with_and_without_flagged() -> None:
    rows = leads([0.5, 0.1], [100.0, 1000.0], tire_kicker=[False, True])
    made = forecast(rows, deals(all=None)).set_index("leads")
    assert made["expected_amount"].tolist() == [150, 50, 100]
    assert made["expected_won"].tolist() == pytest.approx([0.6, 0.5, 0.1])
    assert made["open_amount"].tolist() == [1100, 100, 1000]
    assert (made["expected_amount_low"] >= 0).all()
    assert (made["expected_amount_high"] <= made["open_amount"]).all()


def test_a_lead_without_an_amount_counts_as_the_average_deal_of_its_kind() -> None:
    rows = leads([0.5, 0.5], [None, None], source_kind=["inbound", "outbound"])
    made = forecast(rows, deals(inbound=10.0, all=100.0))
    assert made["expected_amount"].tolist()[0] == 55
    assert made["with_amount"].tolist()[0] == 0
    nothing = forecast(rows, deals())
    assert nothing["expected_amount"].isna().tolist() == [True, True, False]
    assert nothing["expected_won"].tolist()[0] == 1


def test_bounds_of_the_probabilities_widen_the_interval() -> None:
    sharp = leads([0.2] * 50, [10.0] * 50)
    vague = sharp.assign(probability_low=0.1, probability_high=0.4)
    one, other = (forecast(rows, deals()).iloc[0] for rows in (sharp, vague))
    assert other["expected_amount_low"] < one["expected_amount_low"]
    assert other["expected_amount_high"] - one["expected_amount_high"] > 50


def test_the_interval_holds_nine_of_ten_outcomes_where_the_probabilities_are_true() -> None:
    rng = np.random.default_rng(1)
    inside = []
    for _ in range(400):
        p = rng.beta(1, 6, 200)
        amount = rng.lognormal(9, 1, 200)
        row = forecast(leads(p.tolist(), amount.tolist()), deals()).iloc[0]
        came = float(amount[rng.random(200) < p].sum())
        inside.append(row["expected_amount_low"] <= came <= row["expected_amount_high"])
    # 400 draws of 0.9 have a standard error of 0.015.
    assert 0.85 <= np.mean(inside) <= 0.95
