"""The score table: one row for each scored lead, the same columns and types every night."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from scoring.build.columns import Column
from scoring.score import scale
from scoring.score.attention import advisory_attention, attention
from scoring.score.flagged import flag_texts
from scoring.score.named import OWNER
from scoring.score.reasons import reasons
from scoring.score.sentences import Sentences
from scoring.words import translator

if TYPE_CHECKING:
    from scoring.flag.model import Flag, Judged

UTC_TIME = "datetime64[us, UTC]"
DAY = "datetime64[us]"
# Every column of a published score row, in order. Nullable where a lead may have no value.
DTYPES: dict[str, str] = {
    "lead_id": "str",
    "as_of": UTC_TIME,
    "horizon_days": "Int64",
    "score": "Int64",
    "probability": "float64",
    "probability_low": "Float64",
    "probability_high": "Float64",
    "grade": "str",
    "temperature": "str",
    "trend": "str",
    "trend_cause": "str",
    "trend_28d": "str",
    "trend_28d_cause": "str",
    "score_7d_ago": "Int64",
    "score_28d_ago": "Int64",
    "next_step": "str",
    "next_step_because": "str",
    "next_step_text": "str",
    "ask_about": "str",
    "attention": "str",
    "advisory_attention": "str",
    "tire_kicker": "bool",
    "tire_kicker_reasons": "str",
    "why": "str",
    "reasons_up": "str",
    "reasons_down": "str",
    "main_reason": "str",
    "rank": "Int64",
    "work_on": DAY,
    "work_because": "str",
    "recycle_on": DAY,
    "model_version": "str",
    "scored_at": UTC_TIME,
    "score_updated_on": DAY,
    "why_key": "str",
    "flag_risk": "float64",
    "flag_since": UTC_TIME,
    "flag_withheld": "bool",
}
# What the whole run adds to rows that were made one by one (`night.py`).
BY_NIGHT = frozenset(
    {"grade", "temperature", "trend", "trend_cause", "trend_28d", "trend_28d_cause"}
    | {"score_7d_ago", "score_28d_ago", "next_step", "next_step_because", "next_step_text"}
    | {"ask_about", "rank"}
    | {"tire_kicker", "tire_kicker_reasons", "work_on", "work_because", "recycle_on"}
    | {"flag_risk", "flag_since", "flag_withheld"}
)
# Facts of a row that the whole run reads and does not publish.
FACTS: dict[str, str] = {
    "_last_inbound": "float64",
    "_last_outbound": "float64",
    "_last_meeting": "float64",
    "_last_act": "float64",
    "_inbound_90d": "float64",
    "_outbound_90d": "float64",
    "_n_interactions": "float64",
    "_age": "float64",
    "_stage": "str",
    "_in_stage": "float64",
    "_ask_about": "str",
    "_ask_effect": "float64",
    OWNER: "str",
}
FLAG: dict[str, str] = {
    "_flag_risk": "float64",
    "_flag_opens": "bool",
    "_flag_stays": "bool",
    "_flag_kind": "str",
    "_flag_reasons": "str",
    "_flag_why": "str",
}
NAMED = "_is_"


def row_dtypes(named: Mapping[str, str]) -> dict[str, str]:
    """Columns and types of rows that the whole run finishes; `named`: features that conditions
    name → type, carried along as `_is_<name>`."""
    own = {name: kind for name, kind in DTYPES.items() if name not in BY_NIGHT}
    return own | FACTS | FLAG | {NAMED + name: kind for name, kind in named.items()}


def score_rows(
    frame: pd.DataFrame,
    contributions: pd.DataFrame,
    probability: np.ndarray,
    reference: np.ndarray,
    *,
    columns: Sequence[Column],
    directions_known: bool,
    language: str,
    zone: ZoneInfo,
    as_of: datetime,
    horizon_days: int | None,
    model_version: str,
    bounds: tuple[np.ndarray, np.ndarray] | None = None,
    locale_dir: Path | None = None,
    flag: "Flag | None" = None,
    judged: "Judged | None" = None,
    named: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Everything that a score row says by itself, typed as `row_dtypes(named)`, in the frame's
    order.

    `night.finish` adds what it says beside others and beside earlier runs. Rows do not see each
    other here, so they may be made a batch at a time and on many machines. `score` is tonight's
    percentile.

    frame              lead_id, as_of (UTC, naive or aware), `attention.FACTS`, and the features of
                       `columns` by name; missing: NaN or None
    contributions      the same rows in the same order, by feature name; additive log-odds
    probability        (n,) calibrated, in [0, 1]
    reference          the champion's reference probabilities, which the score is a percentile of
    columns            with their sentences; those that the model does not use are never a reason
    directions_known   the history tells who turned to whom
    zone               the project's; dates in `why` are its local days
    as_of              the logical time of the run, aware: `scored_at`. A lead's own as_of is
                       earlier where it is scored at a timestamp of its own
    horizon_days       of the question; None where a label is the final decision
    bounds             lower and upper bound of each probability (n,), NaN where there is not enough
                       data to say; None: nowhere
    locale_dir         the project's own message catalogues
    flag, judged       the champion's flag, and what it says of these rows; None: it has none
    named              features of the frame to carry along, by name, with their types

    `score_updated_on` is left to `emit`. Raises NoUsableModel without a reference and ScoringError
    for values that are no probability.
    """
    if not len(frame) == len(contributions) == len(probability):
        raise ValueError("`frame`, `contributions` and `probability` must have the same rows.")
    seen_until = _utc(frame["as_of"])
    used = [c for c in columns if c.name in contributions]
    sentences = Sentences(columns, language, zone, translator(language, locale_dir))
    why = reasons(frame.assign(as_of=seen_until), contributions, used, sentences)
    points = scale.score(probability, reference)
    values = {
        "lead_id": frame["lead_id"],
        "as_of": seen_until,
        "horizon_days": horizon_days,
        "score": points,
        "probability": probability,
        "probability_low": bounds[0] if bounds else None,
        "probability_high": bounds[1] if bounds else None,
        "attention": attention(frame, directions_known),
        "advisory_attention": advisory_attention(frame, points, directions_known),
        "model_version": model_version,
        "scored_at": pd.Timestamp(as_of).tz_convert("UTC"),
        **{name: why[name] for name in why.columns},
        **{name: frame[name] for name in FACTS if name in frame},
        **{NAMED + name: frame[name] for name in named or {}},
        "_flag_opens": False,
        "_flag_stays": False,
    }
    if flag is not None and judged is not None:
        texts = flag_texts(
            judged,
            flag,
            why["why"],
            as_of=seen_until,
            language=language,
            zone=zone,
            locale_dir=locale_dir,
        )
        values |= {name: judged.rows[name] for name in FLAG if name in judged.rows}
        values |= {name: texts[name] for name in texts.columns}
    dtypes = row_dtypes(named or {})
    table = pd.DataFrame({name: values.get(name) for name in dtypes}, index=frame.index)
    return table.astype(dtypes)


def _utc(times: pd.Series) -> pd.Series:
    aware = times.dt.tz_localize("UTC") if times.dt.tz is None else times.dt.tz_convert("UTC")
    return aware.dt.as_unit("us")
