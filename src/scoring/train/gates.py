"""May a candidate become the champion? Pure functions: measures in, a decision with its why out."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from scoring.train.metrics import paired_bootstrap

DRAWS = 1000


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
    others         `prevalence` (must be beaten), `logistic` (must not be lost to), and `champion`
                   where a champion with another recipe exists (must be beaten)
    groups         the lead or person of each row: intervals resample them, not rows
    margin         log loss by which the candidate may be behind logistic regression

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
    mean, low, high = _compare(y, candidate, others["logistic"], groups, seed)
    if mean > margin:
        return Decision(
            False,
            f"loses to logistic regression: log loss {mean:+.4f}, "
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


def _compare(
    y: np.ndarray, a: np.ndarray, b: np.ndarray, groups: Any, seed: int
) -> tuple[float, float, float]:
    """Log loss of `a` minus `b`: mean and 95 % interval over groups."""
    difference, low, high = paired_bootstrap(y, a, b, groups, draws=DRAWS, seed=seed)
    return float(difference), float(low), float(high)
