"""Settings and feature set → a fitted model; the same recipe is refitted at every origin."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scoring.build.featureset import FeatureSet
from scoring.config import LearnerSection
from scoring.train.baselines import LogisticBaseline, Prevalence
from scoring.train.fitted import choose
from scoring.train.hand_rule import HandRule
from scoring.train.learned import Learned
from scoring.train.model import ConversionModel
from scoring.train.naive_bayes import STAGE_COLUMN, NaiveBayesBaseline
from scoring.train.touch import FREQUENCY, RECENCY


@dataclass(frozen=True)
class Fitted:
    """A model and what was chosen and learned on its training rows."""

    model: ConversionModel
    names: tuple[str, ...]
    learned: Learned

    def probability(self, rows: pd.DataFrame) -> np.ndarray:
        return self.model.predict_proba(self.learned.joined(rows)[list(self.names)])[:, 1]


def fit(
    rows: pd.DataFrame,
    features: FeatureSet,
    learner: LearnerSection,
    leave_out: Collection[str] = (),
) -> Fitted:
    """Choose the columns and fit the model, on these rows and nothing else.

    leave_out   columns that the model does without; those that are made of them stay
    """
    chosen = choose(rows, features, leave_out)
    model = ConversionModel(preset=learner.preset, seed=learner.seed)
    model.fit(
        chosen.rows[list(chosen.names)],
        rows["label"],
        time=rows["as_of"],
        groups=rows["group_id"],
    )
    return Fitted(model, chosen.names, chosen.learned)


def baseline_probabilities(
    train: pd.DataFrame,
    test: pd.DataFrame,
    names: Sequence[str],
    features: FeatureSet,
    stages: Sequence[str],
) -> dict[str, np.ndarray]:
    """What the baselines that are fitted on the same rows say of `test` (rows `with_touch`).

    names     the model's columns; logistic regression reads those that the rows hold, too
    features  of them naive Bayes reads what a CRM's own would: the attributes and the stage
    stages    the pipeline, first to last
    """
    fields = {
        c.name: STAGE_COLUMN if c.stream == "stage_changes" else c.name
        for c in features.columns
        if c.op == "attribute" or (c.stream == "stage_changes" and c.op == "last")
    }
    asked: tuple[tuple[str, Any, dict[str, str]], ...] = (
        ("prevalence", Prevalence(), {}),
        ("hand_rule", HandRule(RECENCY, FREQUENCY), {c: c for c in (RECENCY, FREQUENCY)}),
        ("naive_bayes", NaiveBayesBaseline(tuple(stages)), fields),
        ("logistic", LogisticBaseline(), {c: c for c in names if c in train}),
    )
    found = {}
    for name, baseline, columns in asked:
        read = [rows[list(columns)].rename(columns=columns) for rows in (train, test)]
        found[name] = baseline.fit(read[0], train["label"]).predict_proba(read[1])[:, 1]
    return found
