"""From the members' margins to one calibrated log-odds; folds that keep a person together.

    rarer_groups      how much there is to learn from
    group_folds       stratified folds by group
    fit_blend         non-negative weights and an intercept on out-of-fold margins
    newest_shift      correction of the intercept by the newest matured rows

Everywhere `y` (n,) is 0 or 1, `weight` (n,) not negative, `groups` (n,) codes from 0 without gaps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

# Pull of the weights towards the plain average, over the number of conversions. With some dozen
# conversions averages beat fitted stacks; with a thousand a stack may drop a member that adds
# nothing.
PRIOR_STRENGTH = 4000.0

NEWEST_SHARE = 0.15
# With fewer, the shift's own error (about 1 / sqrt(conversions)) outweighs what drift takes.
NEWEST_CONVERSIONS_AT_LEAST = 30


@dataclass(frozen=True)
class Blend:
    """log-odds = intercept + sum of weights x margins of the members."""

    weights: tuple[float, ...]
    intercept: float

    def margin(self, members: Sequence[np.ndarray]) -> np.ndarray:
        """Log-odds (n,) from the members' margins, each (n,)."""
        total = np.full(len(members[0]), self.intercept)
        for weight, margin in zip(self.weights, members, strict=True):
            total += weight * margin
        return total


def rarer_groups(y: np.ndarray, groups: np.ndarray) -> int:
    """Groups with a row of the class that has fewer: the count of independent conversions.

    Several snapshots of one lead that converts are one conversion, not several.
    """
    return min(len(np.unique(groups[y == label])) for label in (0, 1))


def group_folds(
    y: np.ndarray, groups: np.ndarray, k: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """`k` pairs (train, test) of row numbers; no group on both sides, conversions evenly dealt.

    `y` (n,) is 0 or 1, `groups` (n,) are codes from 0. Groups are dealt to the folds back and forth
    like cards, those with most conversions first, then the largest, equal ones in an order by
    `seed`. (scikit-learn's StratifiedGroupKFold loops over groups in Python.)
    """
    conversions = np.bincount(groups, weights=y)
    sizes = np.bincount(groups)
    tie_break = np.random.default_rng(seed).permutation(len(sizes))
    order = np.lexsort((tie_break, -sizes, -conversions))
    turn, place = np.divmod(np.arange(len(sizes)), k)
    fold_of_group = np.empty(len(sizes), dtype=np.int64)
    fold_of_group[order] = np.where(turn % 2 == 0, place, k - 1 - place)
    fold = fold_of_group[groups]
    return [(np.flatnonzero(fold != f), np.flatnonzero(fold == f)) for f in range(k)]


def fit_blend(
    members: Sequence[np.ndarray], y: np.ndarray, weight: np.ndarray, conversions: int
) -> Blend:
    """Logistic regression of `y` on out-of-fold margins, weights >= 0, pulled to the plain average.

    The weights' sum is the slope that Platt (1999) fits; with few `conversions` (independent leads
    of the rarer class) it stays near 1.
    """
    margins = np.column_stack(members)
    k = margins.shape[1]
    average = np.full(k, 1 / k)
    strength = PRIOR_STRENGTH / conversions
    n = weight.sum()

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        intercept, weights = parameters[0], parameters[1:]
        total = intercept + margins @ weights
        residual = weight * (expit(total) - y)
        pull = weights - average
        value = weight @ (np.logaddexp(0, total) - y * total) + strength / 2 * pull @ pull
        gradient = np.concatenate([[residual.sum()], margins.T @ residual + strength * pull])
        return value / n, gradient / n

    found = minimize(
        loss,
        np.concatenate([[0.0], average]),
        jac=True,
        method="L-BFGS-B",
        bounds=[(None, None)] + [(0.0, None)] * k,
        options={"ftol": 1e-14, "gtol": 1e-9, "maxiter": 500},
    )
    return Blend(tuple(float(w) for w in found.x[1:]), float(found.x[0]))


def newest_shift(
    margin: np.ndarray, y: np.ndarray, weight: np.ndarray, time: np.ndarray, groups: np.ndarray
) -> float | None:
    """What to add to the intercept so that the newest rows' mean probability is their conversion
    rate.

    `margin` (n,) are out-of-fold log-odds, so no row corrects its own fit. Newest: the last
    `NEWEST_SHARE` of the rows by `time` (n,), with all rows of the same moment. None if these hold
    fewer than `NEWEST_CONVERSIONS_AT_LEAST` of either class: then the intercept stays.
    """
    newest = time >= np.quantile(time, 1 - NEWEST_SHARE, method="lower")
    margin, y, weight = margin[newest], y[newest], weight[newest]
    if rarer_groups(y, groups[newest]) < NEWEST_CONVERSIONS_AT_LEAST:
        return None
    shift = 0.0
    # Newton's method on a convex function of one number; the step is bounded against overshoot.
    for _ in range(100):
        p = expit(margin + shift)
        step = float(weight @ (y - p) / max(float(weight @ (p * (1 - p))), 1e-12))
        shift += float(np.clip(step, -2, 2))
        if abs(step) < 1e-12:
            break
    return shift
