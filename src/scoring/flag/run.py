"""The flag of a training: fitted on half of the leads, tested on buyers of the other half."""

import logging
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from scoring.build.featureset import FeatureSet
from scoring.flag.calibrate import fit, fitting_half
from scoring.flag.model import Flag
from scoring.flag.nights import calibrate
from scoring.flag.state import NEVER_FLAGGED
from scoring.project import Project

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

# Fewer buyers in the fitting half teach no risk.
FEWEST_BUYERS = 10


def train_flag(
    project: Project,
    question: str,
    rows: "pd.DataFrame",
    features: FeatureSet,
    as_of: datetime,
    seed: int,
) -> Flag | None:
    """The flag of a question's champion to be; None where this question has none (it is another
    one's, it is off, nothing warns of anything, or the fitting half has too few buyers).

    rows   labelled training rows, as `build` makes them; seed: of the model, and of the halves
    """
    settings = project.flag
    if settings.mode == "off" or settings.question != question:
        return None
    fitting = rows[fitting_half(rows["group_id"], seed)].reset_index(drop=True)
    leads = [fitting.loc[fitting["label"] == label, "root_key"].nunique() for label in (1, 0)]
    if min(leads) < FEWEST_BUYERS or not any(c.sign is not None for c in features.all):
        log.info("no flag: %d buyers to learn its risk from, or no sign is declared", leads[0])
        return None
    return calibrate(project, question, fit(fitting, features, settings, seed), as_of, seed)


def priced(flag: Flag, opens: np.ndarray, grades: np.ndarray) -> Flag:
    """The flag with what it costs tonight: how many leads are open, and how many are flagged.

    opens    (n,) bool, `_flag_opens` of the leads that are open; grades: theirs
    """
    flagged = opens & ~np.isin(grades, NEVER_FLAGGED)
    price = {"open": len(opens), "open_flagged": int(flagged.sum())}
    return replace(flag, facts={**flag.facts, **price})
