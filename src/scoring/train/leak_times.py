"""What the clock tells of an attribute: filled at the decision, or speaking of it. Pure functions.

set_at_decision   its history begins, or moves, only when the lead is decided
follows_decision  its number goes with the time of the decision
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import beta, fisher_exact, norm, rankdata

from scoring.train.separation import LEADS_AT_LEAST

DAY = pd.Timedelta(days=1)
# Who lived no longer than this had no time to show when a field is filled.
SHORTEST_LIFE = 2 * DAY


@dataclass(frozen=True)
class Found:
    """A measure of one column with the lower end of its one-sided interval, over `leads` leads."""

    value: float
    lower: float
    leads: int


def set_at_decision(
    changes: pd.DataFrame, ends: pd.DataFrame, *, compared: bool, until: pd.Timestamp, alpha: float
) -> Found | None:
    """The share of decided leads, of those with a change, whose first one came at the decision.

    changes   of one field: lead_key, changed_at, place
    ends      root_key, created_at, first_landed, decided_at (missing while open)
    compared  the history was made by comparing nights: its first row is no change
    until     the data's end

    "At" is from a day before the decision on. What a source records counts only from the first row
    of this field on: leads that were older then had no history before. The bound also allows for
    changes that come at any time, evenly, of which many fall after the decision of a short-lived
    lead. Where nights were compared a change is known no better than by the night, so leads that
    were decided must also have changed more often than leads that are still open (Fisher's exact
    test). None where fewer than `LEADS_AT_LEAST` decided leads have a change.
    """
    first = changes[changes["place"] == (2 if compared else 1)].set_index("lead_key")["changed_at"]
    since = ends["first_landed"] if compared else ends["created_at"]
    seen = ends.assign(since=since, changed_at=ends["root_key"].map(first))
    if not compared:
        seen = seen[seen["since"] >= changes["changed_at"].min()]
    decided = seen[seen["decided_at"] - seen["since"] > SHORTEST_LIFE]
    moved = decided[decided["changed_at"].notna()]
    n = len(moved)
    if n < LEADS_AT_LEAST:
        return None
    turn = moved["decided_at"] - DAY
    k = int((moved["changed_at"] >= turn).sum())
    lower = _lower(k, n, alpha)
    evenly = float(((until - turn) / (until - moved["since"])).clip(0, 1).mean())
    if not compared:
        return Found(k / n, lower if _odds(lower) >= 3 * _odds(evenly) else 0.0, n)
    still = seen[seen["decided_at"].isna()]["changed_at"].notna()
    table = [[k, len(decided) - k], [int(still.sum()), int((~still).sum())]]
    more = fisher_exact(table, alternative="greater").pvalue < alpha
    return Found(k / n, lower if more else 0.0, n)


def follows_decision(values: pd.Series, ends: pd.DataFrame, alpha: float) -> Found | None:
    """How closely a number goes with the time from creation to decision, or with the decision's
    date given that of creation: the greater of the two rank correlations, without its sign.

    values   the attribute's number by root_key
    None where fewer than twice `LEADS_AT_LEAST` decided leads have a number, or all the same one.
    """
    decided = ends[ends["decided_at"].notna()].set_index("root_key")
    known = values[np.isfinite(values) & values.index.isin(decided.index)]
    n = len(known)
    if n < 2 * LEADS_AT_LEAST or known.nunique() < 2:
        return None
    created, closed = (decided.loc[known.index, name] for name in ("created_at", "decided_at"))
    number = _ranks(known)
    lasted = abs(float(number @ _ranks((closed - created).dt.total_seconds())))
    start = _ranks(created.astype("int64"))
    dated = abs(float(_rest(number, start) @ _rest(_ranks(closed.astype("int64")), start)))
    value = max(lasted, dated)
    # Fisher's z; the factor is that of rank correlations (Fieller, Hartley and Pearson 1957).
    z = np.arctanh(min(value, 1 - 1 / n)) - norm.isf(alpha) * np.sqrt(1.06 / (n - 3))
    return Found(value, float(np.tanh(z)), n)


def _lower(k: int, n: int, alpha: float) -> float:
    """Clopper and Pearson's lower bound of a share; 0 without leads."""
    return float(beta.ppf(alpha, k, n - k + 1)) if k else 0.0


def _odds(share: float) -> float:
    return share / (1 - share) if share < 1 else float("inf")


def _unit(values: np.ndarray) -> np.ndarray:
    centred = values - values.mean()
    length = float(np.sqrt(centred @ centred))
    return centred / length if length > 1e-9 else np.zeros(len(values))


def _ranks(values: pd.Series) -> np.ndarray:
    return _unit(rankdata(values.to_numpy()))


def _rest(values: np.ndarray, given: np.ndarray) -> np.ndarray:
    """What is left of unit vector `values` when `given` is known."""
    return _unit(values - (values @ given) * given)
