"""The evidence against a column, rule by rule, on leads whose truth is known."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from sklearn.metrics import roc_auc_score

from scoring.build.columns import Column
from scoring.build.featureset import FeatureSet
from scoring.train.leak_rows import Comparison, comparisons
from scoring.train.leak_search import without
from scoring.train.leak_times import follows_decision, set_at_decision
from scoring.train.leaks import Leak, collapsing, related, telling, timed
from scoring.train.separation import (
    CUTS,
    FOLDS,
    PRIOR,
    auc,
    certainty,
    codes,
    out_of_fold,
    placements,
    weaker,
)

ALPHA = 1e-5
START, END = pd.Timestamp("2025-01-01"), pd.Timestamp("2026-01-01")
DAY = pd.Timedelta(days=1)


def compared(values, y, kind="label") -> Comparison:
    y = np.asarray(y)
    fold = np.random.default_rng(0).integers(0, FOLDS, len(y))
    return Comparison(kind, pd.DataFrame({"x": values}), y, fold)


def told(values, y, *, attribute=True, kind="label") -> Leak | None:
    column = Column("x", "x", "fit", "lead", "attribute", of="x")
    return telling(column, [compared(values, y, kind)], attribute=attribute, alpha=ALPHA)


@pytest.fixture
def y():
    return (np.random.default_rng(1).random(1_000) < 0.2).astype(int)


# --- measures, against their definitions --------------------------------------------------------

SCORES = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=4, max_size=40)


@given(SCORES)
@settings(max_examples=100, deadline=None)
def test_placements_are_what_pairs_say(rows):
    y, score = np.array(rows, dtype=float).T
    if y.min() == y.max():
        return
    above, below = placements(y, score)
    pairs = [[(a > b) + (a == b) / 2 for b in score[y == 0]] for a in score[y == 1]]
    np.testing.assert_allclose(above, np.mean(pairs, axis=1))
    np.testing.assert_allclose(below, np.mean(pairs, axis=0))
    assert above.mean() == pytest.approx(roc_auc_score(y, score))


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.integers(0, FOLDS - 1)), min_size=2))
@settings(max_examples=100, deadline=None)
def test_out_of_fold_never_looks_at_its_own_fold(rows):
    code, y, fold = np.array(rows, dtype=int).T
    for i, rate in enumerate(out_of_fold(code, y, fold)):
        others = y[fold != fold[i]]
        usual = others.mean() if len(others) else 0.0
        same = y[(fold != fold[i]) & (code == code[i])]
        assert rate == pytest.approx((same.sum() + PRIOR * usual) / (len(same) + PRIOR))


def test_codes_keep_missing_apart_and_bin_numbers():
    texts = codes(pd.Series(["b", None, "a", "b"], dtype="str"))
    assert texts[1] == 0
    assert texts[0] == texts[3] != texts[2]
    few = codes(pd.Series([np.nan, 5.0, -1.0, 5.0, np.inf]))
    assert few.tolist() == [0, 2, 1, 2, 0]
    many = codes(pd.Series(np.arange(1_000.0)))
    assert len(np.unique(many)) == 20
    assert (np.diff(many) >= 0).all()


def test_bounds_hold_as_often_as_they_say():
    """Of 1,000 samples about 5 % may have a true AUC, or a true share, below the bound."""
    rng = np.random.default_rng(2)
    too_high = surer = 0
    for _ in range(1_000):
        y = np.repeat([1, 0], [30, 120])
        score = rng.normal(size=150) + 1.2 * y
        too_high += auc(y, score, 0.05).lower > 0.80193  # Phi(1.2 / sqrt 2)
        kind = (rng.random(100) < 0.7).astype(int)
        surer += certainty(kind, np.ones(100), 0.05).lower > 0.7
    assert too_high <= binom.ppf(0.999, 1_000, 0.05)
    assert surer <= binom.ppf(0.999, 1_000, 0.05)


def test_certainty_of_leads_that_are_all_of_the_kind_is_the_exact_bound():
    y = np.repeat([1, 0], [50, 150])
    found = certainty(y, y.astype(float), ALPHA)
    assert (found.leads, found.share) == (50, 1.0)
    assert found.lower == pytest.approx((ALPHA / len(CUTS)) ** (1 / 50))


def test_weaker_is_half_lost_or_not(y):
    rng = np.random.default_rng(3)
    strong = rng.normal(size=len(y)) + 1.5 * y
    left, surely = weaker(y, strong, rng.normal(size=len(y)), ALPHA)
    assert surely
    assert left < 0.3
    left, surely = weaker(y, strong, strong + 0.1 * rng.normal(size=len(y)), ALPHA)
    assert not surely
    assert left > 0.9


# --- what one column tells ----------------------------------------------------------------------


def test_perfect_separation_by_a_number_by_a_text_and_by_a_band(y):
    number = told(pd.Series(y * 3.0 + np.random.default_rng(0).random(len(y))), y)
    text = told(pd.Series(np.where(y, "signed", "new"), dtype="str"), y)
    centre = np.random.default_rng(0).uniform(-1, 1, len(y))
    band = told(pd.Series(np.where(y, centre / 20, centre + np.sign(centre))), y)
    for leak in (number, text, band):
        assert leak.reason == "separation"
        assert leak.value > leak.limit == 0.95


def test_a_field_of_some_won_leads_only(y):
    some = y * (np.random.default_rng(4).random(len(y)) < 0.4)
    leak = told(pd.Series(np.where(some, "C-17", None), dtype=object), y)
    assert (leak.reason, leak.value) == ("missingness", 1.0)
    assert f"of {some.sum()} leads" in leak.evidence


def test_one_value_among_others_that_only_won_leads_have(y):
    some = y * (np.random.default_rng(4).random(len(y)) < 0.4)
    rest = np.random.default_rng(5).choice(["a", "b", "c"], len(y))
    leak = told(pd.Series(np.where(some, "customer", rest), dtype="str"), y)
    assert leak.reason == "certainty"


def test_a_field_that_only_lost_leads_have_is_a_leak_for_an_attribute_not_for_an_event():
    y = (np.random.default_rng(1).random(3_000) < 0.2).astype(int)
    lost = (1 - y) * (np.random.default_rng(6).random(len(y)) < 0.6)
    values = pd.Series(np.where(lost, "price", None), dtype=object)
    assert told(values, y).reason == "missingness"
    assert told(values, y, attribute=False) is None
    honest = pd.Series(np.where(lost, "student", "manager"), dtype="str")
    assert told(honest, y) is None


def test_strong_but_honest_columns_are_no_leaks(y):
    """An AUC of .92, a value with 80 % conversion, a level for every lead."""
    rng = np.random.default_rng(7)
    assert told(pd.Series(rng.normal(size=len(y)) + 2.0 * y), y) is None
    late = rng.random(len(y)) < np.where(y, 0.4, 0.025)
    assert 0.75 < y[late].mean() < 0.9
    assert told(pd.Series(late.astype(float)), y, attribute=False) is None
    assert told(pd.Series([f"id-{i}" for i in range(len(y))], dtype="str"), y) is None


def test_few_leads_prove_nothing():
    y = np.repeat([1, 0], [8, 40])
    assert told(pd.Series(y * 1.0), y) is None


def test_noise_is_never_named():
    """300 columns of noise over 200 leads: numbers, levels, and fields that are seldom filled."""
    rng = np.random.default_rng(8)
    y = (rng.random(200) < 0.25).astype(int)
    for _ in range(100):
        number = rng.normal(size=200)
        level = rng.integers(0, 40, 200).astype(str)
        seldom = np.where(rng.random(200) < 0.1, number, np.nan)
        for values in (number, level, seldom):
            assert told(pd.Series(values), y) is None


def test_only_attributes_are_held_against_open_leads(y):
    decided = pd.Series(np.where(y, 1.0, np.nan))
    assert told(decided, y, kind="decided").reason == "missingness"
    assert told(decided, y, kind="decided", attribute=False) is None


# --- one row per lead ---------------------------------------------------------------------------


def leads(n=600, seed=9):
    rng = np.random.default_rng(seed)
    created = START + pd.to_timedelta(rng.uniform(0, 300, n), unit="D")
    outcome = rng.choice(np.array(["won", "lost", None], dtype=object), n, p=[0.25, 0.5, 0.25])
    decided = created + pd.to_timedelta(rng.uniform(5, 60, n), unit="D")
    return pd.DataFrame(
        {"root_key": np.arange(n), "created_at": created, "first_landed": created,
         "outcome": outcome, "decided_at": decided.where(pd.notna(outcome))}
    )  # fmt: skip


def snapshots(ends):
    rows = ends.loc[ends.index.repeat(3), ["root_key", "created_at", "outcome"]]
    age = np.tile([1, 7, 30], len(ends))
    label = (rows["outcome"] == "won").to_numpy() & (age > 1)
    return pd.DataFrame(
        {"root_key": rows["root_key"], "group_id": rows["root_key"], "age": age,
         "as_of": rows["created_at"] + pd.to_timedelta(age, unit="D"), "label": label.astype(int)}
    ).reset_index(drop=True)  # fmt: skip


def test_each_lead_counts_once_and_a_converting_one_by_a_converting_row():
    ends = leads()
    found = comparisons(snapshots(ends), ends, "won", (), 1)
    for one in found.values():
        assert one.rows["root_key"].is_unique
    label = found["label"]
    assert (label.rows["label"].to_numpy() == label.y).all()
    assert label.y.sum() == (ends["outcome"] == "won").sum()
    assert "end" in found
    assert len(found["end"].y) == ends["decided_at"].notna().sum()


def test_what_happens_again_and_again_is_compared_by_any_row_of_a_lead():
    """By a converting row each, an honest count of the past would tell them from the others: to
    these it never happened at all."""
    ends, rng = leads(n=1_200), np.random.default_rng(2)
    rows = snapshots(ends)
    rate = rng.gamma(0.5, 0.5, len(ends))[rows["root_key"]]
    rows["x"] = rng.poisson(rate * 8)
    rows["label"] = (rng.random(len(rows)) < -np.expm1(-rate)).astype(int)
    column = Column("x", "x", "activity", "interactions", "count")
    once, again = (comparisons(rows, ends, "won", (), 1, recurs=r)["label"] for r in (False, True))
    assert telling(column, [once], attribute=False, alpha=ALPHA) is not None
    assert telling(column, [again], attribute=False, alpha=ALPHA) is None
    assert again.rows["root_key"].is_unique
    assert (again.rows["label"].to_numpy() == again.y).all()


def test_a_censored_outcome_is_neither_won_nor_lost():
    ends = leads()
    found = comparisons(snapshots(ends), ends, "won", ("lost",), 1)
    assert "end" not in found


def test_a_field_that_is_new_in_the_crm_is_no_leak():
    """Filled since June: open leads are younger, and would stand apart without the months."""
    ends = leads(n=1_200)
    open_now = ends["decided_at"].isna() & (ends["created_at"] < "2025-06-01")
    ends = ends[~open_now | (ends["root_key"] % 10 == 0)].reset_index(drop=True)
    rows = snapshots(ends)
    since = rows["root_key"].map(ends.set_index("root_key")["created_at"]) >= "2025-06-01"
    rows["x"] = np.where(since, 1.0, np.nan)
    one = comparisons(rows, ends, "won", (), 1)["decided"]
    column = Column("x", "x", "fit", "lead", "attribute", of="x")
    assert telling(column, [one], attribute=True, alpha=ALPHA) is None
    filled = one.rows["x"].notna().groupby(one.y).mean()
    assert filled[0] == pytest.approx(filled[1])


# --- the clock ----------------------------------------------------------------------------------


def history(at: pd.Series, keys, place=1) -> pd.DataFrame:
    return pd.DataFrame({"lead_key": keys, "changed_at": at.to_numpy(), "place": place})


def test_a_history_that_begins_with_the_decision():
    ends = leads()
    closed = ends[ends["decided_at"].notna()]
    early = closed["created_at"] + 0.3 * (closed["decided_at"] - closed["created_at"])
    late = closed["decided_at"] + pd.Timedelta(minutes=5)
    about = {"compared": False, "until": END, "alpha": ALPHA}
    found = set_at_decision(history(late, closed["root_key"]), ends, **about)
    assert found.value == 1.0
    assert found.lower > 0.9
    clean = set_at_decision(history(early, closed["root_key"]), ends, **about)
    assert (clean.value, clean.lower) == (0.0, 0.0)


def test_a_history_that_was_switched_on_late_or_is_written_at_any_time_is_clean():
    ends = leads()
    closed = ends[ends["decided_at"].notna()]
    rng = np.random.default_rng(10)
    about = {"compared": False, "until": END, "alpha": ALPHA}
    span = END - closed["created_at"]
    any_time = closed["created_at"] + span * rng.random(len(closed))
    assert set_at_decision(history(any_time, closed["root_key"]), ends, **about).lower == 0.0
    on = pd.Timestamp("2025-09-01")  # one row per lead then, most of them long decided
    before = closed[closed["created_at"] < on]
    at_once = pd.Series(on, index=before.index)
    assert set_at_decision(history(at_once, before["root_key"]), ends, **about) is None


def test_nights_that_were_compared_must_move_decided_leads_more_than_open_ones():
    ends = leads()
    landed = pd.Series(END - DAY, index=ends.index)
    about = {"compared": True, "until": END, "alpha": ALPHA}

    def twice(keys):
        rows = [history(landed[keys.index], keys, place) for place in (1, 2)]
        return pd.concat(rows, ignore_index=True)

    won = ends[ends["outcome"] == "won"]["root_key"]
    assert set_at_decision(twice(won), ends, **about).lower > 0.9
    anybody = ends["root_key"].sample(frac=0.4, random_state=1)
    assert set_at_decision(twice(anybody), ends, **about).lower == 0.0


def test_a_number_that_goes_with_the_decision():
    ends = leads()
    rng = np.random.default_rng(11)
    lasted = (ends["decided_at"] - ends["created_at"]) / DAY
    column = Column("cycle", "cycle", "fit", "lead", "attribute", of="cycle")
    noisy = (lasted + rng.normal(0, 3, len(ends))).set_axis(ends["root_key"])
    assert timed(column, noisy, ends, ALPHA).reason == "timing"
    date = (ends["decided_at"].astype("int64") / 1e15).set_axis(ends["root_key"])
    assert timed(column, date, ends, ALPHA) is not None
    campaign = (ends["created_at"].astype("int64") / 1e15).set_axis(ends["root_key"])
    assert timed(column, campaign, ends, ALPHA) is None
    assert follows_decision(campaign * 0, ends, ALPHA) is None
    assert abs(follows_decision(noisy * 0 + rng.random(len(ends)), ends, ALPHA).value) < 0.3


def test_collapse_needs_strength_before_it_is_lost(y):
    rng = np.random.default_rng(12)
    column = Column("x", "x", "activity", "interactions", "count")
    called = (rng.random(len(y)) < np.where(y, 0.8, 0.1)).astype(float)
    nothing = pd.DataFrame({"x": np.zeros(len(y))})
    leak = collapsing(column, compared(called, y), nothing, ALPHA)
    assert (leak.reason, leak.value) == ("collapse", pytest.approx(0, abs=0.05))
    same = pd.DataFrame({"x": called})
    assert collapsing(column, compared(called, y), same, ALPHA) is None
    weak = (rng.random(len(y)) < np.where(y, 0.3, 0.1)).astype(float)
    assert collapsing(column, compared(weak, y), nothing, ALPHA) is None


# --- what is left out ---------------------------------------------------------------------------


def test_relatives_and_what_is_computed_of_a_leak_go_with_it():
    def count(name, *types, days=None):
        return Column(name, name, "t", "interactions", "count", types=types or None, days=days)

    columns = (
        count("checks", "check"),
        count("checks_30d", "check", days=30),
        count("touches"),
        count("calls", "call", "check"),
        Column("share", "share", "t", "columns", "ratio", inputs=("checks_30d", "touches")),
    )
    leak = Leak("checks", "certainty", 1.0, 0.95, "of 99 leads, all")
    more = related(columns, [leak])
    assert [(x.column, x.reason) for x in more] == [("checks_30d", "origin")]
    features = FeatureSet(columns, {}, frozenset(), frozenset())
    clean = without(features, [leak, *more])
    assert [c.name for c in clean.columns] == ["touches", "calls"]
    allowed = Leak("checks", "certainty", 1.0, 0.95, "of 99 leads, all", excluded=False)
    assert without(features, [allowed]) is features
