"""Each measure against its definition, written slowly; then what must hold for any rows."""

import json
from math import ceil, log

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.train.metrics import ECE_BINS, measures, paired_bootstrap, reliability

KEYS = ["n", "positives", "auc", "pr_auc", "log_loss", "brier", "ece", "ece_floor", "lift_at_10"]

# Few distinct probabilities, so that ties are the rule.
rows = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.01, 0.1, 0.25, 0.3, 0.5, 0.77, 0.9])),
    min_size=2,
    max_size=60,
).filter(lambda pairs: len({label for label, _ in pairs}) == 2)


def slow_auc(y, p):
    won = [b for a, b in zip(y, p, strict=True) if a]
    lost = [b for a, b in zip(y, p, strict=True) if not a]
    return sum((w > v) + (w == v) / 2 for w in won for v in lost) / (len(won) * len(lost))


def slow_average_precision(y, p):
    """Sum over the thresholds of precision times the recall gained there."""
    total, found_before = 0.0, 0
    for cut in sorted(set(p), reverse=True):
        taken = [a for a, b in zip(y, p, strict=True) if b >= cut]
        total += (sum(taken) - found_before) / sum(y) * sum(taken) / len(taken)
        found_before = sum(taken)
    return total


def slow_bins(p, bins):
    """Sorted values cut into equal counts; who equals the first of a bin's left end joins it."""
    ordered = sorted(p)
    edges = sorted({ordered[i * len(p) // bins] for i in range(bins)})
    return [sum(edge <= value for edge in edges) - 1 for value in p]


def slow_ece(y, p, bins=ECE_BINS):
    total = 0.0
    of_row = slow_bins(p, bins)
    for b in set(of_row):
        inside = [i for i in range(len(p)) if of_row[i] == b]
        total += abs(sum(y[i] for i in inside) - sum(p[i] for i in inside))
    return total / len(p)


def slow_lift(y, p):
    """Mean over many shuffles of the rate among the first tenth, over the rate of all."""
    rng = np.random.default_rng(0)
    k, found = ceil(len(p) / 10), []
    for _ in range(3000):
        order = sorted(range(len(p)), key=lambda i: (-p[i], rng.random()))
        found.append(sum(y[i] for i in order[:k]) / k)
    return np.mean(found) / np.mean(y)


@given(rows)
@settings(max_examples=60, deadline=None)
def test_measures_equal_their_definitions(pairs):
    y, p = [int(a) for a, _ in pairs], [b for _, b in pairs]
    m = measures(y, p, seed=1)
    assert list(m) == KEYS
    assert (m["n"], m["positives"]) == (len(y), sum(y))
    assert m["auc"] == pytest.approx(slow_auc(y, p))
    assert m["pr_auc"] == pytest.approx(slow_average_precision(y, p))
    assert m["log_loss"] == pytest.approx(
        -sum(log(b if a else 1 - b) for a, b in zip(y, p, strict=True)) / len(y)
    )
    assert m["brier"] == pytest.approx(
        sum((a - b) ** 2 for a, b in zip(y, p, strict=True)) / len(y)
    )
    assert m["ece"] == pytest.approx(slow_ece(y, p))


@given(rows, st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_the_order_of_rows_is_irrelevant(pairs, random):
    shuffled = list(pairs)
    random.shuffle(shuffled)
    first, second = (
        measures([a for a, _ in some], [b for _, b in some], seed=3) for some in (pairs, shuffled)
    )
    assert first == pytest.approx(second)


def test_lift_shares_ties():
    rng = np.random.default_rng(5)
    p = rng.choice([0.1, 0.2, 0.6], 45)
    y = (rng.random(45) < p).astype(int)
    assert measures(y, p, seed=1)["lift_at_10"] == pytest.approx(slow_lift(y, p), abs=0.05)
    assert measures(y, np.full(45, 0.3), seed=1)["lift_at_10"] == pytest.approx(1.0)


def test_ece_floor_is_the_mean_ece_of_perfectly_calibrated_draws():
    rng = np.random.default_rng(2)
    p = rng.beta(1, 6, 400).round(3)
    simulated = [slow_ece((rng.random(400) < p).astype(int), p) for _ in range(300)]
    floor = measures(rng.random(400) < p, p, seed=1)["ece_floor"]
    assert floor == pytest.approx(np.mean(simulated), rel=0.06)
    assert floor == measures(rng.random(400) < p, p, seed=1)["ece_floor"]
    assert floor != measures(rng.random(400) < p, p, seed=2)["ece_floor"]


def test_a_calibrated_model_is_at_its_floor_and_a_shifted_one_above():
    rng = np.random.default_rng(0)
    p = rng.beta(2, 8, 20_000)
    y = rng.random(20_000) < p
    good, bad = measures(y, p, seed=1), measures(y, p / 2, seed=1)
    assert good["ece"] < 1.5 * good["ece_floor"]
    assert bad["ece"] > 5 * bad["ece_floor"]


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_has_no_ranking_but_a_loss(label):
    m = measures([label] * 20, [0.2] * 20, seed=1)
    assert [m[key] for key in ("auc", "pr_auc", "lift_at_10")] == [None] * 3
    assert m["log_loss"] == pytest.approx(-log(0.2 if label else 0.8))
    assert m["ece"] == pytest.approx(abs(label - 0.2))


def test_without_rows_only_the_counts_are_known():
    m = measures([], [], seed=1)
    assert m == {"n": 0, "positives": 0} | dict.fromkeys(KEYS[2:])


def test_measures_are_json_and_finite_for_certain_probabilities():
    m = measures(np.array([True, False, True]), np.array([0.0, 1.0, 1.0], dtype="float32"), seed=1)
    assert json.loads(json.dumps(m, allow_nan=False)) == m


@pytest.mark.parametrize(
    ("y", "p", "says"),
    [([0, 1], [0.5], "equal length"), ([0, 2], [0.5, 0.5], "0 or 1"), ([0, 1], [0.5, None], "lie")],
)
def test_unusable_input_is_refused(y, p, says):
    with pytest.raises(ValueError, match=says):
        measures(y, p, seed=1)


def test_reliability_counts_every_row_once():
    rng = np.random.default_rng(1)
    p = rng.choice([0.1, 0.1, 0.1, 0.4, 0.5, 0.9], 500)
    y = (rng.random(500) < p).astype(int)
    table = reliability(y, p, bins=10)
    assert table["n"].sum() == 500
    assert (table["n"] * table["observed"]).sum() == pytest.approx(y.sum())
    assert (table["n"] * table["p_mean"]).sum() == pytest.approx(p.sum())
    # Equal probabilities share a bin.
    assert (table["p_high"].to_numpy()[:-1] < table["p_low"].to_numpy()[1:]).all()
    assert reliability([], []).empty


def slow_bootstrap(y, p_a, p_b, groups, loss, draws, seed):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"y": y, "a": p_a, "b": p_b, "g": groups})
    parts = [part for _, part in table.groupby("g")]
    found = []
    for _ in range(draws):
        drawn = pd.concat([parts[i] for i in rng.integers(0, len(parts), len(parts))])
        found.append(loss(drawn.y, drawn.a) - loss(drawn.y, drawn.b))
    return np.quantile(found, [0.025, 0.975])


def test_bootstrap_resamples_whole_groups():
    rng = np.random.default_rng(4)
    groups = rng.integers(0, 25, 120)
    y = (rng.random(120) < 0.4).astype(int)
    p_a, p_b = rng.choice([0.2, 0.4, 0.6], 120), rng.choice([0.3, 0.5, 0.7], 120)

    def loss(y, p):
        return float(np.mean(-np.log(np.where(y == 1, p, 1 - p))))

    difference, low, high = paired_bootstrap(y, p_a, p_b, groups, draws=60, seed=9)
    assert difference == pytest.approx(loss(y, p_a) - loss(y, p_b))
    # The same draws by the same seed: equal, not merely close.
    assert (low, high) == pytest.approx(
        tuple(slow_bootstrap(y, p_a, p_b, groups, loss, draws=60, seed=9))
    )


def test_bootstrap_widens_when_rows_belong_together():
    rng = np.random.default_rng(3)
    y = np.repeat((rng.random(40) < 0.5).astype(int), 10)
    p_a, p_b = np.where(rng.random(400) < 0.9, 0.6, 0.4), np.full(400, 0.5)
    _, low, high = paired_bootstrap(y, p_a, p_b, np.arange(400), seed=1)
    _, low_grouped, high_grouped = paired_bootstrap(y, p_a, p_b, np.repeat(range(40), 10), seed=1)
    assert high_grouped - low_grouped > 2 * (high - low)


def test_bootstrap_of_equal_models_is_zero():
    y, p = [0, 1, 0, 1], [0.2, 0.3, 0.4, 0.9]
    assert paired_bootstrap(y, p, p, list("abcd"), seed=1) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"groups": ["a", None]}, "groups"),
        ({"y": [], "p_a": [], "p_b": [], "groups": []}, "at least one row"),
    ],
)
def test_bootstrap_refuses_what_it_cannot_compare(changed, says):
    arguments = {"y": [0, 1], "p_a": [0.1, 0.2], "p_b": [0.3, 0.2], "groups": ["a", "b"]}
    with pytest.raises(ValueError, match=says):
        paired_bootstrap(**(arguments | changed), seed=1)
