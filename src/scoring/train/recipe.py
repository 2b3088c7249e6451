"""Settings and feature set → a fitted model; the same recipe is refitted at every origin."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from scoring.build.featureset import FeatureSet
from scoring.config import LearnerSection
from scoring.train.baselines import LogisticBaseline, Prevalence
from scoring.train.fitted import frequent_columns
from scoring.train.model import ConversionModel


@dataclass(frozen=True)
class Fitted:
    """A model and the columns that were chosen on its training rows."""

    model: ConversionModel
    names: tuple[str, ...]

    def probability(self, rows: pd.DataFrame) -> np.ndarray:
        return self.model.predict_proba(rows[list(self.names)])[:, 1]


def fit(rows: pd.DataFrame, features: FeatureSet, learner: LearnerSection) -> Fitted:
    """Choose the columns and fit the model, on these rows and nothing else."""
    names = frequent_columns(rows, features.columns)
    model = ConversionModel(preset=learner.preset, seed=learner.seed)
    model.fit(
        rows[names],
        rows["label"],
        time=rows["as_of"],
        groups=rows["group_id"],
    )
    return Fitted(model, tuple(names))


def baseline_probabilities(
    train: pd.DataFrame, test: pd.DataFrame, names: tuple[str, ...]
) -> dict[str, np.ndarray]:
    """What the baselines that are fitted on the same rows and columns say of `test`."""
    columns = list(names)
    found = {}
    for name, baseline in (("prevalence", Prevalence()), ("logistic", LogisticBaseline())):
        baseline.fit(train[columns], train["label"])
        found[name] = baseline.predict_proba(test[columns])[:, 1]
    return found
