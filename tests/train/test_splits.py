"""What is learned from at an origin: nothing later, and no cohort of which half is undecided."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scoring.errors import NoUsableModel
from scoring.train.splits import (
    NEVER_DECIDED_AT_MOST,
    OLDEST_SHARE,
    UNDECIDED_AT_MOST,
    newest_share,
    rolling_origins,
    settled,
    settled_until,
    training_rows,
    validation_split,
)

START = pd.Timestamp("2024-01-01")
DAY = pd.Timedelta(days=1)


def table(day, after, label):
    """Rows of leads seen on `day`, decided `after` so many days."""
    n = len(day)
    as_of = START + pd.to_timedelta(np.asarray(day, dtype=float), unit="D")
    return pd.DataFrame(
        {
            "lead_id": [f"l{i}" for i in range(n)],
            "root_key": np.arange(n),
            "group_id": [f"l{i}" for i in range(n)],
            "as_of": as_of,
            "matured_at": as_of + pd.to_timedelta(np.asarray(after, dtype=float), unit="D"),
            "label": np.asarray(label),
        }
    )


def courses(starts=(0, 200, 400), each=300):
    """Cohorts: half withdraw within 60 days, the other half passes after 240."""
    rng = np.random.default_rng(0)
    day = np.repeat(starts, each)
    passed = np.arange(len(day)) % 2
    return table(day, np.where(passed == 1, 240, rng.integers(1, 60, len(day))), passed)


def twin(rows, undecided):
    """The isotonic fit by its min-max formula (Robertson, Wright and Dykstra 1988)."""
    m, total = len(rows), sum(rows)
    fit = [
        max(
            min(sum(undecided[j : k + 1]) / sum(rows[j : k + 1]) for k in range(i, m))
            for j in range(i + 1)
        )
        for i in range(m)
    ]
    n = u = 0
    for row, open_ in zip(rows, undecided, strict=True):
        if n >= OLDEST_SHARE * total:
            break
        n, u = n + row, u + open_
    limit = min(u / n, NEVER_DECIDED_AT_MOST) + UNDECIDED_AT_MOST
    kept = 0
    while kept < m and fit[kept] <= limit + 1e-9:
        kept += 1
    return kept


@given(st.lists(st.tuples(st.integers(1, 50), st.floats(0, 1)), min_size=1, max_size=30))
@settings(max_examples=200, deadline=None)
@example([(20, 0.0), (20, 0.05), (20, 0.1)])
@example([(1, 0.0), (30, 0.1), (30, 0.1), (30, 0.9)])
def test_settled_until_is_its_slow_twin(cohorts):
    rows = [n for n, _ in cohorts]
    undecided = [round(n * share) for n, share in cohorts]
    assert settled_until(np.array(rows), np.array(undecided)) == twin(rows, undecided)


def test_a_cohort_of_which_only_those_who_gave_up_are_known_is_left_out():
    rows = courses()
    split = rolling_origins(rows, START + 400 * DAY, 1)[0]
    # On day 400 the withdrawals of day 200 are known, and none of its passes.
    early = rows.iloc[split.train]
    assert set(early["as_of"]) == {START}
    assert early["label"].mean() == 0.5
    assert len(early) == 300


def test_a_cohort_is_learned_from_once_nearly_all_of_it_is_decided():
    rows = courses(starts=(0, 200, 460))
    rows.loc[rows.index[301:325:2], "matured_at"] += 100 * DAY  # 4 % of the second take longer
    split = rolling_origins(rows, START + 460 * DAY, 1)[0]
    assert len(split.train) == 588
    rows.loc[rows.index[325:361:2], "matured_at"] += 100 * DAY  # 10 %
    split = rolling_origins(rows, START + 460 * DAY, 1)[0]
    assert len(split.train) == 300


def test_many_decided_old_rows_do_not_hide_a_young_cohort_that_is_open():
    old, young = courses(starts=(0,), each=20_000), courses(starts=(300,), each=300)
    rows = pd.concat([old, young, courses(starts=(400,))], ignore_index=True)
    assert len(rolling_origins(rows, START + 400 * DAY, 1)[0].train) == 20_000


def test_a_steady_stream_stops_where_decisions_are_missing():
    """Some ten leads a day, decided after 1 to 100 days; early ones are lost."""
    rng = np.random.default_rng(0)
    day = np.sort(rng.uniform(0, 400, 4000))
    after = rng.uniform(1, 100, 4000)
    rows = table(day, after, (after > 50) * 1)
    origin = START + 350 * DAY
    early = rows.iloc[rolling_origins(rows, origin, 1)[0].train]
    newest = (early["as_of"].max() - START) / DAY
    assert 240 < newest < 265  # 95 days before the origin 5 % are open
    last = early[early["as_of"] > START + (newest - 60) * DAY]
    assert last["label"].mean() == pytest.approx(0.5, abs=0.07)
    every = rows[(rows["matured_at"] <= origin) & (rows["as_of"] > origin - 60 * DAY)]
    assert every["label"].mean() < 0.1


def test_leads_that_are_never_decided_hold_nothing_up():
    months = np.full(24, 100)
    never = np.array([15, 9, 13, 12] * 6)
    assert settled_until(months, never) == 24
    assert settled_until(months, np.where(np.arange(24) < 20, never, 60)) == 20
    # One lucky day at the very beginning is no measure of what is never decided.
    assert settled_until(np.r_[1, months], np.r_[0, never]) == 25


def test_a_history_in_which_even_the_oldest_are_undecided_gives_nothing():
    assert settled_until(np.array([300]), np.array([150])) == 0
    assert settled_until(np.array([]), np.array([])) == 0


@given(
    st.lists(st.integers(0, 300), min_size=5, max_size=60),
    st.integers(1, 120),
    st.integers(50, 250),
)
@settings(max_examples=100, deadline=None)
def test_with_a_fixed_horizon_every_matured_row_is_learned_from(days, horizon, origin):
    rows = table(days, [horizon] * len(days), np.arange(len(days)) % 2)
    start = START + origin * DAY
    for split in rolling_origins(rows, start, 1):
        matured = (rows["matured_at"] <= split.start) & (rows["as_of"] < split.start)
        assert list(split.train) == list(np.flatnonzero(matured))
        assert (rows["as_of"].iloc[split.test] >= start).all()


def test_settled_rows_at_the_end_of_the_data():
    rows = courses()
    known = rows[rows["matured_at"] <= START + 500 * DAY].reset_index(drop=True)
    days = [str((START + day * DAY).date()) for day in (0, 200, 400)]
    settling = dict(zip(days, ([300, 0], [300, 0], [150, 150]), strict=True))
    kept = settled(known, settling)
    assert list(kept["lead_id"]) == list(rows["lead_id"][:600])
    assert list(kept.index) == list(range(600))
    assert settled(known, {**settling, days[2]: [150, 6]}) is known
    assert settled(known, {}) is known
    assert len(settled(known, {days[0]: [150, 150]})) == 0


def test_validation_takes_the_newest_rows_and_says_what_is_missing():
    rng = np.random.default_rng(0)
    rows = table(np.arange(400), np.full(400, 30), rng.integers(0, 2, 400))
    split = validation_split(rows, min_conversions=40, min_validation=10)
    assert split.start == newest_share(rows, 0.25) == START + 300 * DAY
    assert rows["matured_at"].iloc[split.train].max() <= split.start
    with pytest.raises(NoUsableModel, match="needs 400 and 10"):
        validation_split(rows, min_conversions=400, min_validation=10)


def test_a_sale_that_was_recorded_after_the_origin_was_a_no_until_then():
    rows = table(range(60), [10] * 60, [1, 0] * 30)
    rows["label_known_at"] = rows["matured_at"]
    late = rows.index[rows["label"] == 1][:5]
    rows.loc[late, "label_known_at"] = START + 300 * DAY
    (split,) = rolling_origins(rows, START + 45 * DAY, 1)
    learned = training_rows(rows, split)
    assert len(learned) == len(split.train)
    assert (learned.loc[late, "label"] == 0).all()
    others = learned.index.difference(late)
    assert learned.loc[others, "label"].equals(rows.loc[others, "label"])
