"""How well one column alone tells two kinds of leads apart. Pure functions, one row per lead.

    out_of_fold   values → the rate of the kind among other leads with the same value
    auc           area under the ROC curve with its lower bound
    certainty     leads with certain values that are (nearly) all of the kind
    weaker        is the column much weaker on other values of the same leads?

The values of a column become codes first (`codes`): a text is a level, a number falls into one of
20 bins of equal mass, missing is a level of its own. A rate is learned from other leads than the
one it is used for, so a column of a thousand rare levels proves nothing by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import beta, norm, rankdata

BINS = 20
FOLDS = 5
# Fewer leads of either kind prove nothing.
LEADS_AT_LEAST = 20
# A level starts as if one lead of the usual rate had been seen.
PRIOR = 1.0
# Where nearly certain leads are looked for: from these rates among other leads of their value on.
CUTS = (0.5, 0.7, 0.8, 0.9, 0.95)


@dataclass(frozen=True)
class Area:
    """An AUC with the lower end of its one-sided interval."""

    value: float
    lower: float


@dataclass(frozen=True)
class Certainty:
    """Of `leads` leads with certain values `share` are of the kind, `lower` with confidence."""

    leads: int
    share: float
    lower: float


def codes(values: pd.Series) -> np.ndarray:
    """A code (n,) from 0 for each value; missing is 0."""
    if values.dtype.kind not in "iufb":
        return np.asarray(pd.factorize(values, sort=False)[0]) + 1
    numbers = values.to_numpy(dtype=np.float64)
    known = np.isfinite(numbers)
    found = np.zeros(len(numbers), dtype=np.int64)
    if known.any():
        levels, place = np.unique(numbers[known], return_inverse=True)
        if len(levels) > BINS:
            cuts = np.unique(np.quantile(numbers[known], np.arange(1, BINS) / BINS))
            place = np.searchsorted(cuts, numbers[known], side="right")
        found[known] = place + 1
    return found


def out_of_fold(code: np.ndarray, y: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """The rate (n,) of `y` among the leads of the other folds with the same code."""
    size = int(code.max()) + 1
    cell = fold * size + code
    rows = np.bincount(cell, minlength=FOLDS * size).reshape(FOLDS, size)
    hits = np.bincount(cell, weights=y, minlength=FOLDS * size).reshape(FOLDS, size)
    rows, hits = rows.sum(axis=0) - rows, hits.sum(axis=0) - hits
    usual = hits.sum(axis=1, keepdims=True) / np.maximum(rows.sum(axis=1, keepdims=True), 1)
    rate = (hits + PRIOR * usual) / (rows + PRIOR)
    return np.asarray(rate[fold, code])


def placements(y: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each lead of the kind the share of the others below it; for each other the share above.

    Ties count half. Their means are the AUC, their variances its variance (DeLong, DeLong and
    Clarke-Pearson 1988).
    """
    ones, zeros = score[y == 1], score[y == 0]
    rank = rankdata(np.concatenate([ones, zeros]))
    of_ones, of_zeros = rank[: len(ones)], rank[len(ones) :]
    above = (of_ones - rankdata(ones)) / len(zeros)
    below = 1 - (of_zeros - rankdata(zeros)) / len(ones)
    return above, below


def auc(y: np.ndarray, score: np.ndarray, alpha: float) -> Area:
    """AUC of `score` with its lower bound at level `alpha`.

    The standard error is DeLong's, but at least that of Hanley and McNeil (1982) at an AUC half a
    lead short of perfect: where all leads stand apart, DeLong's is 0 however few they are.
    """
    above, below = placements(y, score)
    value = float(above.mean())
    n, m = len(above), len(below)
    a = min(value, 1 - 0.5 / min(n, m))
    other_n, other_m = (n - 1) * (a / (2 - a) - a * a), (m - 1) * (2 * a * a / (1 + a) - a * a)
    hanley = (a * (1 - a) + other_n + other_m) / (n * m)
    variance = max(hanley, above.var(ddof=1) / n + below.var(ddof=1) / m)
    return Area(value, value - float(norm.isf(alpha)) * float(np.sqrt(variance)))


def certainty(y: np.ndarray, rate: np.ndarray, alpha: float) -> Certainty:
    """The leads with the highest `rate` (out of fold) that are most surely of the kind.

    Exact binomial bound (Clopper and Pearson 1934), corrected for the cuts that are tried.
    """
    best = Certainty(0, 0.0, 0.0)
    for cut in CUTS:
        chosen = y[rate >= cut]
        n, k = len(chosen), int(chosen.sum())
        lower = float(beta.ppf(alpha / len(CUTS), k, n - k + 1)) if k else 0.0
        if lower > best.lower:
            best = Certainty(n, k / n, lower)
    return best


def weaker(y: np.ndarray, now: np.ndarray, before: np.ndarray, alpha: float) -> tuple[float, bool]:
    """What is left of the strength (AUC - 0.5) of `now` in `before`, and whether it is surely less
    than half: a linear contrast of two paired AUCs, with DeLong's covariance."""
    pairs = zip(placements(y, now), placements(y, before), strict=True)
    (ones, ones_before), (zeros, zeros_before) = pairs
    strength, earlier = float(ones.mean()) - 0.5, float(ones_before.mean()) - 0.5
    by_one, by_zero = ones - 2 * ones_before, zeros - 2 * zeros_before
    error = np.sqrt(by_one.var(ddof=1) / len(by_one) + by_zero.var(ddof=1) / len(by_zero))
    surely = strength - 2 * earlier - float(norm.isf(alpha)) * float(error) > 0
    return (max(earlier, 0.0) / strength if strength > 0 else 1.0), surely


def testable(y: np.ndarray) -> bool:
    """Whether there are enough leads of either kind."""
    return LEADS_AT_LEAST <= y.sum() <= len(y) - LEADS_AT_LEAST
