"""Tonight's flags from the night before, against a loop over leads and nights."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.flag.calibrate import hashed
from scoring.flag.model import Flag
from scoring.flag.settings import FlagSection
from scoring.flag.state import tonight

ZONE = ZoneInfo("Europe/Helsinki")
START = datetime(2026, 3, 1, 22, tzinfo=UTC)  # midnight there
LEADS = [f"lead-{n}" for n in range(12)]


def flag(threshold: float | None = 0.0, withheld: float = 0.3) -> Flag:
    section = FlagSection(withheld_share=withheld)
    return cast(Flag, SimpleNamespace(threshold=threshold, settings=section))


def night(opens: list[bool], stays: list[bool], grades: list[str], attention: list[str]) -> Any:
    """Rows of the first of LEADS, as `score` has them before the flags."""
    n = len(opens)
    return pd.DataFrame(
        {
            "lead_id": LEADS[:n],
            "grade": grades,
            "attention": attention,
            "why": [f"why {i}" for i in range(n)],
            "_flag_opens": opens,
            "_flag_stays": stays,
            "_flag_kind": ["low_engagement"] * n,
            "_flag_reasons": [f"signs {i}" for i in range(n)],
            "_flag_why": [f"ends {i}" for i in range(n)],
        }
    )


def run(rows: Any, before: Any, at: datetime, spared: Any = (), version: str = "1", **more: Any):
    found = tonight(
        rows, before, spared, flag=flag(**more), model_version=version, as_of=at, zone=ZONE
    )
    kept = rows[["lead_id", "grade"]].assign(model_version=version, scored_at=pd.Timestamp(at))
    return pd.concat([kept, found], axis=1)


ONE = (["C"], ["not_assessed"])


def test_a_flag_opens_stands_near_the_threshold_and_goes() -> None:
    first = run(night([True], [True], *ONE), None, START, withheld=0.0).iloc[0]
    assert (first["attention"], first["tire_kicker"]) == ("low_engagement", True)
    assert (first["why"], first["tire_kicker_reasons"]) == ("ends 0", "signs 0")
    assert first["flag_since"] == pd.Timestamp(START)

    day = timedelta(days=1)
    stood = run(night([False], [True], *ONE), pd.DataFrame([first]), START + day, withheld=0.0)
    assert stood["flag_since"].tolist() == [pd.Timestamp(START)]
    gone = run(night([False], [False], *ONE), stood, START + 2 * day, withheld=0.0).iloc[0]
    assert (gone["attention"], gone["why"], gone["tire_kicker_reasons"]) == ("none", "why 0", "")
    assert pd.isna(gone["flag_since"])
    again = run(night([False], [True], *ONE), pd.DataFrame([gone]), START + 3 * day, withheld=0.0)
    assert not again["tire_kicker"].any()  # near the threshold keeps a flag and opens none


def test_without_a_valid_threshold_nothing_is_assessed() -> None:
    rows = night([True, True], [True, True], ["D", "D"], ["not_assessed", "waiting_for_us"])
    found = run(rows, None, START, threshold=None)
    assert found["attention"].tolist() == ["not_assessed", "waiting_for_us"]
    assert not found["tire_kicker"].any()
    none = tonight(rows, None, (), flag=None, model_version="1", as_of=START, zone=ZONE)
    assert none["attention"].tolist() == ["not_assessed", "waiting_for_us"]


def test_another_model_begins_anew_and_may_flag_at_once() -> None:
    before = run(night([True], [True], *ONE), None, START, withheld=0.0)
    later = START + timedelta(hours=3)
    rows = night([False], [True], *ONE)
    assert not run(rows, before, later, version="2", withheld=0.0)["tire_kicker"].any()
    rows = night([True], [True], *ONE)
    found = run(rows, before, later, version="2", withheld=0.0)
    assert found["flag_since"].tolist() == [pd.Timestamp(later)]


def test_a_second_run_of_a_day_opens_flags_of_new_leads_only() -> None:
    none = night([False], [False], *ONE)
    before = run(none, None, START + timedelta(hours=1), withheld=0.0)
    both = night([True] * 2, [True] * 2, ["C"] * 2, ["not_assessed"] * 2)
    second = run(both, before, START + timedelta(hours=9), withheld=0.0)
    assert second["tire_kicker"].tolist() == [False, True]
    third = run(both, second, START + timedelta(hours=23), withheld=0.0)
    assert third["tire_kicker"].tolist() == [False, True]
    assert run(both, third, START + timedelta(hours=24), withheld=0.0)["tire_kicker"].all()


def test_a_run_of_before_there_were_flags_says_nothing() -> None:
    old = pd.DataFrame({"lead_id": LEADS[:1], "model_version": "1", "scored_at": [START]})
    rows = night([True], [True], *ONE)
    assert run(rows, old, START + timedelta(days=1), withheld=0.0)["tire_kicker"].all()
    assert run(rows, old.head(0), START + timedelta(days=1), withheld=0.0)["tire_kicker"].all()


def test_withheld_leads_show_nothing_and_are_the_same_for_every_night_and_model() -> None:
    n = len(LEADS)
    rows = night([True] * n, [True] * n, ["D"] * n, ["not_assessed"] * n)
    nights = [
        run(rows, None, START + timedelta(days=d), version=v, withheld=0.5)
        for d, v in ((0, "1"), (9, "1"), (9, "2"))
    ]
    hidden = nights[0]["flag_withheld"]
    assert 0 < hidden.sum() < n
    for found in nights:
        assert found["flag_withheld"].equals(hidden)
        assert (found["tire_kicker"] == ~hidden).all()
        assert set(found.loc[hidden, "attention"]) == {"none"}
        assert found["flag_since"].notna().all()


def loop(nights: list[dict[str, Any]], share: float) -> list[list[tuple[Any, ...]]]:
    """What each lead shows each night: (attention, shown, since, withheld), lead by lead."""
    told: list[list[tuple[Any, ...]]] = [[] for _ in nights]
    for place, lead in enumerate(LEADS):
        since, model, day = None, None, None
        for number, one in enumerate(nights):
            if one["version"] != model:
                since, day = None, None
            today = one["at"].astimezone(ZONE).date()
            allowed = one["grades"][place] in ("C", "D") and lead not in one["spared"]
            if not (allowed and one["stays"][place]):
                since = None
            if allowed and one["opens"][place] and today != day and since is None:
                since = one["at"]
            model, day = one["version"], today
            hidden = since is not None and hashed(lead, "withheld") < share
            shown = since is not None and not hidden
            base = one["attention"][place]
            unflagged = "none" if base == "not_assessed" else base
            told[number].append((("low_engagement" if shown else unflagged), shown, since, hidden))
    return told


@st.composite
def histories(draw: Any) -> list[dict[str, Any]]:
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    at, found = START, []
    n = len(LEADS)
    for _ in range(draw(st.integers(1, 8))):
        stays = rng.random(n) < 0.7
        opens = stays & (rng.random(n) < 0.6)
        spoke = ~stays & (rng.random(n) < 0.5)
        found.append(
            {
                "at": at,
                "version": str(int(rng.random() < 0.1)),
                "opens": opens.tolist(),
                "stays": stays.tolist(),
                "grades": rng.choice(["A", "B", "C", "D"], n, p=[0.05, 0.1, 0.45, 0.4]).tolist(),
                "attention": np.where(spoke, "waiting_for_us", "not_assessed").tolist(),
                "spared": {LEADS[i] for i in np.flatnonzero(rng.random(n) < 0.1)},
            }
        )
        # Several runs a day, and nights that are left out.
        at += timedelta(hours=int(rng.choice([1, 5, 24, 24, 24, 72])))
    return found


@settings(max_examples=60, deadline=None)
@given(histories())
def test_many_nights_are_what_a_loop_over_each_lead_gives(nights) -> None:
    before = None
    for one, told in zip(nights, loop(nights, 0.3), strict=True):
        rows = night(one["opens"], one["stays"], one["grades"], one["attention"])
        before = run(rows, before, one["at"], one["spared"], one["version"])
        since = [None if pd.isna(at) else at.to_pydatetime() for at in before["flag_since"]]
        found = list(
            zip(
                before["attention"],
                before["tire_kicker"].tolist(),
                since,
                before["flag_withheld"].tolist(),
                strict=True,
            )
        )
        assert found == told
