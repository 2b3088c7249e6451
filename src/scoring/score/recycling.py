"""Leads that refused for now: they are left in peace until their date, and come back when they act.

A refusal is a `recycled` outcome, or our own proposal: a lead that got the step `recycle` on an
earlier run. Its date is so many days later (`recycle_after_days`). The lead stays scored all the
time. It has come back

    acted   when it did something of its own since (more than opening what we sent)
    date    when its date has come

until somebody of ours turns to it, or, after its date, for RETURN_DAYS.
"""

from collections.abc import Collection
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from scoring.score.earlier import of_leads

# How long a lead whose date has come waits at the top for somebody to try.
RETURN_DAYS = 30
DAY = pd.Timedelta(days=1)
NONE = np.datetime64("NaT", "us")
# Two events of the same microsecond, through days as floats.
SAME = 1e-9


def recycling(
    rows: pd.DataFrame,
    refusals: pd.DataFrame,
    previous: pd.DataFrame | None,
    spared: Collection[str],
    *,
    today: date,
    zone: ZoneInfo,
    after_days: int,
) -> pd.DataFrame:
    """`recycle_on` (datetime64[us], the day), `resting` (bool), `proposed` (bool: it rests because
    we proposed it) and `came_back` (acted, date or None) of each row, indexed like `rows`.

    rows       lead_id, as_of (aware), `_last_act`, `_last_outbound`, `_last_meeting` (days before
               as_of, NaN: never)
    refusals   lead_id, refused_at, known_at (naive UTC); those not known before as_of count for
               nothing, and of several the last one counts
    previous   lead_id and recycle_on of the run before, or None: what we proposed
    spared     lead_ids of which a seller said that they mean to buy: our proposal is dropped
    """
    refused_at = _refused_at(rows, refusals)
    local = refused_at.dt.tz_convert(zone).dt.tz_localize(None).dt.normalize()
    by_refusal = local + after_days * DAY
    proposed = pd.Series(NONE, index=rows.index)
    if previous is not None and "recycle_on" in previous:
        proposed = of_leads(rows["lead_id"], previous, "recycle_on")
        proposed = proposed.astype("datetime64[us]").mask(rows["lead_id"].isin(list(spared)))
    ours = proposed.notna() & ~(proposed <= by_refusal)
    due = by_refusal.astype("datetime64[us]").mask(ours, proposed)
    start = refused_at.mask(ours, _midnight(proposed - after_days * DAY, zone))

    acted_ago, since_start = _days(rows, "_last_act"), _ago(rows, start)
    turned_ago = np.fmin(_days(rows, "_last_outbound"), _days(rows, "_last_meeting"))
    refused = due.notna().to_numpy()
    acted = refused & (acted_ago < since_start - SAME)
    now = pd.Timestamp(today)
    come = refused & ~acted & (due <= now).to_numpy()
    turned_since = turned_ago <= _ago(rows, _midnight(due, zone))
    waits = (due > now - RETURN_DAYS * DAY).to_numpy() & ~turned_since
    came_back = np.full(len(rows), None, dtype=object)
    came_back[acted & ~(turned_ago <= acted_ago)] = "acted"
    came_back[come & waits] = "date"
    resting = refused & ~acted & ~come
    shown = resting | (came_back == "date")
    found = {
        "recycle_on": due.where(shown),
        "resting": resting,
        "proposed": resting & ours.to_numpy(),
        "came_back": came_back,
    }
    return pd.DataFrame(found, index=rows.index).astype({"recycle_on": "datetime64[us]"})


def proposed_on(today: date, after_days: int) -> pd.Timestamp:
    """The date that a lead gets with the step `recycle` when it has none."""
    return pd.Timestamp(today + timedelta(days=after_days))


def _refused_at(rows: pd.DataFrame, refusals: pd.DataFrame) -> pd.Series:
    """The moment of each row's last refusal that was known before its as_of, aware."""
    asked = rows[["lead_id", "as_of"]].assign(place=np.arange(len(rows)))
    both = asked.merge(refusals, on="lead_id")
    known = both["known_at"].dt.tz_localize("UTC") < both["as_of"]
    last = both[known].groupby("place")["refused_at"].max().reindex(np.arange(len(rows)))
    return last.set_axis(rows.index).astype("datetime64[us]").dt.tz_localize("UTC")


def _midnight(days: pd.Series, zone: ZoneInfo) -> pd.Series:
    """The local midnights that begin the days, aware, UTC."""
    summer = np.ones(len(days), dtype=bool)  # of an hour that comes twice, the first
    local = days.dt.tz_localize(zone, ambiguous=summer, nonexistent="shift_forward")
    return local.dt.tz_convert("UTC").dt.as_unit("us")


def _ago(rows: pd.DataFrame, moments: pd.Series) -> np.ndarray:
    """Days from the moments to as_of, (n,) float; NaN where there is none."""
    since = (rows["as_of"] - moments).dt.total_seconds() / DAY.total_seconds()
    return since.to_numpy(dtype=np.float64, na_value=np.nan)


def _days(rows: pd.DataFrame, name: str) -> np.ndarray:
    return rows[name].to_numpy(dtype=np.float64, na_value=np.nan)
