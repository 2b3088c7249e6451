"""LightGBM members: boosted trees, and boosted trees whose thresholds are drawn at random.

Both read the matrix of `columns.encode`; additive in log-odds; kept as LightGBM's own text.
Random thresholds (Geurts, Ernst and Wehenkel 2006, "extremely randomised trees") fit each tree
worse and make the trees more different: their sum errs elsewhere than the searched ones', so that
the two blend well, most of all where rows are few. The settings won paired comparisons on training
rows (docs/benchmarks.md).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import lightgbm as lgb
import numpy as np

from scoring.train.columns import Column
from scoring.train.design import Folds
from scoring.train.shapley import Forest

_COMMON: dict[str, Any] = {
    "objective": "binary",
    "metric": "binary_logloss",
    "learning_rate": 0.03,
    "num_leaves": 15,
    "min_data_in_leaf": 40,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "cat_smooth": 20.0,
    "cat_l2": 20.0,
    "min_data_per_group": 50,
    "max_bin": 127,
    "feature_pre_filter": False,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}
# Below this many cells one thread: two save seconds on an idle machine, but on a busy one OpenMP's
# threads wait for each other, which made a fit of 10,000 rows and 140 columns nine times slower.
CELLS_FOR_THREADS = 10_000_000
_THREADS_LINE = re.compile(r"^\[num_threads: .*\]$", flags=re.MULTILINE)


@dataclass(frozen=True)
class Settings:
    """`parameters`: where they differ from the common ones. Boosting stops after `patience` rounds
    without gain, and after `rounds_at_most`.
    """

    parameters: dict[str, Any] = field(default_factory=dict)
    rounds_at_most: int = 3000
    patience: int = 100


_SMALL: dict[str, Any] = {
    "learning_rate": 0.05,
    "num_leaves": 7,
    "min_data_in_leaf": 10,
    "lambda_l2": 10.0,
    "min_data_per_group": 20,
}
_RANDOM: dict[str, Any] = {"extra_trees": True}
# From here on, random trees with twice the step are nearly as good at half the cost.
MANY_ROWS = 10_000

# By name of the member; a model text of its own each.
SEARCHED, RANDOM = "trees", "random_trees"
FULL = {SEARCHED: Settings(), RANDOM: Settings(_RANDOM)}
FULL_MANY_ROWS = {SEARCHED: Settings(), RANDOM: Settings({**_RANDOM, "learning_rate": 0.06})}
SMALL = {
    SEARCHED: Settings(_SMALL, rounds_at_most=500, patience=30),
    RANDOM: Settings({**_SMALL, **_RANDOM}, rounds_at_most=500, patience=30),
}
QUICK = {
    SEARCHED: Settings({"learning_rate": 0.1}, rounds_at_most=500, patience=30),
    RANDOM: Settings({**_RANDOM, "learning_rate": 0.15}, rounds_at_most=500, patience=30),
}
QUICK_MANY_ROWS = {
    **QUICK,
    RANDOM: Settings({**_RANDOM, "learning_rate": 0.3}, rounds_at_most=500, patience=30),
}


class Trees:
    """A LightGBM model behind its normalised text, which is all that is kept of it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._booster = lgb.Booster(model_str=text)
        # The expected margin is the same for every row.
        one_row = np.zeros((1, self._booster.num_feature()))
        self.base = float(np.asarray(self._booster.predict(one_row, pred_contrib=True))[0, -1])

    @classmethod
    def fit(
        cls,
        columns: Sequence[Column],
        matrix: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray,
        folds: Folds,
        settings: Settings,
        seed: int,
    ) -> tuple[Trees, np.ndarray, int]:
        """One model on all rows, margins (n,) from folds that did not see the row, and the rounds.

        The number of rounds is where the mean log loss over the folds is best: the best of each
        small fold by itself would follow noise. More rounds for the refit, which has a quarter more
        rows, gained nothing measurable.
        """
        parameters = {**_COMMON, **settings.parameters, "seed": seed}
        parameters["num_threads"] = 1 if matrix.size < CELLS_FOR_THREADS else 0  # 0: as the machine
        data = lgb.Dataset(
            matrix,
            y,
            weight=weight,
            # Plain names: LightGBM refuses JSON characters in them.
            feature_name=[f"c{j}" for j in range(matrix.shape[1])],
            categorical_feature=[j for j, c in enumerate(columns) if c.kind == "category"],
            params=parameters,
            free_raw_data=False,
        )
        found: Any = lgb.cv(
            parameters,
            data,
            num_boost_round=settings.rounds_at_most,
            folds=folds,
            callbacks=[lgb.early_stopping(settings.patience, verbose=False)],
            return_cvbooster=True,
        )["cvbooster"]
        margins = np.empty(len(y))
        for booster, (_, test) in zip(found.boosters, folds, strict=True):
            margins[test] = booster.predict(
                matrix[test], raw_score=True, num_iteration=found.best_iteration
            )
        rounds = int(found.best_iteration)
        booster = lgb.train(parameters, data, num_boost_round=rounds)
        text = _THREADS_LINE.sub("[num_threads: 0]", booster.model_to_string())
        return cls(text), margins, rounds

    def contributions(self, matrix: np.ndarray) -> np.ndarray:
        """Shapley values (n, k) in log-odds, exact; their sum is margin - base."""
        return self._forest.contributions(matrix)

    def margin(self, matrix: np.ndarray) -> np.ndarray:
        """Log-odds (n,)."""
        return np.asarray(self._booster.predict(matrix, raw_score=True))

    @cached_property
    def _forest(self) -> Forest:
        return Forest(self.text)
