"""The simplest baselines: the prevalence, and plain logistic regression.

`hand_rule.py` and `naive_bayes.py` hold the other two that are in the product.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.validation import check_is_fitted

from scoring.train import columns as cols


class Prevalence(ClassifierMixin, BaseEstimator):
    """Everybody gets the conversion rate of the training rows."""

    def fit(self, X: Any, y: Any, *, sample_weight: Any = None) -> Prevalence:
        """Of `X` (n, k) only the length counts; `y` (n,) holds one or two labels, none missing."""
        self.classes_, codes = np.unique(np.asarray(y).ravel(), return_inverse=True)
        if len(codes) != len(X) or not 1 <= len(self.classes_) <= 2:
            raise ValueError(
                f"`y` must have one value per row of `X` ({len(X)}) and one or two classes. "
                f"Got {len(codes)} values of {len(self.classes_)} classes instead."
            )
        counts = np.bincount(codes, weights=sample_weight)
        self.probabilities_ = counts / counts.sum()
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """The same probabilities (n, classes) in every row, in the order of `classes_`."""
        check_is_fitted(self)
        return np.tile(self.probabilities_, (len(X), 1))


class LogisticBaseline(ClassifierMixin, BaseEstimator):
    """Logistic regression as it is usually done: what an analyst gets in an hour.

    Numbers: median for missing values plus an indicator, standardised. Categories: one indicator
    per level, rare levels pooled, missing its own. L2 penalty with C = 1. The same rules for `X` as
    `ConversionModel`, and the same answer to absent columns and unseen levels.
    """

    def fit(self, X: Any, y: Any, *, sample_weight: Any = None) -> LogisticBaseline:
        """`X` (n, k), `y` (n,) with two labels. Raises ValueError for a single class or dates."""
        frame = cols.as_frame(X)
        self.columns_ = cols.fit(frame)
        self.pipeline_ = _pipeline(self.columns_)
        self.pipeline_.fit(
            cols.encode(self.columns_, frame),
            np.asarray(y).ravel(),
            logisticregression__sample_weight=sample_weight,
        )
        self.classes_ = self.pipeline_.classes_
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (n, 2) in the order of `classes_`."""
        check_is_fitted(self)
        matrix = cols.encode(self.columns_, cols.as_frame(X))
        if not len(matrix):
            return np.empty((0, 2))
        return self.pipeline_.predict_proba(matrix)


def _pipeline(columns: list[cols.Column]) -> Pipeline:
    of_kind = {
        kind: [j for j, column in enumerate(columns) if column.kind == kind]
        for kind in ("numeric", "category")
    }
    return make_pipeline(
        ColumnTransformer(
            [
                (
                    "numeric",
                    make_pipeline(
                        SimpleImputer(strategy="median", add_indicator=True), StandardScaler()
                    ),
                    of_kind["numeric"],
                ),
                ("category", OneHotEncoder(handle_unknown="ignore"), of_kind["category"]),
            ]
        ),
        LogisticRegression(C=1.0, max_iter=1000),
    )
