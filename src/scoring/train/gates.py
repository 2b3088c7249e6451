"""May a candidate become the champion? Pure functions: measures in, a decision with its why out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scoring.train.leaks import Leak
from scoring.train.metrics import paired_bootstrap

DRAWS = 1000
NAMED = 5
# What a candidate must not lose to, in words; the last one is told of when it is promoted.
BASELINES = {
    "hand_rule": "the hand rule",
    "naive_bayes": "naive Bayes",
    "logistic": "logistic regression",
}


@dataclass(frozen=True)
class Decision:
    """promoted, and one sentence that says why or why not."""

    promoted: bool
    why: str


def decide(
    y: np.ndarray,
    candidate: np.ndarray,
    others: dict[str, np.ndarray],
    groups: Any,
    *,
    margin: float,
    seed: int,
) -> Decision:
    """Compare a candidate's recipe with the others on the same later rows.

    y, candidate   labels and probabilities of the validation rows (n,)
    others         `prevalence` (must be beaten), `hand_rule`, `naive_bayes` and `logistic` (must
                   not be lost to), and `champion` where a champion with another recipe exists
                   (must be beaten)
    groups         the lead or person of each row: intervals resample them, not rows
    margin         log loss by which the candidate may be behind a baseline

    "Beaten" means that the 95 % interval of the paired difference in log loss excludes zero;
    "not lost to" that the mean of that difference is within the margin.
    """
    for name in ("prevalence", "champion"):
        if name not in others:
            continue
        mean, low, high = _compare(y, candidate, others[name], groups, seed)
        if high >= 0:
            return Decision(
                False,
                f"not better than the {name}: log loss {mean:+.4f}, "
                f"95 % interval {low:+.4f} to {high:+.4f}",
            )
    for name in BASELINES:
        mean, low, high = _compare(y, candidate, others[name], groups, seed)
        if mean > margin:
            return Decision(
                False,
                f"loses to {BASELINES[name]}: log loss {mean:+.4f}, "
                f"95 % interval {low:+.4f} to {high:+.4f}, margin {margin:.4f}",
            )
    against = (
        "the champion's recipe and the prevalence" if "champion" in others else ("the prevalence")
    )
    return Decision(
        True,
        f"better than {against}; against logistic regression log loss {mean:+.4f} "
        f"(95 % interval {low:+.4f} to {high:+.4f}, margin {margin:.4f})",
    )


def no_leak(decision: Decision, unsettled: Sequence[Leak]) -> Decision:
    """Hold a candidate back while a leak is neither excluded nor allowed in model.toml.

    The candidate itself is clean, for leaking columns are left out of it. But one of them is a sign
    that fields are filled at closing, and seldom comes alone: somebody has to look first.
    """
    if not decision.promoted or not unsettled:
        return decision
    names = ", ".join(f"`{leak.column}`" for leak in unsettled[:NAMED])
    more = f" and {len(unsettled) - NAMED} more" if len(unsettled) > NAMED else ""
    return Decision(
        False,
        f"{names}{more} know{'s' if len(unsettled) == 1 else ''} the outcome: "
        f"{unsettled[0].evidence}. Left out of this candidate; settle it in model.toml "
        "([features] exclude, or allow_leaks) and train again",
    )


def _compare(
    y: np.ndarray, a: np.ndarray, b: np.ndarray, groups: Any, seed: int
) -> tuple[float, float, float]:
    """Log loss of `a` minus `b`: mean and 95 % interval over groups."""
    difference, low, high = paired_bootstrap(y, a, b, groups, draws=DRAWS, seed=seed)
    return float(difference), float(low), float(high)
