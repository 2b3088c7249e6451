"""Limits of the signs: learned from buyers at the same stage and age, and what fires by them."""

import json
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.build.columns import Column, Sign
from scoring.flag.signs import AGES, FEWEST_BUYERS, MOST_BUYERS, Limits

STAGE = Column("stage", "stage", "stages", "stage_changes", "last", of="stage", kind="category")
AGE = Column("age", "age", "engagement", "lead", "age")
EXCUSE = Column("excuse", "excuse", "signs", "interactions", "count")


def sign(name: str = "x", **said: Any) -> Column:
    kind = said.pop("kind", "busy_without_progress")
    strong = said.pop("strong", False)
    return Column(name, name, "signs", "interactions", "count", sign=Sign(kind, strong, **said))


def table(values: list[Any], **columns: list[Any]) -> pd.DataFrame:
    return pd.DataFrame({"x": np.array(values, dtype=float), **columns})


def buyers(values: list[float], **columns: list[Any]) -> tuple[pd.DataFrame, np.ndarray, pd.Series]:
    """A row of a buyer for each value, and as many of others that had more or less of it."""
    far = [v + 1000 for v in values] + [v - 1000 for v in values]
    both = {name: told * 3 for name, told in columns.items()}
    rows = table([*values, *far], **both)
    bought = np.arange(len(rows)) < len(values)
    return rows, bought, pd.Series(np.arange(len(rows)))


def test_a_learned_limit_is_what_one_buyer_in_ten_had_more_than() -> None:
    rows, bought, root = buyers([float(v) for v in range(100)])
    limits = Limits.fit(rows, [sign()], bought=bought, root=root)
    assert limits.tables["x"]["all"] == 89  # ten buyers had 90 to 99
    fired = limits.fired(table([89, 89.5, 90, None, -5]))
    assert fired["x"].tolist() == [False, True, True, False, False]


def test_a_strong_sign_is_rarer_among_buyers_and_low_looks_at_the_other_side() -> None:
    rows, bought, root = buyers([float(v) for v in range(100)])
    strong = Limits.fit(rows, [sign(strong=True)], bought=bought, root=root)
    low = Limits.fit(rows, [sign(side="low")], bought=bought, root=root)
    assert strong.tables["x"]["all"] == 94
    assert low.tables["x"]["all"] == 10
    assert low.fired(table([9, 10, 11, None]))["x"].tolist() == [True, False, False, False]


def test_both_sides_are_one_where_zero_is_as_usual() -> None:
    rows, bought, root = buyers([v / 100 for v in range(-50, 50)])
    limits = Limits.fit(rows, [sign(side="both")], bought=bought, root=root)
    assert limits.tables["x"]["all"] == 0.45  # nine lie farther out, on either side
    asked = table([0.46, -0.46, 0.45, -0.45, None])
    assert limits.fired(asked)["x"].tolist() == [True, True, False, False, False]


def test_what_most_buyers_do_not_have_at_all_fires_from_one_on() -> None:
    rows, bought, root = buyers([0.0] * 95 + [1.0] * 5)
    limits = Limits.fit(rows, [sign()], bought=bought, root=root)
    assert limits.fired(table([0, 1]))["x"].tolist() == [False, True]


def test_a_fixed_number_needs_no_buyers() -> None:
    column = sign(limit=2.0)
    rows = table([1, 2, 3])
    limits = Limits.fit(rows, [column], bought=np.zeros(3, bool), root=pd.Series([1, 2, 3]))
    assert limits.fired(rows)["x"].tolist() == [False, False, True]
    assert not limits.tables


def test_buyers_are_compared_at_the_same_stage_and_age() -> None:
    ages = [1.0] * 20 + [100.0] * 20 + [1.0] * 20
    stages = ["talks"] * 40 + ["offer"] * 20
    values = [1.0] * 20 + [50.0] * 20 + [7.0] * 20
    rows, bought, root = buyers(values, age=ages, stage=stages)
    limits = Limits.fit(rows, [sign(), STAGE, AGE], bought=bought, root=root)
    asked = table(
        [2, 2, 51, 8, 8, 51, 51],
        stage=["talks", "talks", "talks", "offer", "offer", "never seen", None],
        age=[2.0, 120.0, 120.0, 2.0, 5000.0, 2.0, 2.0],
    )
    # The offer has no buyers of that age: all of its buyers count. A stage without any: all do.
    assert limits.fired(asked)["x"].tolist() == [True, False, True, True, True, True, True]
    assert not limits.fired(table([50], stage=["never seen"], age=[2.0]))["x"].any()


def test_too_few_buyers_teach_nothing() -> None:
    rows, bought, root = buyers([0.0] * (FEWEST_BUYERS - 1))
    few = Limits.fit(rows, [sign()], bought=bought, root=root)
    assert not few.fired(table([10**6]))["x"].any()


@pytest.mark.parametrize(("others", "warns"), [(0, False), (4, False), (5, True), (60, True)])
def test_what_buyers_show_more_than_twice_as_often_warns_of_nothing(
    others: int, warns: bool
) -> None:
    """Ten of a hundred buyers lie beyond their limit; of a hundred others these do."""
    rows = table([*map(float, range(100)), *[0.0] * (100 - others), *[99.0] * others])
    limits = Limits.fit(rows, [sign()], bought=np.arange(200) < 100, root=pd.Series(range(200)))
    assert limits.fired(table([99]))["x"].tolist() == [warns]


def test_buyers_who_get_farther_do_not_make_a_sign_harmless() -> None:
    """At the offer, where most buyers are, the others show it as often. Most of the others never
    get there, so that of all rows those of buyers show it ten times as often."""
    rows = pd.DataFrame(
        {
            "x": [1.0] * 10 + [0.0] * 90 + [1.0] * 5 + [0.0] * 45 + [0.0] * 450,
            "stage": ["offer"] * 150 + ["new"] * 450,
        }
    )
    root = pd.Series(range(600))
    bought = root.to_numpy() < 100
    assert rows["x"][bought].mean() >= 9 * rows["x"][~bought].mean()
    limits = Limits.fit(rows, [sign(), STAGE], bought=bought, root=root)
    assert limits.fired(rows)["x"].equals(rows["x"] == 1)
    alone = Limits.fit(rows, [sign()], bought=bought, root=root)
    assert not alone.fired(rows)["x"].any()


def test_a_buyer_counts_once_however_often_it_was_looked_at() -> None:
    """One that was looked at a thousand times is a twentieth of the buyers like any other."""
    rows = table([*[9.0] * 1000, *[0.0] * 19, *[5.0] * 5])
    root = pd.Series([0] * 1000 + list(range(1, 25)))
    limits = Limits.fit(rows, [sign()], bought=root.to_numpy() < 20, root=root)
    assert limits.tables["x"]["all"] == 0


def test_an_excuse_silences_a_sign_and_a_missing_one_does_not() -> None:
    column = sign(limit=1.0, unless=("excuse", "not_here"))
    rows = table([2, 2, 2], excuse=[0.0, 3.0, np.nan])
    limits = Limits.fit(rows, [column, EXCUSE], bought=np.ones(3, bool), root=pd.Series([1, 2, 3]))
    assert limits.excuses == ("excuse",)
    assert limits.needs == {"x", "excuse"}
    assert limits.fired(rows)["x"].tolist() == [True, False, True]
    when = Column("excuse", "excuse", "signs", "interactions", "last", kind="category")
    texts = rows.assign(excuse=["said", None, None])
    told = Limits.fit(texts, [column, when], bought=np.ones(3, bool), root=pd.Series([1, 2, 3]))
    assert told.fired(texts)["x"].tolist() == [False, True, True]


def test_a_sign_without_its_column_counts_for_nothing() -> None:
    rows = table([1, 2])
    limits = Limits.fit(
        rows, [sign("y"), sign(limit=1.0)], bought=np.ones(2, bool), root=pd.Series([1, 2])
    )
    assert list(limits.fired(rows)) == ["x"]
    empty = Limits.fit(rows, [], bought=np.ones(2, bool), root=pd.Series([1, 2]))
    assert empty.fired(rows).shape == (2, 0)


# --- the same, said slowly ------------------------------------------------------------------------


def beyond_share(mine: list[tuple[int, float]], limit: float, side: str) -> Fraction:
    """How many of the leads lie beyond a limit: each lead counts by the share of its rows."""
    total = Fraction(0)
    for lead in {lead for lead, _ in mine}:
        own = [v for other, v in mine if other == lead]
        far = [v for v in own if (v > limit if side == "high" else v < limit)]
        total += Fraction(len(far), len(own))
    return total


def slow_limit(mine: list[tuple[int, float]], column: Column) -> float | None:
    leads = len({lead for lead, _ in mine})
    if leads < FEWEST_BUYERS:
        return None
    assert column.sign
    most = Fraction(str(MOST_BUYERS[column.sign.strong])) * leads
    side = column.sign.side
    fits = [v for _, v in mine if beyond_share(mine, v, side) <= most]
    return min(fits) if side == "high" else max(fits)


def place(row: Any) -> tuple[str, int]:
    return str(row.stage or ""), sum(row.age >= edge for edge in AGES)


def slow_warns(rows: pd.DataFrame, fired: list[bool], bought: list[bool]) -> bool:
    """Whether others show it half as often as buyers at least, place by place (Mantel-Haenszel)."""
    shown: dict[tuple[str, int], dict[bool, dict[int, list[bool]]]] = {}
    for row, won, told in zip(rows.itertuples(), bought, fired, strict=True):
        here = shown.setdefault(place(row), {True: {}, False: {}})
        here[won].setdefault(int(row.root), []).append(told)
    total = {True: Fraction(0), False: Fraction(0)}
    for here in shown.values():
        n = {who: len(leads) for who, leads in here.items()}
        if not all(n.values()):
            continue
        for who, leads in here.items():
            mean = sum(Fraction(sum(own), len(own)) for own in leads.values()) / n[who]
            total[who] += Fraction(n[True] * n[False], n[True] + n[False]) * mean
    return total[False] > 0 and 2 * total[False] >= total[True]


def slow_fired(rows: pd.DataFrame, asked: Any, column: Column, bought: list[bool]) -> bool:
    """By one look at every buyer: those of the stage and age, else of the stage, else all."""
    seen = [
        (int(r.root), float(r.x), place(r))
        for r, won in zip(rows.itertuples(), bought, strict=True)
        if won and r.x == r.x
    ]
    stage, age = place(asked)
    for near in (
        [(lead, x) for lead, x, p in seen if p == (stage, age)],
        [(lead, x) for lead, x, p in seen if p[0] == stage],
        [(lead, x) for lead, x, _ in seen],
    ):
        limit = slow_limit(near, column)
        if limit is not None:
            assert column.sign
            return bool(asked.x > limit if column.sign.side == "high" else asked.x < limit)
    return False


row = st.tuples(
    st.integers(0, 29),
    st.sampled_from([0.0, 1.0, 2.0, 3.5, -1.0, float("nan")]),
    st.sampled_from(["talks", "offer", None]),
    st.sampled_from([0.0, 7.0, 29.9, 30.0, 400.0]),
)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(row, min_size=60, max_size=160),
    st.sampled_from(["high", "low"]),
    st.booleans(),
)
def test_limits_equal_the_slow_twin(listed: list[Any], side: str, strong: bool) -> None:
    column = sign(side=side, strong=strong)
    rows = pd.DataFrame(listed, columns=["root", "x", "stage", "age"])
    bought = rows["root"].to_numpy() < 25
    limits = Limits.fit(rows, [column, STAGE, AGE], bought=bought, root=rows["root"])
    again = Limits.from_json(json.loads(json.dumps(limits.to_json())))
    fired = again.fired(rows)["x"]
    assert fired.equals(limits.fired(rows)["x"])
    slow = [slow_fired(rows, asked, column, bought.tolist()) for asked in rows.itertuples()]
    assert fired.tolist() == [told and slow_warns(rows, slow, bought.tolist()) for told in slow]


def test_order_of_rows_and_batches_do_not_matter() -> None:
    rng = np.random.default_rng(3)
    rows = pd.DataFrame(
        {
            "root": rng.integers(0, 200, 900),
            "x": rng.poisson(3, 900).astype(float),
            "stage": rng.choice(["talks", "offer"], 900),
            "age": rng.exponential(60, 900),
        }
    )
    bought = rows["root"].to_numpy() < 80
    rows.loc[~bought, "x"] += 3
    columns = [sign(), STAGE, AGE]
    limits = Limits.fit(rows, columns, bought=bought, root=rows["root"])
    order = rng.permutation(len(rows))
    mixed = rows.iloc[order]
    assert limits == Limits.fit(mixed, columns, bought=bought[order], root=mixed["root"])
    parts = pd.concat([limits.fired(rows.iloc[i : i + 7]) for i in range(0, 900, 7)])
    pd.testing.assert_frame_equal(parts, limits.fired(rows))
    beyond = limits.fired(rows)["x"].to_numpy()
    assert beyond[bought].mean() < 0.11 < 0.3 < beyond[~bought].mean()


@pytest.mark.parametrize("dtype", ["float64", "Float64", "object"])
def test_any_missing_value_never_fires(dtype: str) -> None:
    rows = pd.DataFrame({"x": pd.Series([None, 5.0], dtype=dtype)})
    limits = Limits.fit(
        rows, [sign(side="low", limit=9.0)], bought=np.ones(2, bool), root=pd.Series([1, 2])
    )
    assert limits.fired(rows)["x"].tolist() == [False, True]
