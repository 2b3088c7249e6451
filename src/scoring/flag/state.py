"""Tonight's flags: what rows say by themselves, the night before, and what sellers said.

A flag opens only where a row's evidence and risk open one, so whether a lead was ever flagged does
not depend on how long a flag then stands. Once open it stands while the risk stays near the
threshold and any sign is left: it does not come and go with every mail.
"""

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from scoring.flag.calibrate import hashed

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd

    from scoring.flag.model import Flag

# Grades with which a lead is never flagged: a flag and a high score would contradict each other.
NEVER_FLAGGED = ("A", "B")
FLAGGED = ("attention", "tire_kicker", "tire_kicker_reasons", "why", "flag_since", "flag_withheld")


def tonight(
    rows: "pd.DataFrame",
    previous: "pd.DataFrame | None",
    spared: "Collection[str]",
    *,
    flag: "Flag | None",
    model_version: str,
    as_of: datetime,
    zone: ZoneInfo,
) -> "pd.DataFrame":
    """FLAGGED of every row, with the index of `rows`.

    rows       lead_id, grade as it is shown, attention and why of the row alone, `flag_rows`
               (`Judged.rows` and the texts of `score/reasons.py`)
    previous   the rows of the run before (lead_id, model_version, scored_at, flag_since,
               flag_withheld), or None; those of another model say nothing: a flag begins anew
    spared     lead_ids of which a seller said `not_a_tire_kicker`, and it still counts
    as_of      the logical time of the run, aware; zone: the project's

    A flag opens in a lead's first run of a local day only: it was tested on one look a night.
    flag_since is the as_of of the run that opened it, also of a flag that is withheld; missing
    where none stands. `attention` is none where nothing is to be noted, and not_assessed while
    there is no valid threshold.
    """
    import pandas as pd

    nothing = pd.Series(pd.NaT, index=rows.index, dtype="datetime64[us, UTC]")
    if flag is None or flag.threshold is None:
        return pd.DataFrame(
            {
                "attention": rows["attention"],
                "tire_kicker": False,
                "tire_kicker_reasons": "",
                "why": rows["why"],
                "flag_since": nothing,
                "flag_withheld": False,
            }
        )
    before = _before(previous, model_version)
    since, looked = nothing, np.zeros(len(rows), dtype=bool)
    if before is not None:
        since = rows["lead_id"].map(before["flag_since"])
        day = _local_day(before["scored_at"].iloc[0], zone)
        if day == _local_day(pd.Timestamp(as_of), zone):
            looked = rows["lead_id"].isin(before.index).to_numpy()
    may = ~rows["grade"].isin(NEVER_FLAGGED) & ~rows["lead_id"].isin(list(spared))
    begins = may & rows["_flag_opens"] & ~looked
    stands = may & rows["_flag_stays"] & since.notna()
    on = stands | begins
    withheld = _withheld(rows["lead_id"], on, flag.settings.withheld_share)
    shown = on & ~withheld
    said = rows["attention"].isin(("waiting_for_us", "not_worked"))
    return pd.DataFrame(
        {
            "attention": rows["attention"].where(said, "none").mask(shown, rows["_flag_kind"]),
            "tire_kicker": shown,
            "tire_kicker_reasons": rows["_flag_reasons"].where(shown, ""),
            "why": rows["why"].mask(shown, rows["_flag_why"]),
            "flag_since": since.where(stands, pd.Timestamp(as_of).tz_convert("UTC"))
            .where(on)
            .astype("datetime64[us, UTC]"),
            "flag_withheld": on & withheld,
        }
    )


def _before(previous: "pd.DataFrame | None", model_version: str) -> "pd.DataFrame | None":
    """The run before by lead_id, if this model made it and knew of flags."""
    if previous is None or not len(previous) or "flag_since" not in previous:
        return None
    if (previous["model_version"] != model_version).any():
        return None
    return previous.set_index("lead_id")


def _local_day(moment: "pd.Timestamp", zone: ZoneInfo) -> "pd.Timestamp":
    return moment.tz_convert(zone).normalize()


def _withheld(lead_id: "pd.Series", on: "pd.Series", share: float) -> "pd.Series":
    """Whether a lead belongs to those whose flags are never shown: by its ID alone, so every night
    and for every model the same, and nobody is drawn again."""
    chosen = np.zeros(len(lead_id), dtype=bool)
    for place in np.flatnonzero(on):
        chosen[place] = hashed(lead_id.iloc[place], "withheld") < share
    return on & chosen
