"""May a candidate become the champion?"""

import numpy as np
import pytest

from scoring.train.gates import Newer, decide


@pytest.fixture
def truth() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels drawn from known probabilities, three rows a lead."""
    rng = np.random.default_rng(1)
    p = np.repeat(rng.beta(1, 5, 1_000), 3)
    return (rng.random(3_000) < p).astype(int), p, np.repeat(np.arange(1_000), 3)


def _others(y: np.ndarray, logistic: np.ndarray, **more: np.ndarray) -> dict[str, np.ndarray]:
    prevalence = np.full(len(y), y.mean())
    simple = {"prevalence": prevalence, "hand_rule": prevalence, "naive_bayes": prevalence}
    return {**simple, "logistic": logistic, **more}


def test_a_model_that_knows_more_is_promoted(truth):
    y, p, leads = truth
    decision = decide(y, p, _others(y, p), leads, margin=0.005, seed=1)
    assert decision.passed
    assert "better than the prevalence" in decision.why


def test_no_better_than_the_prevalence_is_held_with_the_interval(truth):
    y, p, leads = truth
    rng = np.random.default_rng(2)
    decision = decide(y, rng.permutation(p), _others(y, p), leads, margin=0.005, seed=1)
    assert not decision.passed
    assert "not better than the prevalence" in decision.why
    assert "interval" in decision.why


def test_losing_to_logistic_regression_by_more_than_the_margin_is_held(truth):
    y, p, leads = truth
    dull = 0.5 * p + 0.5 * y.mean()
    loss = float(np.mean(-np.log(np.where(y == 1, dull, 1 - dull))))
    better = float(np.mean(-np.log(np.where(y == 1, p, 1 - p))))
    behind = loss - better
    held = decide(y, dull, _others(y, p), leads, margin=behind / 2, seed=1)
    passed = decide(y, dull, _others(y, p), leads, margin=behind * 2, seed=1)
    assert (held.passed, passed.passed) == (False, True)
    assert "logistic" in held.why


def test_another_recipe_must_be_better_than_the_champions(truth):
    y, p, leads = truth
    worse = 0.7 * p + 0.3 * y.mean()
    same = decide(y, p, _others(y, p, champion=p), leads, margin=0.005, seed=1)
    better = decide(y, p, _others(y, p, champion=worse), leads, margin=0.005, seed=1)
    lost = decide(y, worse, _others(y, worse, champion=p), leads, margin=0.005, seed=1)
    assert (same.passed, better.passed, lost.passed) == (False, True, False)
    assert "not better than the champion" in lost.why


def test_rows_of_one_lead_do_not_count_as_independent(truth):
    """The same evidence repeated in more rows of the same leads must not widen its weight."""
    y, p, leads = truth
    slightly = np.clip(p * 0.97 + 0.03 * y.mean(), 0.001, 0.999)
    few = slice(0, 240)
    once = decide(
        y[few], p[few], _others(y[few], p[few], champion=slightly[few]),
        leads[few], margin=0.005, seed=1,
    )  # fmt: skip
    repeated = [np.tile(a[few], 50) for a in (y, p, slightly, leads)]
    often = decide(
        repeated[0], repeated[1], _others(repeated[0], repeated[1], champion=repeated[2]),
        repeated[3], margin=0.005, seed=1,
    )  # fmt: skip
    assert once.why == often.why


def test_the_same_recipe_on_newer_data_must_not_be_worse(truth):
    y, p, leads = truth
    worse = 0.5 * p + 0.5 * y.mean()

    def said(candidate: np.ndarray, champion: np.ndarray) -> tuple[bool, str]:
        newer = Newer(y, candidate, champion, leads)
        decision = decide(y, p, _others(y, p), leads, margin=0.005, seed=1, newer=newer)
        return decision.passed, decision.why

    assert said(p, p)[0]
    assert said(p, worse)[0]
    passed, why = said(worse, p)
    assert not passed
    assert "not shown to be as good as the champion" in why
    assert "interval" in why


def test_better_log_loss_does_not_buy_worse_calibration_or_lift(truth):
    """The champion's order is dull but its level right; the candidate orders well and shouts."""
    y, p, leads = truth
    dull = np.full(len(y), y.mean())
    loud = np.clip(p * 1.3, 0, 0.99)
    decision = decide(y, loud, _others(y, dull, champion=dull), leads, margin=0.005, seed=1)
    assert not decision.passed
    assert "calibration worse than the champion's" in decision.why
