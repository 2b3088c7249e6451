"""How far a probability may be off, from what later leads with about the same one did.

First a line through all validation rows says how log-odds that were said and seen go together
(Platt 1999, held to "as said" where there is little). Then, around each probability, the nearest
rows are looked at, as many leads as are needed for a bound that says something: Wilson's interval
(Wilson 1927) of their conversion, against that line, gives how far off it may be there. Rows of one
lead are not independent, so leads are counted, not rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize

Z = 1.6449  # two-sided 90 %
# Leads around a probability: with fewer the bounds say nothing.
FEWEST_LEADS = 60
NEIGHBOURS = 0.1  # of the validation's leads, where that is more
ANCHORS = 40
EDGE = 1e-6
NAMES = ("line", "spread", "at", "low", "high", "seen")
BEYOND = 0.5  # log-odds outside of what the validation saw, where its outermost bounds still hold


@dataclass(frozen=True)
class Interval:
    """Bounds of the miscalibration at some probabilities, ascending.

    line         (2,) intercept and slope from the log-odds that were said to those that were seen
    spread       (2, 2) covariance of the two: far out the line itself is the larger uncertainty
    at           (a,) what the model said, on average, in a neighbourhood
    low, high    (a,) log-odds to add to the line there, for the lower and the upper bound
    seen         the smallest and the largest probability of the validation; empty without any
    """

    line: np.ndarray
    spread: np.ndarray
    at: np.ndarray
    low: np.ndarray
    high: np.ndarray
    seen: np.ndarray

    @staticmethod
    def nothing() -> "Interval":
        """No bounds anywhere."""
        return Interval(*(np.empty(0) for _ in NAMES))

    def bounds(self, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bound, (n,) each; NaN: not enough data there to say.

        They hold the probability itself. Between the anchors bounds are interpolated; beyond what
        the validation saw nothing is known.
        """
        if not len(self.at):
            unknown = np.full(len(probability), np.nan)
            return unknown, unknown.copy()
        p = np.clip(probability, EDGE, 1 - EDGE)
        margin, anchors = _logit(p), _logit(self.at)
        middle = self.line[0] + self.line[1] * margin
        basis = np.stack([np.ones_like(margin), margin], axis=1)
        far = Z * np.sqrt(np.einsum("ni,ij,nj->n", basis, self.spread, basis))
        below = np.minimum(np.interp(margin, anchors, self.low), -far)
        above = np.maximum(np.interp(margin, anchors, self.high), far)
        low = np.minimum(_sigmoid(middle + below), probability)
        high = np.maximum(_sigmoid(middle + above), probability)
        first, last = _logit(self.seen)
        unknown = (margin < first - BEYOND) | (margin > last + BEYOND)
        return np.where(unknown, np.nan, low), np.where(unknown, np.nan, high)

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name).tolist() for name in NAMES}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "Interval":
        return Interval(*(np.asarray(value[name], dtype=float) for name in NAMES))


def fit_interval(probability: np.ndarray, label: np.ndarray, groups: np.ndarray) -> Interval:
    """Bounds from validation rows that the model was not fitted on.

    probability, label   (n,) what was said, and 0 or 1
    groups               (n,) the lead or person of each row

    With fewer than FEWEST_LEADS leads there are no bounds at all.
    """
    _, group = np.unique(groups, return_inverse=True)
    leads = int(group.max()) + 1 if len(group) else 0
    if leads < FEWEST_LEADS:
        return Interval.nothing()
    order = np.argsort(probability, kind="stable")
    p = np.clip(probability[order], EDGE, 1 - EDGE)
    y, group = label[order].astype(float), group[order]
    line, spread = _line(_logit(p), y, 1 / np.bincount(group)[group])
    wanted = max(FEWEST_LEADS, int(NEIGHBOURS * leads))
    found = []
    for centre in np.unique(np.linspace(0, len(p) - 1, ANCHORS).astype(int)):
        rows = _neighbours(centre, group, wanted)
        said, seen, n = _by_lead(p[rows], y[rows], group[rows])
        middle = line[0] + line[1] * _logit(said)
        found.append((said, *(_logit(bound) - middle for bound in wilson(seen, n))))
    at, low, high = np.array(sorted(set(found))).T
    first = np.unique(at, return_index=True)[1]
    return Interval(line, spread, at[first], low[first], high[first], p[[0, -1]])


def _line(margin: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Intercept and slope of the most likely line, and their covariance.

    The prior is one standard deviation around 0 and 1; a lead's rows weigh one together.
    """

    def loss(at: np.ndarray) -> float:
        z = at[0] + at[1] * margin
        likelihood = np.sum(weight * (np.logaddexp(0, z) - y * z))
        return float(likelihood + at[0] ** 2 / 2 + (at[1] - 1) ** 2 / 2)

    at = np.asarray(minimize(loss, np.array([0.0, 1.0]), method="BFGS").x)
    p = _sigmoid(at[0] + at[1] * margin)
    basis = np.stack([np.ones_like(margin), margin])
    curvature = (basis * (weight * p * (1 - p))) @ basis.T + np.eye(2)
    return at, np.linalg.inv(curvature)


def _neighbours(centre: int, group: np.ndarray, wanted: int) -> slice:
    """The smallest stretch around a row that holds rows of `wanted` leads."""
    half = wanted // 2
    while True:
        low, high = max(0, centre - half), min(len(group), centre + half + 1)
        if len(np.unique(group[low:high])) >= wanted or (low == 0 and high == len(group)):
            return slice(low, high)
        half = half + max(1, half // 4)


def _by_lead(p: np.ndarray, y: np.ndarray, group: np.ndarray) -> tuple[float, float, int]:
    """Mean probability and share that converted, each lead counting once, and their number."""
    _, place, rows = np.unique(group, return_inverse=True, return_counts=True)
    said = np.bincount(place, weights=p) / rows
    seen = np.bincount(place, weights=y) / rows
    return float(said.mean()), float(seen.mean()), len(rows)


def wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's interval of a share of `n`, inside (0, 1)."""
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return max(EDGE, middle - half), min(1 - EDGE, middle + half)


def _logit(p: Any) -> Any:
    return np.log(p) - np.log1p(-p)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))
