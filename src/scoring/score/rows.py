"""The score table: one row for each scored lead, the same columns and types every night."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from scoring.build.columns import Column
from scoring.score import scale
from scoring.score.attention import advisory_attention, attention
from scoring.score.reasons import reasons
from scoring.score.sentences import Sentences
from scoring.words import translator

UTC_TIME = "datetime64[us, UTC]"
DAY = "datetime64[us]"
# Every column of a score row, in order. Nullable where a lead, or for now the engine, has no value.
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
    "next_step": "str",
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
    "recycle_on": DAY,
    "model_version": "str",
    "scored_at": UTC_TIME,
    "score_updated_on": DAY,
    "why_key": "str",
}


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
) -> pd.DataFrame:
    """Everything that a score row says by itself, typed as DTYPES, in the frame's order.

    `ranked` adds what it says beside others. Rows do not see each other here, so they may be made
    a batch at a time and on many machines.

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
        "grade": scale.grade(points),
        "attention": attention(frame, directions_known),
        "advisory_attention": advisory_attention(frame, points, directions_known),
        "tire_kicker": False,
        "tire_kicker_reasons": "",
        "model_version": model_version,
        "scored_at": pd.Timestamp(as_of).tz_convert("UTC"),
        **{name: why[name] for name in why.columns},
    }
    table = pd.DataFrame({name: values.get(name) for name in DTYPES}, index=frame.index)
    return table.astype(DTYPES)


def ranked(rows: pd.DataFrame, model_version: str, earlier: pd.DataFrame | None) -> pd.DataFrame:
    """All score rows of a run with rank and trend, best rank first.

    earlier   lead_id, score, model_version of the run about a week before, or None
    """
    points = rows["score"].to_numpy(dtype=np.int64)
    compared = {
        "trend": scale.trend(rows["lead_id"], points, model_version, earlier),
        "rank": scale.rank(rows["probability"].to_numpy(), rows["lead_id"].to_numpy()),
    }
    return rows.assign(**compared).astype(DTYPES).sort_values("rank", ignore_index=True)


def _utc(times: pd.Series) -> pd.Series:
    aware = times.dt.tz_localize("UTC") if times.dt.tz is None else times.dt.tz_convert("UTC")
    return aware.dt.as_unit("us")
