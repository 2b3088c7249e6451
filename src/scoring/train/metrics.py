"""How good probabilities are, as JSON-ready numbers.

    measures           one dictionary per set of rows: ranking, log loss, calibration, lift
    reliability        the table behind a reliability curve
    paired_bootstrap   two models on the same rows: difference in log loss and its interval, by
                       resampling groups; paired_bootstrap_of: of any other measure

`y` (n,) is 0 or 1, `p` (n,) the probability of 1. None of the results depends on the order of the
rows, `ece_floor` and the bootstrap's draws included. Equal probabilities are never told apart.
"""

from __future__ import annotations

from collections.abc import Callable
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
    draws: int = 1000,
    seed: int,
) -> tuple[float, float, float]:
    """Log loss of a minus log loss of b on the same rows, with its 95 % percentile interval.

    `groups` (n,): rows of one lead (or person) share a value; whole groups are drawn with
    replacement (Efron and Tibshirani 1993), because rows of one lead resemble each other. Below 0
    means that a is better. Raises ValueError without rows and for missing groups.
    """
    y, p_a = _checked(y, p_a)
    y, p_b = _checked(y, p_b)
    codes, labels = pd.factorize(np.asarray(groups), sort=True)
    if len(codes) != len(y) or (codes < 0).any():
        raise ValueError("`groups` must have one value per row, none missing.")
    if not len(y):
        raise ValueError("`y` must have at least one row. Got none instead.")
    worse = _log_losses(y, p_a) - _log_losses(y, p_b)
    by_group = np.bincount(codes, weights=worse)
    sizes = np.bincount(codes)
    difference = float(worse.mean())
    rng = np.random.default_rng(seed)
    drawn = (
        np.bincount(rng.integers(0, len(labels), len(labels)), minlength=len(labels))
        for _ in range(draws)
    )
    differences = np.array([times @ by_group / (times @ sizes) for times in drawn])
    low, high = np.quantile(differences, [0.025, 0.975])
    return difference, float(low), float(high)


def paired_bootstrap_of(
    measure: Callable[[np.ndarray, np.ndarray], float],
    y: Any,
    p_a: Any,
    p_b: Any,
    groups: Any,
    *,
    draws: int,
    seed: int,
) -> tuple[float, float, float]:
    """`measure` of a minus that of b on the same rows, as `paired_bootstrap` does for log loss.

    For measures that are no mean over rows, and so must be computed anew in every draw; draws in
    which it cannot be computed (a single class) are left out.
    """
    y, p_a = _checked(y, p_a)
    y, p_b = _checked(y, p_b)
    codes, labels = pd.factorize(np.asarray(groups), sort=True)
    order = np.lexsort((p_b, p_a, y, codes))  # the same draws whatever the order of the rows
    starts = np.searchsorted(codes[order], np.arange(len(labels)))
    sizes = np.bincount(codes, minlength=len(labels))
    rng = np.random.default_rng(seed)
    differences = []
    for _ in range(draws):
        drawn = rng.integers(0, len(labels), len(labels))
        own = sizes[drawn]
        within = np.arange(own.sum()) - np.repeat(np.cumsum(own) - own, own)
        rows = order[np.repeat(starts[drawn], own) + within]
        if 0 < y[rows].sum() < len(rows):
            differences.append(measure(y[rows], p_a[rows]) - measure(y[rows], p_b[rows]))
    low, high = np.quantile(differences, [0.025, 0.975]) if differences else (np.nan, np.nan)
    return measure(y, p_a) - measure(y, p_b), float(low), float(high)


def calibration_error(y: np.ndarray, p: np.ndarray) -> float:
    """`ece` of `measures`."""
    return _ece(y, p)


def lift(y: np.ndarray, p: np.ndarray) -> float:
    """`lift_at_10` of `measures`; both outcomes must be there."""
    return _lift(y, p, 0.1)


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
