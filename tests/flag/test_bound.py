"""The exact bound against brute force, and fixed-sequence testing against a loop."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from scoring.flag.bound import buyers_needed, loosest, most_flagged, upper_bound

CHANCES = st.floats(0.01, 0.6)


def bound_by_search(flagged: int, buyers: int, confidence: float) -> float:
    """The largest share with which so few or fewer would be flagged at least now and then, found
    by halving: the definition, without the beta distribution."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if binom.cdf(flagged, buyers, middle) >= 1 - confidence:
            low = middle
        else:
            high = middle
    return low


@pytest.mark.parametrize(("flagged", "buyers"), [(0, 58), (0, 59), (1, 93), (4, 181), (3, 40)])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_the_bound_is_where_so_few_become_too_unlikely(flagged, buyers, confidence) -> None:
    found = upper_bound(flagged, buyers, confidence)
    assert found == pytest.approx(bound_by_search(flagged, buyers, confidence), abs=1e-9)


def test_nothing_is_bounded_by_no_buyers_or_when_all_are_flagged() -> None:
    assert upper_bound(0, 0, 0.95) == upper_bound(7, 7, 0.95) == 1.0


def test_so_many_buyers_are_needed_for_five_percent() -> None:
    assert buyers_needed(0.05, 0.95) == 59
    least = {
        k: next(n for n in range(1, 400) if most_flagged(n, 0.05, 0.95) >= k) for k in (0, 1, 4)
    }
    assert least == {0: 59, 1: 93, 4: 181}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 400), CHANCES, st.floats(0.5, 0.99))
def test_most_flagged_is_the_last_count_that_a_loop_finds(buyers, share, confidence) -> None:
    passing = [k for k in range(buyers) if upper_bound(k, buyers, confidence) <= share]
    assert most_flagged(buyers, share, confidence) == (passing[-1] if passing else -1)
    assert (buyers >= buyers_needed(share, confidence)) == bool(passing)


def loosest_by_loop(statistic, grid, most):
    found = None
    for place in range(len(grid)):
        flagged = 0
        for value in statistic:
            flagged += value >= grid[place]
        if flagged > most:
            return found
        found = place
    return found


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([-np.inf, 0.0, 0.5, 1.0, 1.5, 2.0]), max_size=30),
    st.lists(st.floats(-1, 3), max_size=10, unique=True),
    st.integers(-1, 30),
)
def test_limits_are_tried_from_the_strictest_until_one_fails(statistic, limits, most) -> None:
    grid = sorted(limits, reverse=True)
    found = loosest(np.array(statistic), grid, most)
    assert found == loosest_by_loop(statistic, grid, most)


def test_the_promise_is_kept_as_often_as_it_says() -> None:
    """The share of a rule that was chosen by the test, over many draws: it exceeds the promised one
    in at most one of twenty, though the best of fifty limits was chosen each time."""
    rng = np.random.default_rng(7)
    grid = np.linspace(3, 0, 50)
    exceeded = 0
    for _ in range(4000):
        buyers = int(rng.choice([59, 93, 150, 400, 1000]))
        place = loosest(rng.normal(size=buyers), grid.tolist(), most_flagged(buyers, 0.05, 0.95))
        if place is not None:
            exceeded += (1 - _normal_below(grid[place])) > 0.05
    # Three standard deviations above what the promise allows.
    assert exceeded <= 4000 * 0.05 + 3 * np.sqrt(4000 * 0.05 * 0.95)
    assert exceeded > 0


def _normal_below(value: float) -> float:
    from scipy.stats import norm

    return float(norm.cdf(value))
