"""What the open leads will bring: probability × amount, with an interval.

The interval (90 %) adds, by their squares, two uncertainties that are independent of each other:

- chance: each lead is won or not, independently, so the variance of the sum is Σ p(1 - p)a²; the
  sum of many is near normal (Lyapunov), and its ends stay within what is possible;
- the level: all probabilities may be off in the same direction. Their bounds (`train/interval.py`)
  are taken as one movement of all, Σ a(p_high - p), which is the careful reading.

How large a deal will be in the end is not part of it.
"""

import math

import numpy as np
import pandas as pd

Z = 1.6449  # two-sided 90 %
GROUPS = ("all", "not_flagged", "flagged")


def forecast(leads: pd.DataFrame, deals: pd.DataFrame) -> pd.DataFrame:
    """The three rows of the table `forecast`, see `catalogue`.

    leads   tonight's scored leads: source_kind, amount (missing where unknown), probability and its
            bounds (missing: not known, then only chance counts), tire_kicker
    deals   the table `deals`: what a lead without an amount counts as, the average of its kind of
            source, else of all
    """
    usual = deals.set_index("source_kind")["average_deal"].astype("float64")
    everyone = float(usual.get("all", math.nan))
    own = leads["amount"].to_numpy(dtype=float, na_value=np.nan)
    kind = leads["source_kind"].map(usual).to_numpy(dtype=float, na_value=np.nan)
    amount = np.where(np.isnan(own), np.where(np.isnan(kind), everyone, kind), own)
    flagged = leads["tire_kicker"].to_numpy(dtype=bool)
    rows = []
    for group, chosen in zip(GROUPS, (flagged | True, ~flagged, flagged), strict=True):
        p, low, high = (
            leads[name].to_numpy(dtype=float, na_value=np.nan)[chosen]
            for name in ("probability", "probability_low", "probability_high")
        )
        low, high = np.where(np.isnan(low), p, low), np.where(np.isnan(high), p, high)
        count = _sum(p, low, high, np.ones(len(p)))
        money = _sum(p, low, high, amount[chosen])
        rows.append(
            {
                "leads": group,
                "n": len(p),
                "with_amount": int((~np.isnan(own[chosen])).sum()),
                "open_amount": math.fsum(amount[chosen]),
                **{f"expected_won{end}": value for end, value in count.items()},
                **{f"expected_amount{end}": value for end, value in money.items()},
            }
        )
    return pd.DataFrame(rows)


def _sum(p: np.ndarray, low: np.ndarray, high: np.ndarray, each: np.ndarray) -> dict[str, float]:
    """The expected sum of `each`, and the ends of its interval; NaN where an amount is missing."""
    middle = math.fsum(p * each)
    chance = Z**2 * math.fsum(p * (1 - p) * each**2)
    below = math.sqrt(chance + math.fsum(each * (p - low)) ** 2)
    above = math.sqrt(chance + math.fsum(each * (high - p)) ** 2)
    least, most = math.fsum(each[each < 0]), math.fsum(each[each > 0])
    return {
        "": middle,
        "_low": max(middle - below, least) if not math.isnan(middle) else math.nan,
        "_high": min(middle + above, most) if not math.isnan(middle) else math.nan,
    }
