"""What the threshold is tested on, and that nothing of the tested half reaches what was fitted."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from companies import AGES, COLUMNS, FEATURES, Company, ever_flagged, nights

from scoring.build.columns import Column, Sign
from scoring.errors import NoUsableModel
from scoring.flag.bound import most_flagged, upper_bound
from scoring.flag.calibrate import calibrated, fit, fitting_half, hashed, worst_nights
from scoring.flag.model import Flag
from scoring.flag.nights import MOST_BUYERS, cohort_of
from scoring.flag.price import price, promise
from scoring.flag.settings import FlagSection
from scoring.score.attention import attention
from scoring.train.fitted import choose

COMPANY = Company(
    leads=1500, prevalence=0.25, known=1.5, shown=0.8, steady=0.8, days=(12, 20),
    haggles=(0.002, 0.008), asks=(0.03, 0.01),
)  # fmt: skip


@cache
def history() -> pd.DataFrame:
    return nights(COMPANY, COMPANY.leads, np.random.default_rng(3), buyers=False)


def training_rows() -> pd.DataFrame:
    rows = history()[history()["age"].isin(AGES)].reset_index(drop=True)
    return rows.assign(as_of=pd.Timestamp("2026-01-01") + pd.to_timedelta(rows["created"], "D"))


@cache
def fitted(mode: str = "guaranteed") -> Flag:
    rows = training_rows()
    half = rows[fitting_half(rows["group_id"], 7)].reset_index(drop=True)
    return fit(half, FEATURES, FlagSection(mode=mode), 7)  # type: ignore[arg-type]


@cache
def other_half() -> pd.DataFrame:
    rows = history()
    kept = ~fitting_half(rows["group_id"], 7) & rows["converted"]
    return rows[kept].reset_index(drop=True)


def statistic(flag: Flag) -> np.ndarray:
    return np.array(list(worst_nights(flag, [other_half()], True).values()))


def test_the_statistic_of_a_buyer_is_its_worst_night_with_evidence_and_nothing_that_lifts() -> None:
    flag, rows = fitted(), other_half()
    fired = flag.limits.fired(rows)
    waiting = attention(rows, True)
    chance = flag.risk.model.predict_proba(rows[list(flag.risk.names)])[:, 1]
    worst: dict[int, float] = {}
    for place, root in enumerate(rows["root_key"]):
        strong = bool(fired["haggled"].iloc[place])
        weak = sum(bool(fired[name].iloc[place]) for name in ("moved", "silent", "unlike"))
        asked = rows["asked"].iloc[place] <= flag.settings.earnest_days
        lifted = asked or waiting[place] != "not_assessed"
        worst.setdefault(root, -np.inf)
        if (strong or weak >= 2) and not lifted:
            odds = np.log((1 - chance[place]) / chance[place])
            worst[root] = max(worst[root], odds)
    found = worst_nights(flag, [other_half().iloc[:100], other_half().iloc[100:]], True)
    assert found.keys() == worst.keys()
    assert found == {root: pytest.approx(value) for root, value in worst.items()}
    assert -np.inf < min(v for v in worst.values() if np.isfinite(v))
    assert any(value == -np.inf for value in worst.values())


def test_the_threshold_flags_as_many_of_the_tested_buyers_as_is_said() -> None:
    flag = calibrated(fitted(), statistic(fitted()))
    facts = flag.facts
    assert facts["promised"]
    assert facts["buyers"] == other_half()["root_key"].nunique()
    assert facts["bound"] <= 0.05
    assert 0 < facts["flagged"] <= most_flagged(facts["buyers"], 0.05, 0.95)
    assert ever_flagged(flag, other_half()).sum() == facts["flagged"]
    looser = flag.grid[flag.grid.index(flag.threshold) + 1]
    more = int((statistic(flag) >= looser).sum())
    assert upper_bound(more, facts["buyers"], 0.95) > 0.05


def test_the_run_of_many_nights_flags_whom_the_statistic_says() -> None:
    """Hysteresis, nights that are left out and a second run a day flag nobody else."""
    flag = calibrated(fitted(), statistic(fitted()))
    assert flag.threshold is not None
    said = worst_nights(flag, [other_half()], True)
    expected = {root for root, value in said.items() if value >= flag.threshold}
    assert set(np.flatnonzero(ever_flagged(flag, other_half()))) == expected
    every_third = other_half()[other_half()["age"] % 3 == 0]
    assert set(np.flatnonzero(ever_flagged(flag, every_third))) <= expected


def test_who_is_tested_changes_nothing_but_the_threshold() -> None:
    few = calibrated(fitted(), statistic(fitted())[:80])
    many = calibrated(fitted(), statistic(fitted()))
    assert few.grid == many.grid
    assert few.limits == many.limits
    assert few.risk is many.risk


def test_too_few_buyers_promise_nothing_and_say_how_many_are_missing() -> None:
    short = calibrated(fitted(), statistic(fitted())[:58])
    assert short.threshold is None
    assert (short.facts["missing"], short.facts["promised"]) == (1, False)
    assert not short.judged(other_half(), True).rows["_flag_opens"].any()
    assert "58 buyers are known and 59 are needed" in promise(short.facts)
    assert price(short.facts) == ""
    none = calibrated(fitted(), np.array([]))
    assert none.threshold is None
    assert none.facts["missing"] == 59


def test_an_advisory_flag_keeps_the_share_on_average() -> None:
    values = statistic(fitted())[:58]
    advised = calibrated(fitted("advisory"), values)
    assert advised.threshold is not None
    assert not advised.facts["promised"]
    assert (advised.facts["flagged"] + 1) / 59 <= 0.05
    assert calibrated(fitted("advisory"), values[:18]).threshold is None  # (0 + 1) / 19 > 5 %
    enough = statistic(fitted())
    assert calibrated(fitted("advisory"), enough).facts["promised"]
    assert "Nothing is promised" in promise(advised.facts)


def test_when_even_the_strictest_threshold_costs_too_much_there_is_no_flag() -> None:
    costly = calibrated(fitted(), np.full(500, 1e6))
    assert costly.threshold is None
    assert not costly.facts["missing"]
    assert "even the strictest threshold" in promise(costly.facts)


def test_without_a_sign_there_is_no_flag() -> None:
    rows = training_rows()
    columns = tuple(c for c in COLUMNS if c.sign is None)
    bare = fit(rows, replace(FEATURES, columns=columns), FlagSection(mode="advisory"), 7)
    found = calibrated(bare, np.full(500, -np.inf))
    assert found.threshold is None
    assert promise(found.facts).startswith("No flag: this question has no sign")


def test_a_sign_learned_of_what_too_few_leads_have_is_no_sign(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    staff = Column("staff", "staff", "fit", "lead", "attribute", of="staff")
    size = Column(
        "size_staff", "size_staff", "peers", "learned", "against_won", inputs=("staff",),
        of="staff", each="attribute", sign=Sign("outside_profile", strong=True, side="both"),
    )  # fmt: skip
    features = replace(FEATURES, columns=(*FEATURES.columns, staff), learned=(size,))
    rows = training_rows()
    closed = rows["as_of"] + pd.Timedelta(days=1)
    rows = rows.assign(matured_at=closed, closed_at=closed)
    half = rows[fitting_half(rows["group_id"], 7)].reset_index(drop=True)
    half["staff"] = half["root_key"].mod(7).astype("float64")
    monkeypatch.setattr("scoring.train.fitted.MIN_LEADS", len(half))
    assert "size_staff" in choose(half, features).rows
    assert "size_staff" not in choose(half, features).names
    flag = fit(half, features, FlagSection(), 7)
    assert "size_staff" not in {c.name for c in flag.limits.signs}
    assert worst_nights(flag, [other_half().assign(staff=50.0)], True)


def test_halves_and_hashes_are_the_same_everywhere_and_always() -> None:
    assert hashed("lead-1", "withheld") == pytest.approx(0.1548836967198082, abs=1e-12)
    names = pd.Series([f"p{n}" for n in range(2000)] * 2)
    half = fitting_half(names, 7)
    assert (half[:2000] == half[2000:]).all()
    assert 0.45 < half.mean() < 0.55
    assert (fitting_half(names, 8) != half).any()
    more = pd.concat([pd.Series(["another"]), names], ignore_index=True)
    assert (fitting_half(more, 7)[1:] == half).all()


def test_a_flag_reads_back_as_it_was_written(tmp_path: Any) -> None:
    flag = calibrated(fitted(), statistic(fitted()))
    said = flag.write(tmp_path)
    again = Flag.read(said, tmp_path)
    pd.testing.assert_frame_equal(
        again.judged(other_half(), True).rows, flag.judged(other_half(), True).rows
    )
    assert (again.threshold, again.grid, again.facts) == (flag.threshold, flag.grid, flag.facts)
    assert [c.name for c in again.earnest] == ["asked"]
    other = {**said, "hashes": {**said["hashes"], "model.json": "0"}}
    with pytest.raises(NoUsableModel, match="flag"):
        Flag.read(other, tmp_path)
    (tmp_path / "flag" / "model.json").write_text("{}")
    with pytest.raises(NoUsableModel):
        Flag.read(said, tmp_path)


# --- who is tested --------------------------------------------------------------------------------

DATA_END = datetime(2026, 1, 1, tzinfo=UTC)


def known(n: int, days_to_buy: int = 30) -> pd.DataFrame:
    """A buyer created each day before DATA_END."""
    created = pd.Timestamp("2026-01-01") - pd.to_timedelta(np.arange(n) + days_to_buy, unit="D")
    return pd.DataFrame(
        {
            "lead_id": [f"l{i}" for i in range(n)],
            "root_key": np.arange(n),
            "group_id": [f"p{i}" for i in range(n)],
            "created_at": created,
            "bought_at": created + pd.Timedelta(days=days_to_buy),
        }
    )


def test_buyers_of_the_other_half_count_once_they_are_old_enough_for_slow_ones() -> None:
    rows = known(400)
    slow = rows.index % 10 == 0
    rows.loc[slow, "bought_at"] += pd.Timedelta(days=90)
    rows = rows[rows["bought_at"] < pd.Timestamp("2026-01-01")]
    found = cohort_of(rows, DATA_END, 7)
    assert found.until == pd.Timestamp("2026-01-01") - pd.Timedelta(days=120)
    chosen = rows[rows["lead_id"].isin(found.lead_ids)]
    assert (chosen["created_at"] <= found.until).all()
    assert not fitting_half(chosen["group_id"], 7).any()
    old = rows[rows["created_at"] <= found.until]
    assert found.buyers == (~fitting_half(old["group_id"], 7)).sum()
    # As many of them are slow as of all buyers: none is missing because it is slow.
    assert (chosen["lead_id"].isin(rows.loc[slow[rows.index], "lead_id"])).mean() > 0.05


def test_merged_leads_are_one_buyer_and_all_of_them_are_looked_at() -> None:
    rows = known(300)
    twice = rows.assign(lead_id=rows["lead_id"] + "-twin")
    found = cohort_of(pd.concat([rows, twice], ignore_index=True), DATA_END, 7)
    alone = cohort_of(rows, DATA_END, 7)
    assert found.buyers == alone.buyers
    assert set(found.lead_ids) == {*alone.lead_ids, *(f"{name}-twin" for name in alone.lead_ids)}


def test_not_more_buyers_than_needed_are_looked_at_and_always_the_same() -> None:
    rows = known(4 * MOST_BUYERS)
    found = cohort_of(rows, DATA_END, 7)
    assert found.buyers == len(found.lead_ids) == MOST_BUYERS
    shuffled = rows.sample(frac=1, random_state=1)
    assert cohort_of(shuffled, DATA_END, 7) == found
    assert cohort_of(rows.head(0), DATA_END, 7).buyers == 0
