"""The team's table: its first row that holds, what a lead keeps, and every slip in one sentence.

The template's own table is tested row by row: each is reached, by the lead that it is meant for.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scoring.errors import ConfigError
from scoring.score.conditions import NUMBER, TEXT, Name
from scoring.score.next_step import (
    NAMES,
    STEPS,
    WORK,
    Steps,
    mentioned,
    parsed,
    settings_of,
)
from scoring.words.labels import LABELS

TEMPLATE = Path(__file__).parents[2]
FEATURES = {
    name: Name(NUMBER)
    for name in ("bounced", "next_step", "next_asked", "committed", "offers", "haggled")
} | {name: Name(NUMBER) for name in ("people_known", "decider_joined")}
NOBODY: dict[str, Any] = {"grade": "B", "attention": "none", "resting": 0.0, "exploring": 0.0}


def template() -> Steps:
    settings = settings_of(TEMPLATE, "conversion")
    assert settings is not None
    assert mentioned(settings) == FEATURES.keys()
    return parsed(settings, FEATURES)


def table(tmp_path: Path, text: str, features: dict[str, Name] | None = None) -> Steps:
    folder = tmp_path / "models" / "q"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "next_step.toml").write_text(text)
    settings = settings_of(tmp_path, "q")
    assert settings is not None
    return parsed(settings, features or {})


def values(*leads: dict[str, Any], features: dict[str, Name] | None = None) -> dict[str, pd.Series]:
    names = {**NAMES, **(FEATURES if features is None else features)}
    return {
        name: pd.Series(
            [lead.get(name) for lead in leads], dtype="str" if of.kind == TEXT else "float64"
        )
        for name, of in names.items()
    }


def step_of(steps: Steps, lead: dict[str, Any], before: str | None = None) -> tuple[str, str, bool]:
    found = steps.choose(values(NOBODY | lead), pd.Series([before], dtype="str")).iloc[0]
    return found["next_step"], found["next_step_because"], bool(found["first"])


LATE = {"offers": 1, "days_in_stage": 40, "days_since_meeting": 20}
TEMPLATE_ROWS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("answer_customer", {"attention": "waiting_for_us", "resting": 1, "grade": "D"}),
    ("call_now", {"came_back": "date", "grade": "D"}),
    ("recycle", {"resting": 1, "grade": "A"}),
    ("verify_contact", {"bounced": 1, "grade": "A"}),
    ("call_now", {"exploring": 1, "grade": "D"}),
    ("none", {"next_step": 3, "grade": "A", "trend": "rising"}),
    ("disqualify", {"attention": "outside_profile", "grade": "D"}),
    ("recycle", {"attention": "low_engagement", "outbound_90d": 6, "grade": "D"}),
    ("nurture", {"attention": "low_engagement", "outbound_90d": 5, "grade": "C"}),
    ("call_now", {"next_asked": 2, "days_since_outbound": 2, "grade": "C"}),
    ("call_now", {"committed": 7, "days_since_outbound": 2, "grade": "C"}),
    ("call_now", {"grade": "A", "trend": "rising", "days_since_outbound": 0.5}),
    ("call_now", {"attention": "not_worked"}),
    ("offer_payment_plan", {"offers": 1, "haggled": 1}),
    ("offer_pilot", LATE),
    ("offer_references", LATE | {"offers": 0}),
    ("ask_for_decision_maker", {"people_known": 1, "inbound_90d": 2}),
    ("ask_question", {"people_known": 1, "decider_joined": 3, "inbound_90d": 2, "ask_effect": 0.3,
                      "ask_about": "budget"}),
    ("call_now", {"grade": "A", "days_since_outbound": 3}),
    ("call_now", {"grade": "B", "days_since_outbound": 14}),
    ("nurture", {"grade": "D", "attention": "busy_without_progress"}),
    ("nurture", {"grade": "C"}),
)  # fmt: skip


@pytest.mark.parametrize("row", range(len(TEMPLATE_ROWS)))
def test_every_row_of_the_template_is_reached_by_its_lead(row: int) -> None:
    step, lead = TEMPLATE_ROWS[row]
    steps = template()
    assert len(TEMPLATE_ROWS) == len(steps.rows)
    of = steps.rows[row]
    assert of.step == step
    assert step_of(steps, lead) == (step, of.text(of.when), of.first)


def test_a_lead_that_nothing_applies_to_has_no_step() -> None:
    assert step_of(template(), {"days_since_outbound": 2}) == ("none", "", False)


def test_the_template_knows_every_step_and_sellers_have_a_label_for_each() -> None:
    assert {row.step for row in template().rows} == set(STEPS)
    assert set(STEPS) <= LABELS["next_step"].keys()
    assert max(map(len, STEPS)) <= 22  # the CRM's column


@pytest.mark.parametrize(
    ("step", "enters", "keeps", "leaves"),
    [
        ("call_now", {"grade": "A", "trend": "rising"}, {"grade": "A", "trend": "steady"},
         {"grade": "B", "trend": "steady"}),
        ("offer_pilot", LATE, LATE | {"days_in_stage": 21}, LATE | {"days_in_stage": 20}),
        ("ask_for_decision_maker", {"people_known": 1, "inbound_90d": 2},
         {"people_known": 1, "inbound_90d": 1}, {"people_known": 1, "decider_joined": 1}),
    ],
)  # fmt: skip
def test_a_step_is_kept_in_a_wider_band_than_it_is_given_in(
    step: str, enters: dict[str, Any], keeps: dict[str, Any], leaves: dict[str, Any]
) -> None:
    steps = template()
    quiet = {"days_since_outbound": 1.0}
    assert step_of(steps, quiet | enters)[0] == step
    assert step_of(steps, quiet | keeps)[0] != step  # to one that comes anew
    kept = step_of(steps, quiet | keeps, before=step)
    row = next(r for r in steps.rows if r.step == step and r.stay)
    assert kept[:2] == (step, row.text(row.stay))
    assert step_of(steps, quiet | leaves, before=step)[0] != step


def test_what_is_more_urgent_ends_a_step_at_once_and_what_was_done_does_too() -> None:
    steps = template()
    assert step_of(steps, LATE | {"attention": "waiting_for_us"}, "offer_pilot")[0] == (
        "answer_customer"
    )
    assert step_of(steps, {"days_since_outbound": 0.1}, "answer_customer")[0] == "none"


def test_a_step_does_not_come_and_go_with_a_number_at_its_edge(tmp_path: Path) -> None:
    steps = table(
        tmp_path,
        '[[steps]]\nstep = "call_now"\nwhen = ["score >= 80"]\nstay = ["score >= 75"]\n'
        '[[steps]]\nstep = "nurture"\n',
    )
    had, shown = pd.Series([None], dtype="str"), []
    for score in (79, 80, 79, 81, 78, 75, 74, 79, 80):
        had = steps.choose(values({"score": score}, features={}), had)["next_step"]
        shown.append(had[0])
    call, nurture = "call_now", "nurture"
    assert shown == [nurture, call, call, call, call, call, nurture, nurture, call]


def test_rows_are_read_in_order_like_the_obvious_loop() -> None:
    """Three hundred leads at once as one by one."""
    steps = template()
    rng = np.random.default_rng(3)
    n = 300
    leads = [
        {
            "grade": rng.choice(list("ABCD")),
            "trend": rng.choice(["rising", "steady", "falling", None]),
            "attention": rng.choice(["none", "low_engagement", "not_worked", "waiting_for_us"]),
            **{name: rng.choice([None, 0, 1, 2]) for name in FEATURES},
            "days_in_stage": rng.choice([None, 25, 40]),
            "days_since_meeting": rng.choice([None, 3]),
            "inbound_90d": int(rng.integers(4)),
            "outbound_90d": int(rng.integers(12)),
            "days_since_outbound": rng.choice([None, 1, 5, 30]),
            "resting": float(rng.random() < 0.1),
            "ask_effect": rng.choice([None, 0.05, 0.2]),
        }
        for _ in range(n)
    ]
    had = pd.Series(rng.choice([*STEPS, None], n), dtype="str")
    found = steps.choose(values(*leads), had)
    for place in range(n):
        step = because = None
        single = values(leads[place])
        for row in steps.rows:
            if all(c.holds(single)[0] for c in row.when):
                step, because = row.step, row.text(row.when)
            elif row.stay and had[place] == row.step and all(c.holds(single)[0] for c in row.stay):
                step, because = row.step, row.text(row.stay)
            if step:
                break
        assert (found["next_step"][place], found["next_step_because"][place]) == (
            step or "none",
            because or "",
        )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "`steps` is missing"),
        ('[[steps]]\nwhen = ["score > 3"]\n', "step` is missing"),
        ('[[steps]]\nstep = "cal_now"\n', 'Did you mean "call_now"'),
        ('[[steps]]\nstep = "call_now"\nwhen = "score > 3"\n', "next_step.toml"),
        ('[[steps]]\nstep = "call_now"\nwen = ["score > 3"]\n', "`steps.0.wen` is not a known key"),
        ('[[steps]]\nstep = "call_now"\nwhen = ["scor > 3"]\n', "row 1 (call_now): `scor`"),
        ('[[steps]]\nstep = "call_now"\nwhen = ["score > 3"]\nstay = ["score > x"]\n', "a number"),
        ('[[steps]]\nstep = "nurture"\n[[steps]]\nstep = "none"\nwhen = ["score > 3"]\n',
         "row 2 (none): the row before holds for every lead"),
        ("recycle_after_days = 0\nsteps = []\n", "recycle_after_days"),
        ("[[steps]\n", "not valid TOML"),
    ],
)  # fmt: skip
def test_a_slip_in_the_table_is_one_sentence(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as error:
        table(tmp_path, text)
    assert says in str(error.value)
    assert "next_step.toml" in str(error.value)


def test_a_question_without_a_table_advises_nothing(tmp_path: Path) -> None:
    assert settings_of(tmp_path, "q") is None


def test_names_of_the_engine_win_over_features_of_the_same_name(tmp_path: Path) -> None:
    steps = table(tmp_path, '[[steps]]\nstep = "nurture"\nwhen = ["stage == demo"]\n',
                  {"stage": Name(NUMBER)})  # fmt: skip
    assert steps.rows[0].when[0].values == ("demo",)
    assert steps.names == {"stage"}


def test_work_is_what_a_seller_does() -> None:
    assert set(STEPS) - set(WORK) == {"nurture", "recycle", "disqualify", "none"}
