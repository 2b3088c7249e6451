"""The end of a score run: what a row says beside the other rows, and beside the runs before.

Everything that depends on more than one row or one night is here, and in this order: the published
score and its cuts, the rank, the trend, the flag, who rests and who came back, the next step, and
the day's work. It depends on nothing but the rows and the runs before the logical date, so a date
that is scored again comes out the same.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from scoring.clock import local_day
from scoring.config import OwnersSection
from scoring.flag.state import tonight
from scoring.score import scale
from scoring.score.advice import Speech, spoken
from scoring.score.earlier import Earlier, of_leads
from scoring.score.named import OWNER
from scoring.score.next_step import WORK, Steps
from scoring.score.recycling import proposed_on, recycling
from scoring.score.rows import DTYPES, NAMED
from scoring.score.trend import trends
from scoring.score.worklist import work_list

if TYPE_CHECKING:
    from scoring.flag.model import Flag

# What is read of the run before.
BEFORE = ("lead_id", "model_version", "scored_at", "score", "next_step", "recycle_on",
          "flag_since", "flag_withheld")  # fmt: skip
# Steps of leads that may be drawn by lot: nobody would look at them, and somebody could.
LOT = frozenset(WORK) - {"verify_contact"} | {"nurture"}
FACT_OF = {
    "lead_age_days": "_age",
    "days_since_inbound": "_last_inbound",
    "days_since_outbound": "_last_outbound",
    "days_since_meeting": "_last_meeting",
    "days_since_act": "_last_act",
    "inbound_90d": "_inbound_90d",
    "outbound_90d": "_outbound_90d",
    "touches": "_n_interactions",
    "stage": "_stage",
    "days_in_stage": "_in_stage",
    "ask_about": "_ask_about",
    "ask_effect": "_ask_effect",
}
TOLD = ("score", "probability", "grade", "temperature", "trend", "trend_cause", "trend_28d",
        "trend_28d_cause", "attention", "came_back")  # fmt: skip


@dataclass(frozen=True)
class Night:
    """What a run knows beside its rows.

    as_of      logical time, aware; zone: the project's
    version    of the model that made the rows, with its cuts and its flag
    earlier    the runs before as_of
    steps      the table of next steps; None: none is advised
    stages     the pipeline's stages, first to last
    refusals   lead_id, refused_at, known_at (naive UTC) of every `recycled` outcome
    spared     lead_ids of which a seller said, and it still counts, that they mean to buy
    speech     the language of the sentences
    """

    as_of: datetime
    zone: ZoneInfo
    version: str
    cuts: scale.Cuts = field(default_factory=scale.Cuts)
    flag: "Flag | None" = None
    earlier: Earlier = field(default_factory=Earlier)
    steps: Steps | None = None
    stages: tuple[str, ...] = ()
    owners: OwnersSection = field(default_factory=OwnersSection)
    refusals: "pd.DataFrame | None" = None
    spared: Collection[str] = ()
    speech: Speech = field(default_factory=Speech)


def finish(rows: pd.DataFrame, night: Night) -> pd.DataFrame:
    """The rows as they are published, typed as DTYPES, best rank first.

    rows   as `score_rows` makes them, with an index of their own
    """
    rows = rows.reset_index(drop=True)
    last = night.earlier.last
    previous = night.earlier.rows(last, BEFORE) if last else None
    rows = _on_one_scale(rows, night, previous)
    rows = rows.assign(**trends(rows, night.version, night.as_of, night.earlier))
    told = tonight(
        rows,
        previous,
        night.spared,
        flag=night.flag,
        model_version=night.version,
        as_of=night.as_of,
        zone=night.zone,
    )
    rows = rows.assign(**told, flag_risk=rows["_flag_risk"])
    rows = rows.assign(next_step=None, next_step_because=None, next_step_text=None, ask_about=None)
    rows = rows.assign(recycle_on=None, work_on=None, work_because=None)
    if night.steps is not None:
        rows = _advised(rows, night, night.steps, previous)
    published = pd.DataFrame({name: rows.get(name) for name in DTYPES})
    return published.astype(DTYPES).sort_values("rank", ignore_index=True)


def _on_one_scale(rows: pd.DataFrame, night: Night, previous: pd.DataFrame | None) -> pd.DataFrame:
    """The published score, its grade and temperature, and the rank."""
    before = np.full(len(rows), np.nan)
    if previous is not None and "score" in previous:
        same = previous[previous["model_version"] == night.version]
        published = of_leads(rows["lead_id"], same, "score")
        before = published.to_numpy(dtype=np.float64, na_value=np.nan)
    scores = scale.settled(rows["score"].to_numpy(dtype=np.int64), before)
    probability, lead_id = rows["probability"].to_numpy(), rows["lead_id"].to_numpy()
    return rows.assign(
        score=scores,
        grade=night.cuts.grade(scores),
        temperature=night.cuts.warmth(scores),
        rank=scale.rank(scores, probability, lead_id),
    )


def _advised(
    rows: pd.DataFrame, night: Night, steps: Steps, previous: pd.DataFrame | None
) -> pd.DataFrame:
    """`next_step` with its condition, `ask_about`, `recycle_on`, `work_on` and `work_because`."""
    today = local_day(night.as_of, night.zone)
    after = steps.settings.recycle_after_days
    refusals = night.refusals
    if refusals is None:
        refusals = pd.DataFrame(columns=["lead_id", "refused_at", "known_at"]).astype(
            {"lead_id": "str", "refused_at": "datetime64[us]", "known_at": "datetime64[us]"}
        )
    resting = recycling(
        rows, refusals, previous, night.spared, today=today, zone=night.zone, after_days=after
    )
    rows = rows.assign(**resting)
    had = pd.Series(None, index=rows.index, dtype=object)
    if previous is not None and "next_step" in previous:
        had = of_leads(rows["lead_id"], previous, "next_step")
    values = _values(rows, night, steps)
    chosen = steps.choose(values, had)
    because = work_list(
        pd.DataFrame(
            {
                "lead_id": rows["lead_id"],
                "owner": rows[OWNER],
                "rank": rows["rank"],
                "first": chosen["first"],
                "worthy": chosen["next_step"].isin(WORK),
                "lot": chosen["next_step"].isin(LOT) & ~rows["tire_kicker"],
            }
        ),
        night.owners,
        today,
    )
    # Whoever is drawn is to be worked on: the table says what that means.
    values = {**values, "exploring": pd.Series(because == "exploration", index=rows.index) * 1.0}
    chosen = steps.choose(values, had)
    rows = rows.assign(**chosen)
    fresh = (rows["next_step"] == "recycle") & ~rows["resting"]
    asks = rows["next_step"] == "ask_question"
    rows = rows.assign(
        recycle_on=rows["recycle_on"].mask(fresh, proposed_on(today, after)),
        proposed=rows["proposed"] | fresh,
        ask_about=rows["_ask_about"].where(asks),
        work_on=pd.Series(pd.Timestamp(today), index=rows.index).where(pd.notna(because)),
        work_because=because,
    )
    return rows.assign(next_step_text=spoken(rows, night.speech))


def _values(rows: pd.DataFrame, night: Night, steps: Steps) -> Mapping[str, pd.Series]:
    """What conditions may speak of, by name: numbers, flags as 0 and 1, texts."""
    values = {name: rows[name] for name in TOLD}
    values |= {name: rows[fact] for name, fact in FACT_OF.items()}
    values |= {name: rows[name].astype("float64") for name in ("tire_kicker", "resting")}
    values["exploring"] = pd.Series(0.0, index=rows.index)
    left = {stage: float(n) for n, stage in enumerate(reversed(night.stages))}
    values["stages_left"] = rows["_stage"].map(left).astype("float64")
    for name in steps.names - values.keys():
        values[name] = rows.get(NAMED + name, pd.Series(np.nan, index=rows.index))
    return values
