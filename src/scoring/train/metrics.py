"""How good probabilities are, as JSON-ready numbers.

    measures           one dictionary per set of rows: ranking, log loss, calibration, lift
    reliability        the table behind a reliability curve
    paired_bootstrap   two models on the same rows: difference and interval, by resampling groups

`y` (n,) is 0 or 1, `p` (n,) the probability of 1. None of the results depends on the order of the
rows, `ece_floor` and the bootstrap's draws included. Equal probabilities are never told apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score

ECE_BINS = 15
FLOOR_DRAWS = 200
# Nobody is certain: a probability of 0 or 1 that is wrong must not make a mean infinite.
_EPSILON = 1e-15
# Random numbers held at a time.
_CHUNK = 4_000_000


def measures(y: Any, p: Any, *, seed: int) -> dict[str, Any]:
    """`n`, `positives`, `auc`, `pr_auc`, `log_loss`, `brier`, `ece`, `ece_floor`, `lift_at_10`.

    `auc`: chance that a random conversion is above a random other, ties half. `pr_auc`: average
    precision. `log_loss` in nats. `ece`: expected calibration error over 15 bins of equal mass
    (Nixon et al. 2019; equal probabilities share a bin). `ece_floor`: the mean `ece` that a
    perfectly calibrated model with the same probabilities shows, from draws by `seed`.
    `lift_at_10`: conversion rate of the top tenth over that of all, ties shared.

    None: `auc`, `pr_auc` and `lift_at_10` where one class is absent; all but the counts without
    rows.
    """
    y, p = _checked(y, p)
    n, positives = len(y), int(y.sum())
    result: dict[str, Any] = {"n": n, "positives": positives}
    both = 0 < positives < n
    result["auc"] = float(roc_auc_score(y, p)) if both else None
    result["pr_auc"] = float(average_precision_score(y, p)) if both else None
    result["log_loss"] = float(_log_losses(y, p).mean()) if n else None
    result["brier"] = float(((p - y) ** 2).mean()) if n else None
    result["ece"] = _ece(y, p) if n else None
    result["ece_floor"] = _ece_floor(p, seed) if n else None
    result["lift_at_10"] = _lift(y, p, 0.1) if both else None
    return result


def reliability(y: Any, p: Any, bins: int = 10) -> pd.DataFrame:
    """One row per bin of equal mass: `n`, `p_low`, `p_high`, `p_mean` and the share `observed`."""
    y, p = _checked(y, p)
    order, starts = _bins(p, bins)
    y, p = y[order], p[order]
    n = np.diff(np.append(starts, len(p)))
    return pd.DataFrame(
        {
            "n": n,
            "p_low": p[starts],
            "p_high": p[starts + n - 1],
            "p_mean": np.add.reduceat(p, starts) / n if len(p) else p,
            "observed": np.add.reduceat(y, starts) / n if len(p) else p,
        }
    )


def paired_bootstrap(
    y: Any,
    p_a: Any,
    p_b: Any,
    groups: Any,
    *,
    metric: str = "log_loss",
    draws: int = 1000,
    seed: int,
) -> tuple[float, float, float]:
    """`metric` of a minus `metric` of b on the same rows, with its 95 % percentile interval.

    `metric`: log_loss, brier or auc. `groups` (n,): rows of one lead (or person) share a value;
    whole groups are drawn with replacement (Efron and Tibshirani 1993), because rows of one lead
    resemble each other. For log_loss and brier below 0 means that a is better. A draw of auc that
    holds one class only is left out. Raises ValueError without rows, for missing groups, an
    unknown metric, and auc of a single class.
    """
    if metric not in ("log_loss", "brier", "auc"):
        raise ValueError(f"`metric` must be log_loss, brier or auc. Got {metric!r} instead.")
    y, p_a = _checked(y, p_a)
    y, p_b = _checked(y, p_b)
    codes, labels = pd.factorize(np.asarray(groups), sort=True)
    if len(codes) != len(y) or (codes < 0).any():
        raise ValueError("`groups` must have one value per row, none missing.")
    if not len(y):
        raise ValueError("`y` must have at least one row. Got none instead.")
    if metric == "auc" and not 0 < y.sum() < len(y):
        raise ValueError("`y` must hold both classes for auc. Got one instead.")
    rng = np.random.default_rng(seed)
    drawn = (
        np.bincount(rng.integers(0, len(labels), len(labels)), minlength=len(labels))
        for _ in range(draws)
    )
    if metric == "auc":
        first, second = _RankedPairs(y, p_a), _RankedPairs(y, p_b)
        difference = first.auc(np.ones(len(y))) - second.auc(np.ones(len(y)))
        differences = np.array(
            [first.auc(times[codes]) - second.auc(times[codes]) for times in drawn]
        )
        differences = differences[~np.isnan(differences)]
    else:
        loss = _log_losses if metric == "log_loss" else lambda y, p: (p - y) ** 2
        worse = loss(y, p_a) - loss(y, p_b)
        by_group = np.bincount(codes, weights=worse)
        sizes = np.bincount(codes)
        difference = float(worse.mean())
        differences = np.array([times @ by_group / (times @ sizes) for times in drawn])
    low, high = np.quantile(differences, [0.025, 0.975])
    return float(difference), float(low), float(high)


def _checked(y: Any, p: Any) -> tuple[np.ndarray, np.ndarray]:
    y, p = np.asarray(y, dtype=np.float64).ravel(), np.asarray(p, dtype=np.float64).ravel()
    if len(y) != len(p):
        raise ValueError(f"`y` and `p` must have equal length. Got {len(y)} and {len(p)} instead.")
    if not np.isin(y, (0, 1)).all():
        raise ValueError("`y` must be 0 or 1. Got other values instead.")
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("`p` must lie in [0, 1]. Got other or missing values instead.")
    return y, p


def _log_losses(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    p = np.clip(p, _EPSILON, 1 - _EPSILON)
    return -np.where(y == 1, np.log(p), np.log1p(-p))


def _bins(p: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Order that sorts `p`, and where in it each non-empty bin starts; equal values share a bin."""
    order = np.argsort(p, kind="stable")
    ordered = p[order]
    cuts = np.arange(bins) * len(p) // bins
    # A cut inside a run of equal values moves to the run's start.
    starts = np.searchsorted(ordered, ordered[cuts], side="left") if len(p) else cuts[:0]
    return order, np.unique(starts)


def _ece(y: np.ndarray, p: np.ndarray) -> float:
    order, starts = _bins(p, ECE_BINS)
    gaps = np.add.reduceat((y - p)[order], starts)
    return float(np.abs(gaps).sum() / len(y))


def _ece_floor(p: np.ndarray, seed: int) -> float:
    order, starts = _bins(p, ECE_BINS)
    ordered = p[order]
    expected = np.add.reduceat(ordered, starts)
    rng = np.random.default_rng(seed)
    total, done = 0.0, 0
    while done < FLOOR_DRAWS:
        rows = min(FLOOR_DRAWS - done, max(1, _CHUNK // len(p)))
        drawn = rng.random((rows, len(p))) < ordered
        conversions = np.add.reduceat(drawn, starts, axis=1, dtype=np.int64)
        total += float(np.abs(conversions - expected).sum())
        done += rows
    return total / (FLOOR_DRAWS * len(p))


def _lift(y: np.ndarray, p: np.ndarray, share: float) -> float:
    k = int(np.ceil(share * len(y)))
    cut = np.sort(p)[-k]
    above, at = p > cut, p == cut
    found = y[above].sum() + (k - above.sum()) * y[at].mean()
    return float(found / k / y.mean())


class _RankedPairs:
    """AUC of one model under many row weights: the sorting is done once."""

    def __init__(self, y: np.ndarray, p: np.ndarray) -> None:
        self._order = np.argsort(p, kind="stable")
        self._y = y[self._order]
        ordered = p[self._order]
        self._runs = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))

    def auc(self, weight: np.ndarray) -> float:
        """Weighted share of (conversion, other) pairs in right order, ties half; NaN if none."""
        weight = weight[self._order]
        conversions = np.add.reduceat(weight * self._y, self._runs)
        others = np.add.reduceat(weight * (1 - self._y), self._runs)
        pairs = conversions.sum() * others.sum()
        if pairs == 0:
            return float("nan")
        below = np.cumsum(others) - others
        return float(conversions @ (below + others / 2) / pairs)
