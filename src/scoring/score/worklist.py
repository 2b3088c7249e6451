"""Which leads each owner works on today: the best ones, and a few drawn by lot.

A model learns only from leads that somebody looked at. Were the list the best ones alone, the
leads below it would soon have no outcome but silence, and the next training would take that for
their nature. So a small share of the places goes to leads that the list would leave out, drawn by a
hash of lead and date: anyone can draw again, and nobody can choose.
"""

from datetime import date
from hashlib import blake2b

import numpy as np
import pandas as pd

from scoring.config import OwnersSection

BEST, EXPLORATION = "best", "exploration"


def work_list(leads: pd.DataFrame, owners: OwnersSection, day: date) -> np.ndarray:
    """`best`, `exploration` or None for each lead, (n,).

    leads   lead_id, owner (missing: nobody's, one pile of its own), rank (1 is best), first (bool:
            before all others), worthy (bool: its step is a seller's), lot (bool: may be drawn)

    Of each owner at most so many leads as the owner has places. The best are the first by (`first`,
    `rank`), and rank has no ties. The places for the lot are the share of the capacity; what is
    left of a place is itself drawn, by owner and date. Without enough leads to draw, the best have
    those places.
    """
    chosen = np.full(len(leads), None, dtype=object)
    if owners.capacity is None and not owners.capacities:
        return chosen
    code, names = pd.factorize(leads["owner"].fillna("").to_numpy(dtype=object), sort=True)
    lead_id = leads["lead_id"].to_numpy(dtype=object)
    order = np.lexsort((leads["rank"].to_numpy(dtype=np.int64), ~leads["first"].to_numpy(), code))
    starts = np.searchsorted(code[order], np.arange(len(names) + 1))
    worthy, lot = leads["worthy"].to_numpy(), leads["lot"].to_numpy()
    for name, start, end in zip(names, starts[:-1], starts[1:], strict=True):
        places = owners.capacities.get(name, owners.capacity or 0)
        wanted = _drawn_places(owners.exploration * places, name, day)
        own = order[start:end]
        best = own[worthy[own]]
        # Whoever is among the best anyway need not be drawn.
        rest = np.setdiff1d(own[lot[own]], best[: places - wanted])
        drawn = sorted(rest, key=lambda place: _hash(f"{day}/{lead_id[place]}"))[:wanted]
        taken = best[~np.isin(best, drawn)][: places - len(drawn)]
        chosen[drawn], chosen[taken] = EXPLORATION, BEST
    return chosen


def _drawn_places(share: float, owner: str, day: date) -> int:
    """`share` places, rounded up or down so that the mean over the days is right."""
    whole = int(share)
    return whole + (_hash(f"{day}/owner/{owner}") < share - whole)


def _hash(text: str) -> float:
    """A number in [0, 1) that depends on the text alone."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") / 2**64
