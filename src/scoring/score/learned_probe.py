"""Proof that what is learned from other leads knows no outcome from later.

The outcomes of all leads that were closed at or after a moment are turned round, and everything is
learned again: no training row up to that moment may have another value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scoring.build.columns import Column
from scoring.train.learned import fit

if TYPE_CHECKING:
    import pandas as pd

# Where the moments lie among the training rows.
MOMENTS = (0.3, 0.6, 0.9)


@dataclass(frozen=True)
class LaterOutcome:
    """A value of a learned column that knew an outcome from at or after `moment`; `place` is the
    row's."""

    place: int
    feature: str
    moment: "pd.Timestamp"
    before: float
    after: float


def later_outcomes(
    rows: "pd.DataFrame", columns: Sequence[Column]
) -> tuple[int, list[LaterOutcome]]:
    """How many values were compared, and those that changed.

    rows   training rows as `learned.fit` wants them
    """
    compared, found = 0, []
    _, values = fit(rows, columns)
    for share in MOMENTS:
        moment = rows["as_of"].sort_values().iloc[int(share * (len(rows) - 1))]
        turned = rows["converted"] ^ (rows["closed_at"] >= moment)
        _, again = fit(rows.assign(converted=turned), columns)
        early = np.flatnonzero(rows["as_of"] <= moment)
        for name in values.columns.intersection(again.columns):
            a = values[name].to_numpy()[early]
            b = again[name].to_numpy()[early]
            compared += len(early)
            changed = ~((a == b) | (np.isnan(a) & np.isnan(b)))
            found += [
                LaterOutcome(int(early[at]), name, moment, float(a[at]), float(b[at]))
                for at in np.flatnonzero(changed)
            ]
    return compared, found
