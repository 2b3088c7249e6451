"""The day's work: the best of each owner, no more than fits, and a few by a lot anyone can draw."""

from collections import Counter
from datetime import date, timedelta

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from scoring.config import OwnersSection
from scoring.score.worklist import BEST, EXPLORATION, work_list

DAY = date(2027, 3, 1)


def leads(n: int, owners: int = 1, worthy: float = 1.0, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "lead_id": [f"l{i:03d}" for i in range(n)],
            "owner": [f"o{i}" for i in rng.integers(0, owners, n)] if owners else [None] * n,
            "rank": rng.permutation(n) + 1,
            "first": rng.random(n) < 0.1,
            "worthy": rng.random(n) < worthy,
            "lot": rng.random(n) < 0.7,
        }
    )


def test_without_capacities_nobody_is_told() -> None:
    assert not any(work_list(leads(5), OwnersSection(), DAY))


def test_the_best_come_first_and_rank_breaks_every_tie() -> None:
    table = leads(20).assign(first=False)
    chosen = work_list(table, OwnersSection(capacity=5, exploration=0), DAY)
    assert sorted(table["rank"][chosen == BEST]) == [1, 2, 3, 4, 5]


def test_who_waits_for_us_stands_before_better_leads() -> None:
    table = leads(20).assign(first=False)
    table.loc[table["rank"] == 20, "first"] = True
    chosen = work_list(table, OwnersSection(capacity=3, exploration=0), DAY)
    assert sorted(table["rank"][chosen == BEST]) == [1, 2, 20]


def test_leads_that_need_no_seller_are_not_among_the_best() -> None:
    table = leads(30, worthy=0.4)
    chosen = work_list(table, OwnersSection(capacity=30, exploration=0), DAY)
    assert ((chosen == BEST) == table["worthy"]).all()


def test_each_owner_has_a_capacity_and_leads_without_an_owner_are_one_pile() -> None:
    table = pd.concat([leads(40, 2), leads(10, 0)], ignore_index=True)
    owners = OwnersSection(capacity=4, exploration=0, capacities={"o1": 7})
    chosen = work_list(table, owners, DAY)
    assert Counter(table["owner"].fillna("")[chosen == BEST]) == {"o0": 4, "o1": 7, "": 4}
    alone = work_list(table, OwnersSection(capacities={"o1": 7}, exploration=0), DAY)
    assert Counter(table["owner"].fillna("")[alone == BEST]) == {"o1": 7}


def slow(table: pd.DataFrame, owners: OwnersSection, wanted: dict[str, int]) -> list[str | None]:
    """The rule, word by word, for a known number of drawn places per owner; and no lot among them
    that could not be: the draw is checked by `test_a_lot_is_fair` alone."""
    chosen: list[str | None] = [None] * len(table)
    for owner, part in table.assign(owner=table["owner"].fillna("")).groupby("owner"):
        places = owners.capacities.get(str(owner), owners.capacity or 0)
        ordered = part.sort_values(["first", "rank"], ascending=[False, True])
        best = [i for i in ordered.index if part.loc[i, "worthy"]]
        for place in best[: places - wanted[str(owner)]]:
            chosen[place] = BEST
    return chosen


@given(
    st.integers(0, 40), st.integers(0, 4), st.integers(0, 12), st.floats(0, 1), st.integers(0, 50)
)
def test_capacity_holds_the_lot_keeps_its_share_and_order_does_not_matter(
    n: int, owners: int, capacity: int, share: float, seed: int
) -> None:
    table = leads(n, owners, 0.6, seed)
    settings = OwnersSection(capacity=capacity, exploration=share)
    chosen = pd.Series(work_list(table, settings, DAY), index=table.index, dtype=object)
    owner = table["owner"].fillna("")
    drawn = chosen == EXPLORATION
    per_owner = chosen[chosen.notna()].groupby(owner).size()
    assert (per_owner <= capacity).all()
    assert (drawn[drawn].groupby(owner).size() <= np.ceil(share * capacity)).all()
    assert table["lot"][drawn].all()
    assert table["worthy"][chosen == BEST].all()
    wanted = {o: int(drawn[owner == o].sum()) for o in set(owner)}
    surely = slow(table, settings, {o: int(np.ceil(share * capacity)) for o in wanted})
    assert all(c is not None for c, s in zip(chosen, surely, strict=True) if s == BEST)
    mixed = table.sample(frac=1, random_state=seed)
    again = pd.Series(work_list(mixed, settings, DAY), index=mixed.index, dtype=object)
    pd.testing.assert_series_equal(again.sort_index(), chosen)


def test_places_without_anybody_to_draw_go_to_the_best() -> None:
    table = leads(20).assign(lot=False)
    chosen = work_list(table, OwnersSection(capacity=6, exploration=0.5), DAY)
    assert Counter(chosen) == {BEST: 6, None: 14}


def test_a_lot_is_fair_and_depends_on_lead_and_date_alone() -> None:
    """Over 1,000 days every lead below the best is drawn about equally often, and the mean number
    of places is the share: 0.05 of 10 is one every other day."""
    table = leads(40).assign(first=False, lot=True)
    settings = OwnersSection(capacity=10, exploration=0.05)
    drawn: Counter[str] = Counter()
    days = 1000
    for n in range(days):
        chosen = work_list(table, settings, DAY + timedelta(days=n))
        drawn.update(table["lead_id"][chosen == EXPLORATION])
    total = sum(drawn.values())
    # Binomial with p = 0.5: four standard deviations.
    assert abs(total - days / 2) < 4 * np.sqrt(days / 4)
    below = table["lead_id"][table["rank"] > 10]
    expected = total / (len(below) + 0.5)  # the tenth is among the best every other day
    assert set(below) <= set(drawn)
    assert max(abs(drawn[lead] - expected) for lead in below) < 5 * np.sqrt(expected)
