"""Since when a lead's outcome may teach something about others.

From when it was closed and the CRM knew of it; but whoever was closed sooner than most leads are
waits until then. Of leads that are as young, the quick ones alone are known, and those are mostly
the lost: a cohort that is still being decided would look as if nobody bought.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

# After so long, counted from the first snapshot, this share of the oldest leads was closed.
MOST_CLOSED = 0.9
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Closed:
    """Since when each row's lead counts, and which rows stand for it. Times are microseconds.

    at, bought   (n,) of the row's own lead: when it was closed, or as old as most are then; NEVER
                 where that was not known
    asked        (n,) the row's as_of; end: the moment that a new lead is asked for
    last         (n,) bool: the newest row of its lead while open, merged leads taken as one
    itself       (n,) bool: the row's own lead counts as closed before it (a duplicate that was made
                 of a closed lead), so it has no value
    """

    at: np.ndarray
    bought: np.ndarray
    asked: np.ndarray
    end: int
    root: np.ndarray
    last: np.ndarray
    itself: np.ndarray

    @staticmethod
    def of(rows: pd.DataFrame) -> Closed:
        end = int(micros(rows["matured_at"]).max())
        at = micros(rows["closed_at"])
        at = np.where(at < end, at, NEVER)
        root = rows["root_key"].to_numpy()
        first = pd.Series(at).groupby(root).transform("min").to_numpy()
        asked = micros(rows["as_of"])
        begun = pd.Series(asked).groupby(root).transform("min").to_numpy()
        bought = rows["converted"].fillna(False).to_numpy(dtype=bool)
        itself = first < asked
        order = rows[["root_key", "as_of", "lead_id"]].reset_index(drop=True)[~itself]
        order = order.sort_values(["root_key", "as_of", "lead_id"])
        last = np.zeros(len(rows), dtype=bool)
        last[order.index[~order["root_key"].duplicated(keep="last")]] = True
        at = np.where(first == NEVER, NEVER, np.maximum(first, begun + _usual_time(first, begun)))
        at = np.where(at < end, at, NEVER)
        return Closed(at, bought, asked, end, root, last, itself)


def _usual_time(closed: np.ndarray, begun: np.ndarray) -> int:
    """How long it took until MOST_CLOSED of the leads were closed, by the older half of the rows.

    Leads that are still open take longest. It follows from when leads were closed, not from how.
    """
    old = begun <= np.median(begun)
    took = np.sort(np.where(closed == NEVER, NEVER, closed - begun)[old])
    known = took[took != NEVER]
    if not len(known):
        return 0
    place = int(np.ceil(MOST_CLOSED * len(took))) - 1
    return int(min(took[place], known[-1]))


def micros(times: pd.Series) -> np.ndarray:
    """Microseconds since 1970; NEVER where missing."""
    found = times.to_numpy().astype("datetime64[us]")
    return np.where(np.isnat(found), NEVER, found.astype(np.int64))
