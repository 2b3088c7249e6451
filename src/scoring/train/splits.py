"""Splits by time: a model is tested on rows that are later than everything it learned from.

A training row is in only if its label was known (`matured_at`) when testing began: the label's
window is purged, so no training label looks into the test period.

Labels that mature whenever a lead is decided (`at_decision`) are known early for those who give up
early: of a cohort that is still open, the decided rows alone would teach that nobody converts. So
the rows from the time on at which too many were undecided are left out: at every origin
(`rolling_origins`), and at the data's end (`settled`).
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from scipy.optimize import isotonic_regression

from scoring.errors import NoUsableModel

log = logging.getLogger(__name__)

# So many more of a cohort than of the oldest ones may be undecided.
UNDECIDED_AT_MOST = 0.05
# Leads that nobody ever closes must not hold up the rest: what the oldest fifth of the rows shows
# undecided counts as never decided, up to this share. Above it the oldest are not decided yet.
OLDEST_SHARE = 0.2
NEVER_DECIDED_AT_MOST = 0.2


@dataclass(frozen=True)
class Split:
    """Positions of training and test rows; `start` and `end` bound the tested as_of."""

    train: np.ndarray
    test: np.ndarray
    start: pd.Timestamp
    end: pd.Timestamp


def conversions(rows: pd.DataFrame) -> int:
    """Distinct leads that converted; leads merged into one count once."""
    return int(rows.loc[rows["label"] == 1, "root_key"].nunique())


def rolling_origins(rows: pd.DataFrame, test_from: pd.Timestamp, origins: int) -> list[Split]:
    """Cut the rows with as_of >= `test_from` into consecutive blocks, refitted before each.

    Blocks hold about equally many rows; rows of one as_of stay together, so there may be fewer
    blocks than asked for. A block whose training rows hold a single class is left out.
    """
    as_of = rows["as_of"].to_numpy()
    tested = np.sort(as_of[as_of >= test_from.to_datetime64()])
    if not len(tested):
        return []
    moments, counts = np.unique(tested, return_counts=True)
    before = np.cumsum(counts) - counts
    cuts = [np.argmin(np.abs(before - len(tested) * k / origins)) for k in range(origins)]
    starts = [moments[cut] for cut in sorted(set(cuts))]
    ends = [*starts[1:], tested[-1] + np.timedelta64(1, "us")]
    matured = rows["matured_at"].to_numpy()
    label = rows["label"].to_numpy()
    splits = []
    for start, end in zip(starts, ends, strict=True):
        # A decision at `start` itself matures then: its row may be a tested one.
        before = as_of < start
        known = before & (matured <= start)
        moments, place = np.unique(as_of[before], return_inverse=True)
        until = settled_until(
            np.bincount(place, minlength=len(moments)),
            np.bincount(place, weights=matured[before] > start, minlength=len(moments)),
        )
        train = np.flatnonzero(known & np.isin(as_of, moments[:until]))
        test = np.flatnonzero((as_of >= start) & (as_of < end))
        if len(np.unique(label[train])) == 2 and len(test):
            splits.append(Split(train, test, pd.Timestamp(start), pd.Timestamp(end)))
    return splits


def training_rows(rows: pd.DataFrame, split: Split) -> pd.DataFrame:
    """The rows to learn from, with their labels as they were known when testing began.

    An outcome that was recorded only afterwards was a no until then.
    """
    train = rows.iloc[split.train]
    late = (train["label_known_at"] > split.start).to_numpy()
    return train.assign(label=train["label"].mask(late, 0)) if late.any() else train


def settled_until(rows: np.ndarray, undecided: np.ndarray) -> int:
    """How many of the moments, from the oldest on, hold few undecided rows; 0 if none does.

    `rows` (m,) and `undecided` (m,) count, for each distinct as_of in ascending order, the rows and
    those of them whose outcome is not known yet. The undecided share is smoothed by isotonic
    regression (pool adjacent violators, Ayer et al. 1955): the younger, the more are undecided,
    which needs no width of a window. With a fixed horizon it jumps from 0 to 1 where the horizon
    ends, and nothing is lost.
    """
    if not len(rows):
        return 0
    share = isotonic_regression(undecided / rows, weights=rows, increasing=True).x
    oldest = np.cumsum(rows) - rows < OLDEST_SHARE * rows.sum()
    never = min(undecided[oldest].sum() / rows[oldest].sum(), NEVER_DECIDED_AT_MOST)
    # The sums behind a share are not exact: 1 of 20 must be 5 %.
    return int(np.searchsorted(share, never + UNDECIDED_AT_MOST + 1e-9, side="right"))


def settled(rows: pd.DataFrame, settling: Mapping[str, Sequence[int]]) -> pd.DataFrame:
    """The rows of the days up to which nearly every lead was decided by the data's end.

    `settling`: as `Built` tells it, date of as_of (UTC) → labelled and undecided snapshots. Empty
    for a fixed horizon: then every row stays.
    """
    if not settling:
        return rows
    days = sorted(settling)
    labelled, undecided = np.array([settling[day] for day in days], dtype=np.float64).T
    until = settled_until(labelled + undecided, undecided)
    if until == len(days):
        return rows
    kept = rows[rows["as_of"] < pd.Timestamp(days[until])].reset_index(drop=True)
    log.info(
        "%d of %d labelled rows left out: too many leads of %s and later are not decided yet",
        len(rows) - len(kept),
        len(rows),
        days[until],
    )
    return kept


def newest_share(rows: pd.DataFrame, share: float) -> pd.Timestamp:
    """The as_of from which on about `share` of the rows lie.

    Where many rows share a moment (a course's start), the moment that comes nearest; never the
    first, because then nothing would lie before it.
    """
    moments, counts = np.unique(rows["as_of"].to_numpy(), return_counts=True)
    newer = np.cumsum(counts[::-1])[::-1] / len(rows)
    first = min(1, len(moments) - 1)
    return pd.Timestamp(moments[first:][np.argmin(np.abs(newer[first:] - share))])


def validation_split(rows: pd.DataFrame, *, min_conversions: int, min_validation: int) -> Split:
    """One split for `train`: the newest rows test, as few as carry the measures.

    The newest quarter of the rows is tried first, then more, until the test rows hold
    `min_validation` conversions; the training rows must hold `min_conversions` of them.
    Raises NoUsableModel, saying what was found and what is needed.
    """
    found = conversions(rows)
    best = (0, 0)
    for share in (0.25, 0.33, 0.4, 0.5, 0.6):
        splits = rolling_origins(rows, newest_share(rows, share), 1)
        if not splits:
            continue
        split = splits[0]
        have = conversions(rows.iloc[split.train]), conversions(rows.iloc[split.test])
        best = max(best, have)
        if have[0] >= min_conversions and have[1] >= min_validation:
            return split
    raise NoUsableModel(
        f"Not enough conversions to train on: found {found} converted leads with a known label; "
        f"a time split left at most {best[0]} to learn from and {best[1]} to test on, and it needs "
        f"{min_conversions} and {min_validation}.",
        "Wait for more closed leads, load more history, or choose a shorter horizon; "
        "the present champion goes on scoring.",
    )


def as_naive(moment: datetime) -> pd.Timestamp:
    """An aware moment as the naive UTC timestamp that rows carry."""
    return pd.Timestamp(moment).tz_convert("UTC").tz_localize(None)
