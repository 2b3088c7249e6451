"""What a seller should notice about a lead besides its score.

Only two answers are given here: the customer waits for us, or nobody has tried. Neither is ever a
tire-kicker. What counts against a lead is the flag's (`flag/state.py`), which turns `not_assessed`
into a kind or none once the whole run is known.
"""

import numpy as np
import pandas as pd

# What the rules read, one row for each scored lead. Days before as_of, NaN where there is none.
#   _last_inbound    newest interaction in which the customer spoke to us
#   _last_outbound   newest interaction in which we turned to the customer
#   _inbound_90d, _outbound_90d   how many in [as_of - 90 days, as_of)
#   _n_interactions  how many of any direction, or of none
#   _last_meeting    newest meeting that took place, whatever its direction. Where the column is
#                    absent, every interaction without a direction may have been a meeting.
FACTS = ("_last_inbound", "_last_outbound", "_inbound_90d", "_outbound_90d", "_n_interactions")
MEETING = "_last_meeting"
# A day to answer in, before it counts as waiting.
WAITING_DAYS = 1.0
LOWEST_THIRD = 100 / 3
TRIED_OFTEN = 3


def attention(facts: pd.DataFrame, directions_known: bool) -> np.ndarray:
    """waiting_for_us, not_worked or not_assessed; (n,) of str.

    facts              holds FACTS, and MEETING where meetings are known
    directions_known   the history tells who turned to whom; without it nothing is assessed

    waiting_for_us: the customer wrote or called a day ago or earlier, and neither an answer nor a
    meeting came after it (at the same moment counts as answered). not_worked: the lead neither
    heard from us, nor met us, nor is it the customer's turn to be answered within the day.
    """
    if not directions_known:
        return np.full(len(facts), "not_assessed", dtype=object)
    spoke, tried = _column(facts, "_last_inbound"), _column(facts, "_last_outbound")
    met = _column(facts, MEETING) if MEETING in facts else np.full(len(facts), np.nan)
    perhaps_met = ~np.isnan(met) if MEETING in facts else _column(facts, "_n_interactions") > 0
    answered = np.fmin(tried, met) <= spoke
    waiting = (spoke >= WAITING_DAYS) & ~answered
    untouched = np.isnan(spoke) & np.isnan(tried) & ~perhaps_met
    return _keys([waiting, untouched], ["waiting_for_us", "not_worked"], "not_assessed")


def advisory_attention(
    facts: pd.DataFrame, scores: np.ndarray, directions_known: bool
) -> np.ndarray:
    """low_engagement or none; (n,) of str. A rule of thumb for `out/scores`, never for the CRM.

    low_engagement: a score in the lowest third, at least three attempts of ours in 90 days, and
    nothing from the customer in that time.
    """
    silent = (
        (scores < LOWEST_THIRD)
        & (_column(facts, "_outbound_90d") >= TRIED_OFTEN)
        & (_column(facts, "_inbound_90d") == 0)
    )
    return _keys([silent & directions_known], ["low_engagement"], "none")


def _column(facts: pd.DataFrame, name: str) -> np.ndarray:
    return facts[name].to_numpy(dtype=np.float64, na_value=np.nan)


def _keys(conditions: list[np.ndarray], keys: list[str], otherwise: str) -> np.ndarray:
    """The key of the first condition that holds."""
    return np.select(conditions, np.array(keys, dtype=object)[:, None], default=otherwise)
