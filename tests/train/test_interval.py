"""Bounds of a probability hold the true one as often as they say."""

import json

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import binomtest

from scoring.train.interval import FEWEST_LEADS, Interval, fit_interval, wilson

TRUTH = np.linspace(0.03, 0.9, 25)


def _coverage(distort: float, rows_per_lead: int, leads: int, seed: int) -> float:
    """Share of the probabilities whose bounds hold the truth, over repeated validations."""
    held = []
    rng = np.random.default_rng(seed)
    for _ in range(60):
        true = expit(rng.normal(-1.0, 1.2, leads))
        groups = np.repeat(np.arange(leads), rows_per_lead)
        y = np.repeat(rng.random(leads) < true, rows_per_lead)
        said = np.repeat(expit(distort * logit(true)), rows_per_lead)
        low, high = fit_interval(said, y, groups).bounds(expit(distort * logit(TRUTH)))
        known = ~np.isnan(low)
        held.append(np.mean((low <= TRUTH)[known] & (high >= TRUTH)[known]))
    return float(np.mean(held))


@pytest.mark.parametrize("distort", [1.0, 0.6])
@pytest.mark.parametrize(("rows_per_lead", "leads"), [(1, 400), (5, 150)])
def test_the_truth_lies_inside_as_often_as_promised(distort, rows_per_lead, leads):
    assert _coverage(distort, rows_per_lead, leads, seed=3) >= 0.9


def test_more_data_makes_narrower_bounds():
    rng = np.random.default_rng(5)

    def width(leads: int) -> float:
        true = expit(rng.normal(-1, 1, leads))
        made = fit_interval(true, rng.random(leads) < true, np.arange(leads))
        low, high = made.bounds(np.array([0.2, 0.4]))
        return float((high - low).mean())

    assert width(8000) < 0.5 * width(400)


def test_a_lead_that_was_looked_at_often_counts_once():
    rng = np.random.default_rng(6)
    true = expit(rng.normal(-1, 1, 200))
    y = rng.random(200) < true
    once = fit_interval(true, y, np.arange(200))
    often = fit_interval(np.repeat(true, 9), np.repeat(y, 9), np.repeat(np.arange(200), 9))
    p = np.array([0.2, 0.3])
    np.testing.assert_allclose(once.bounds(p), often.bounds(p), atol=0.02)


def test_where_there_is_too_little_nothing_is_said():
    few = FEWEST_LEADS - 1
    low, high = fit_interval(np.full(few, 0.3), np.zeros(few), np.arange(few)).bounds(
        np.array([0.3])
    )
    assert np.isnan([*low, *high]).all()
    rng = np.random.default_rng(7)
    near = rng.uniform(0.1, 0.3, 500)
    low, high = fit_interval(near, rng.random(500) < near, np.arange(500)).bounds(
        np.array([0.2, 0.97])
    )
    assert not np.isnan(low[0])
    assert np.isnan(low[1])


def test_bounds_hold_the_probability_and_survive_saving():
    rng = np.random.default_rng(8)
    p = rng.random(300)
    made = fit_interval(p, rng.random(300) < 0.5, np.arange(300))  # said means nothing here
    again = Interval.from_json(json.loads(json.dumps(made.to_json())))
    low, high = made.bounds(p)
    assert ((low <= p) & (p <= high)).all()
    np.testing.assert_array_equal(again.bounds(p), (low, high))


def test_wilson_against_scipy():
    for k, n in ((0, 60), (3, 60), (30, 60), (400, 1000)):
        expected = binomtest(k, n).proportion_ci(0.9, method="wilson")
        assert wilson(k / n, n) == pytest.approx((max(expected.low, 1e-6), expected.high), abs=1e-4)
