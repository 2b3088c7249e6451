"""The nights of buyers: what the flag would have seen of leads that bought, every night before.

Buyers are looked at at each midnight of the project's zone while they were open, as the nightly run
looks at them; a question that is asked at timestamps of the lead looks at those instead. A lead
that had no open night cannot have been flagged and is no part of the count, so it makes nothing
look better than it is.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scoring.build.partition import LeadScope
from scoring.build.run import build_training
from scoring.check.tables import Tables
from scoring.config import ModelToml, SnapshotsSection
from scoring.engine.buyers import buyers
from scoring.flag.calibrate import calibrated, fitting_half, hashed, worst_nights
from scoring.flag.model import Flag
from scoring.project import Project
from scoring.score.facts import with_facts
from scoring.store.publish import scratch

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

# Enough to promise 5 % with 3.8 % found, and few enough that a training hardly gets longer.
MOST_BUYERS = 1_000
# The time by which so many of the older buyers had bought; younger leads are not counted, because
# of those only the quick buyers are known.
BOUGHT_BY_THEN = 0.95


@dataclass(frozen=True)
class Cohort:
    """The buyers of the half that nothing was fitted on, old enough for slow ones to be among them.

    lead_ids   with those that were merged into them
    buyers     how many there are, merged leads taken as one
    until      creation of the youngest lead that counts (naive UTC); None without any buyer
    """

    lead_ids: tuple[str, ...]
    buyers: int
    until: "pd.Timestamp | None"


def calibrate(project: Project, question: str, flag: Flag, as_of: datetime, seed: int) -> Flag:
    """The flag with a threshold that was tested on the nights of buyers; see `calibrated`."""
    settings = project.model(question)
    tables = Tables.open(project)
    directions_known = any(kind["direction"] for kind in tables.manifest["kinds"])
    data_end = min(tables.data_end, as_of)
    with project.connect() as connection:
        known = buyers(connection, tables, settings.question.outcome, data_end)
    cohort = cohort_of(known, data_end, seed)
    features = with_facts(flag.features, tables.manifest["kinds"])
    worst: dict[object, float] = {}
    nights = 0
    if cohort.lead_ids:
        with scratch(project.tmp, "nights") as folder:
            built = build_training(
                project,
                question,
                as_of,
                features=features,
                scope=LeadScope(cohort.lead_ids),
                parent=folder,
                asked=every_night(settings),
            )
            nights = built.rows
            log.info("calibrating the flag on %d nights of %d buyers", nights, cohort.buyers)
            worst = worst_nights(flag, _bought(built.parts), directions_known)
    facts = {"nights": nights, "until": str(cohort.until.date()) if cohort.until else None}
    return calibrated(replace(flag, facts=facts), np.array(list(worst.values())))


def every_night(settings: ModelToml) -> ModelToml:
    """The question as it is asked of buyers: every midnight, until the lead is decided."""
    question = settings.question.model_copy(
        update={"label": "at_decision", "event": (), "gap_days": 0, "censor": ()}
    )
    snapshots = settings.snapshots
    if not snapshots.at:
        snapshots = SnapshotsSection(every_days=1, close_after_days=snapshots.close_after_days)
    return settings.model_copy(update={"question": question, "snapshots": snapshots})


def cohort_of(known: "pd.DataFrame", data_end: datetime, seed: int) -> Cohort:
    """Who of the buyers (as `engine/buyers.py` tells them) is counted."""
    if not len(known):
        return Cohort((), 0, None)
    until = _until(known, data_end)
    tested = known[~fitting_half(known["group_id"], seed) & (known["created_at"] <= until)]
    one = tested.drop_duplicates("root_key").assign(
        place=lambda rows: [hashed(name, f"cohort {seed}") for name in rows["group_id"]]
    )
    chosen = one.sort_values(["place", "lead_id"])["root_key"].head(MOST_BUYERS)
    leads = tested.loc[tested["root_key"].isin(chosen), "lead_id"]
    return Cohort(tuple(sorted(leads)), len(chosen), until)


def _until(known: "pd.DataFrame", data_end: datetime) -> "pd.Timestamp":
    """The newest creation of leads of which BOUGHT_BY_THEN of the buyers are known.

    How long buyers take is seen from the older half of them, who had the longest time to show it.
    """
    import pandas as pd

    one = known.drop_duplicates("root_key")
    old = one[one["created_at"] <= one["created_at"].median()]
    seconds = (old["bought_at"] - old["created_at"]).dt.total_seconds()
    took = pd.Timedelta(seconds=float(seconds.quantile(BOUGHT_BY_THEN)))
    return pd.Timestamp(data_end).tz_convert("UTC").tz_localize(None) - took


def _bought(parts: Iterable[Path]) -> "Iterator[pd.DataFrame]":
    """The nights before buying, a part at a time."""
    import pyarrow.parquet as pq

    for part in parts:
        frame = pq.read_table(part).to_pandas()
        frame = frame[frame["label"] == 1].reset_index(drop=True)
        if len(frame):
            yield frame
