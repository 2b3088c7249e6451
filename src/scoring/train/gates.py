"""May a candidate become the champion? Pure functions: measures in, a decision with its why out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scoring.train.leaks import Leak
from scoring.train.metrics import (
    calibration_error,
    lift,
    paired_bootstrap,
    paired_bootstrap_of,
)

DRAWS = 1000
FEWER_DRAWS = 200  # of measures that need a sort each
NAMED = 5
# What a candidate must not lose to, in words.
BASELINES = {
    "hand_rule": "the hand rule",
    "naive_bayes": "naive Bayes",
    "logistic": "logistic regression",
}


@dataclass(frozen=True)
class Decision:
    """passed, and one sentence that says why or why not."""

    passed: bool
    why: str


@dataclass(frozen=True)
class Newer:
    """The champion as it stands, and the same recipe on newer data, on rows that were decided after
    both had learned. All (n,)."""

    y: np.ndarray
    candidate: np.ndarray
    champion: np.ndarray
    groups: np.ndarray


def decide(
    y: np.ndarray,
    candidate: np.ndarray,
    others: dict[str, np.ndarray],
    groups: Any,
    *,
    margin: float,
    seed: int,
    newer: Newer | None = None,
) -> Decision:
    """Compare a candidate's recipe with the others on the same later rows.

    y, candidate   labels and probabilities of the validation rows (n,)
    others         `prevalence` (must be beaten), `hand_rule`, `naive_bayes` and `logistic` (must
                   not be lost to), and `champion` where a champion with another recipe exists:
                   its recipe refitted on the same training rows (must be beaten)
    groups         the lead or person of each row: intervals resample them, not rows
    margin         log loss by which the candidate may be behind a baseline, or the same recipe's
                   older self
    newer          where the recipe is the champion's and leads were decided since

    "Beaten" means that the 95 % interval of the paired difference in log loss excludes zero;
    "not lost to" that the mean of that difference is within the margin; the same recipe on newer
    data is "not worse" if that interval ends within the margin (non-inferiority). Against a
    champion neither calibration nor lift may be worse beyond chance.
    """
    for name in ("prevalence", "champion"):
        if name not in others:
            continue
        mean, low, high = _compare(y, candidate, others[name], groups, seed)
        if high >= 0:
            return Decision(False, f"not better than the {name}: {_told(mean, low, high)}")
    for name in BASELINES:
        mean, low, high = _compare(y, candidate, others[name], groups, seed)
        if mean > margin:
            told = _told(mean, low, high)
            return Decision(False, f"loses to {BASELINES[name]}: {told}, margin {margin:.4f}")
    compared = None
    if "champion" in others:
        compared = Newer(y, candidate, others["champion"], np.asarray(groups))
        against = "better than the champion's recipe and the prevalence"
    elif newer is not None:
        compared = newer
        mean, low, high = _compare(newer.y, newer.candidate, newer.champion, newer.groups, seed)
        against = f"better than the prevalence; with newer data {_told(mean, low, high)}"
        if high > margin:
            return Decision(
                False,
                "not shown to be as good as the champion on leads that were decided since: "
                f"{_told(mean, low, high)}, margin {margin:.4f}",
            )
    else:
        against = "better than the prevalence"
    if compared is not None and (worse := _worse_in(compared, seed)):
        return Decision(False, worse)
    told = _told(*_compare(y, candidate, others["logistic"], groups, seed))
    return Decision(True, f"{against}; against logistic regression {told} (margin {margin:.4f})")


def _worse_in(compared: Newer, seed: int) -> str | None:
    """Calibration or lift that is worse than the champion's beyond chance, in a sentence."""
    for name, measure, sign in (
        ("calibration", calibration_error, 1),
        ("lift of the best tenth", lift, -1),
    ):
        mean, low, high = paired_bootstrap_of(
            measure,
            compared.y,
            compared.candidate,
            compared.champion,
            compared.groups,
            draws=FEWER_DRAWS,
            seed=seed,
        )
        if sign * low > 0 and sign * high > 0:
            return (
                f"{name} worse than the champion's: {mean:+.3f}, 95 % interval {low:+.3f} to "
                f"{high:+.3f}"
            )
    return None


def _told(mean: float, low: float, high: float) -> str:
    return f"log loss {mean:+.4f}, 95 % interval {low:+.4f} to {high:+.4f}"


def no_leak(decision: Decision, unsettled: Sequence[Leak]) -> Decision:
    """Hold a candidate back while a leak is neither excluded nor allowed in model.toml.

    The candidate itself is clean, for leaking columns are left out of it. But one of them is a sign
    that fields are filled at closing, and seldom comes alone: somebody has to look first.
    """
    if not decision.passed or not unsettled:
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
