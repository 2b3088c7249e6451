"""Where a score came from: up or down since an earlier run, and what moved it.

A score moves because something happened with the lead (`data`), because another model version
ranks it elsewhere among the same leads (`model`), or because another version's scale says another
number of the same place (`calibration`). Runs that were published tell them apart: where the
version changed from one run to the next, the leads of both nights are compared. What the lead
itself did in that one night is counted as the model's.
"""

from datetime import datetime

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from scoring.score.earlier import Earlier, Run, of_leads

# Points that a score must move to be called rising or falling.
MOVED = 10
# Column → days.
SPANS = {"trend": 7, "trend_28d": 28}
CAUSES = ("data", "model", "calibration")
READ = ("lead_id", "score", "probability")


def trends(rows: pd.DataFrame, version: str, as_of: datetime, earlier: Earlier) -> pd.DataFrame:
    """For each of SPANS the column itself (rising, steady, falling), `<column>_cause` (one of
    CAUSES where it rose or fell) and `score_<N>d_ago`; missing without such a run, or where the
    lead had no score then. Indexed like `rows`: lead_id (unique), score, probability.

    version   the model's that made `rows` as of `as_of`
    """
    found: dict[str, np.ndarray] = {}
    for span, days in SPANS.items():
        then = earlier.days_before(as_of, days)
        before = _scores_of(rows, earlier, then)
        moved = rows["score"].to_numpy(dtype=np.float64) - before
        found[span] = _direction(moved)
        found[f"{span}_cause"] = _cause(moved, _parts(rows, version, earlier, then))
        found[f"score_{days}d_ago"] = before
    return pd.DataFrame(found, index=rows.index)


def _scores_of(rows: pd.DataFrame, earlier: Earlier, then: Run | None) -> np.ndarray:
    if then is None:
        return np.full(len(rows), np.nan)
    scores = of_leads(rows["lead_id"], earlier.rows(then, READ), "score")
    return scores.to_numpy(dtype=np.float64, na_value=np.nan)


def _direction(moved: np.ndarray) -> np.ndarray:
    return np.select(
        [np.isnan(moved), moved >= MOVED, moved <= -MOVED],
        np.array([None, "rising", "falling"], dtype=object)[:, None],
        default="steady",
    )


def _parts(
    rows: pd.DataFrame, version: str, earlier: Earlier, then: Run | None
) -> dict[str, np.ndarray]:
    """Points of `model` and `calibration` in each lead's move, (n,) each."""
    parts = {cause: np.zeros(len(rows)) for cause in CAUSES[1:]}
    for before, after in earlier.switches(then, version) if then else ():
        old = earlier.rows(before, READ)
        new = rows[list(READ)] if after is None else earlier.rows(after, READ)
        both = old.merge(new, on="lead_id", suffixes=("_old", ""))
        place = {
            end: 100 * (rankdata(both[f"probability{end}"]) - 0.5) / max(len(both), 1)
            for end in ("_old", "")
        }
        step = (both["score"] - both["score_old"]).to_numpy(dtype=np.float64)
        by_model = place[""] - place["_old"]
        for cause, points in (("model", by_model), ("calibration", step - by_model)):
            moved = of_leads(rows["lead_id"], both.assign(points=points), "points")
            parts[cause] += moved.fillna(0.0).to_numpy(dtype=np.float64)
    return parts


def _cause(moved: np.ndarray, parts: dict[str, np.ndarray]) -> np.ndarray:
    """The cause with most points in the direction of the move; of equal ones the first."""
    rest = moved - sum(parts.values())
    points = np.stack([rest, *(parts[cause] for cause in CAUSES[1:])], axis=1)
    along = np.nan_to_num(points * np.sign(moved)[:, None])
    cause = np.array(CAUSES, dtype=object)[along.argmax(axis=1)]
    cause[~(np.abs(moved) >= MOVED)] = None
    return cause
