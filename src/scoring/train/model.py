"""`ConversionModel`: the probability that a lead converts, as one scikit-learn estimator.

fit            columns -> members on the same folds -> blend -> intercept of the newest rows
predict_proba  one row per lead, columns matched by name
contributions  what each column adds to the log-odds, exactly
to_payload / from_payload   native files (see `payload`)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from scoring.train import columns as cols
from scoring.train import inputs, payload
from scoring.train.binned import BinnedLogistic
from scoring.train.blend import Blend, fit_blend, group_folds, newest_shift, rarer_groups
from scoring.train.ranks import RankLogistic
from scoring.train.trees import (
    FULL,
    FULL_MANY_ROWS,
    MANY_ROWS,
    QUICK,
    QUICK_MANY_ROWS,
    SMALL,
    Settings,
    Trees,
)

FOLDS = 5
# For "fast" from MANY_ROWS on: log loss .0001 worse on training rows, at two thirds of the time.
FAST_FOLDS = 3
# Smaller trees win at 120 conversions, the full ones at 400. Counted in independent leads.
FEW_CONVERSIONS = 250

Member = BinnedLogistic | RankLogistic | Trees
LOGISTIC: dict[str, type[BinnedLogistic] | type[RankLogistic]] = {
    "bins": BinnedLogistic,
    "ranks": RankLogistic,
}


class ConversionModel(ClassifierMixin, BaseEstimator):
    """Two logistic regressions and two kinds of LightGBM, blended in log-odds and calibrated.

    Parameters
    ----------
    preset : "best", for the scheduled training, or "fast", with fewer and larger steps of boosting:
        some seconds where "best" takes half a minute. Below `FEW_CONVERSIONS` conversions both take
        the same small trees, and the blend is close to the plain average of the members.
    seed : drives folds and sampling. Same rows (in any order), same seed: same payload bytes, with
        any number of threads.

    Attributes
    ----------
    classes_ : the two labels, sorted; the second is the conversion.
    feature_names_in_, n_features_in_ : columns at fit.
    base_ : log-odds to which `contributions` add.
    summary_ : JSON-ready facts of the fit: rows, conversions, groups,
        independent_conversions (groups of the rarer class), folds, settings, rounds, weights,
        newest_shift.
    """

    def __init__(self, preset: str = "best", seed: int = 7) -> None:
        self.preset = preset
        self.seed = seed

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        time: Any = None,
        groups: Any = None,
        sample_weight: Any = None,
    ) -> ConversionModel:
        """Fit on `X` (n, k), a DataFrame or array of numbers, booleans, texts and categories.

        Missing values are welcome anywhere in `X`, infinite numbers count as missing.
        `y` (n,): two labels. `time` (n,): as_of of the rows (timestamps or numbers), all matured;
        with it the intercept follows the newest 15 % where they hold enough conversions. `groups`
        (n,): rows of one person (or lead) share a value and never stand on both sides of a fold.
        `sample_weight` (n,): non-negative.

        Raises ValueError for a single class, fewer than two groups of rows of a class, dates in
        `X`, and missing values in anything but `X`.
        """
        if self.preset not in ("best", "fast"):
            raise ValueError(f"`preset` must be 'best' or 'fast'. Got {self.preset!r} instead.")
        frame = cols.as_frame(X)
        if not len(frame.columns):
            raise ValueError(
                "`X` must have at least one column. "
                f"Got 0 feature(s) (shape={frame.shape}) while a minimum of 1 is required."
            )
        self.classes_, target = inputs.target(y, len(frame))
        weight = inputs.weight(sample_weight, len(frame))
        columns = cols.fit(frame)
        matrix = cols.encode(columns, frame)
        moments = None if time is None else inputs.moments(time, len(frame))
        codes = None if groups is None else inputs.group_codes(groups, len(frame))

        order = inputs.canonical_order(matrix, target, weight, moments, codes)
        matrix, target, weight = matrix[order], target[order], weight[order]
        # Without groups every row stands for itself.
        group = np.arange(len(order)) if codes is None else codes[order]
        conversions = rarer_groups(target, group)
        if conversions < 2:
            raise ValueError(
                "`y` must hold at least two independent leads of each class. "
                f"Got {int(target.sum())} conversions in {len(target)} rows instead."
            )
        named, settings, k = _settings(self.preset, conversions, len(target))
        folds = group_folds(target, group, min(k, conversions), self.seed)
        members: dict[str, Member] = {}
        margins: dict[str, np.ndarray] = {}
        rounds: dict[str, int] = {}
        # BLAS adds in another order with other thread counts; LightGBM brings its own threads.
        with threadpool_limits(limits=1, user_api="blas"):
            for name, kind in LOGISTIC.items():
                members[name], margins[name] = kind.fit(columns, matrix, target, weight, folds)
            for name, chosen in settings.items():
                members[name], margins[name], rounds[name] = Trees.fit(
                    columns, matrix, target, weight, folds, chosen, self.seed
                )
            blend = fit_blend(list(margins.values()), target, weight, conversions)
            shift = None
            if moments is not None:
                margin = blend.margin(list(margins.values()))
                shift = newest_shift(margin, target, weight, moments[order], group)
        blend = Blend(blend.weights, blend.intercept + (shift or 0.0))

        if isinstance(X, pd.DataFrame):
            self.feature_names_in_ = np.array([column.name for column in columns], dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        summary = {
            "rows": len(target),
            "conversions": int(target.sum()),
            "groups": int(group.max()) + 1,
            "independent_conversions": conversions,
            "folds": len(folds),
            "settings": named,
            "rounds": rounds,
            "weights": dict(zip(margins, blend.weights, strict=True)),
            "newest_shift": shift,
        }
        return self._assemble(columns, members, blend, summary)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (n, 2) in the order of `classes_`.

        A DataFrame's columns are matched by name: order is free, others are ignored, an absent one
        counts as missing. An array must have the columns of fit. Raises ValueError where a numeric
        column holds text.
        """
        margin = self.decision_function(X)
        return np.column_stack([expit(-margin), expit(margin)])

    def predict(self, X: Any) -> np.ndarray:
        """The more probable label (n,)."""
        margin = self.decision_function(X)
        return self.classes_[(margin > 0).astype(int)]

    def decision_function(self, X: Any) -> np.ndarray:
        """Log-odds (n,) of the second class."""
        matrix = self._encode(X)
        if not len(matrix):
            return np.empty(0)
        return self.blend_.margin([member.margin(matrix) for member in self.members_.values()])

    def contributions(self, X: Any) -> pd.DataFrame:
        """Log-odds (n, k) that each column of fit adds; `base_` plus a row's sum is its log-odds.

        Trees by their exact Shapley values (see `shapley`), the logistic members by their centred
        terms; all additive, so their weighted sum is exact for the blend. Index as `X`.
        """
        matrix = self._encode(X)
        names = [column.name for column in self.columns_]
        index = X.index if isinstance(X, pd.DataFrame) else None
        if not len(matrix):
            return pd.DataFrame(np.empty((0, len(names))), columns=names, index=index)
        parts = np.zeros(matrix.shape)
        for weight, member in zip(self.blend_.weights, self.members_.values(), strict=True):
            if weight > 0:
                parts += weight * member.contributions(matrix)
        return pd.DataFrame(parts, columns=names, index=index)

    def to_payload(self, directory: Path) -> dict[str, str]:
        """Write the fitted model as native files into `directory`; returns SHA-256 by file name."""
        check_is_fitted(self, "columns_")
        state = {
            "params": {"preset": self.preset, "seed": self.seed},
            "classes": self.classes_.tolist(),
            "named": hasattr(self, "feature_names_in_"),
            "columns": [column.to_json() for column in self.columns_],
            "logistic": {
                name: member.to_json()
                for name, member in self.members_.items()
                if not isinstance(member, Trees)
            },
            "blend": {"weights": list(self.blend_.weights), "intercept": self.blend_.intercept},
            "summary": self.summary_,
        }
        texts = {n: member.text for n, member in self.members_.items() if isinstance(member, Trees)}
        return payload.write(Path(directory), state, texts)

    @classmethod
    def from_payload(cls, directory: Path) -> ConversionModel:
        """The model that `to_payload` wrote; predictions are equal to the last bit.

        Raises scoring.errors.NoUsableModel if a file is absent, was changed, or has another format.
        """
        state, texts = payload.read(Path(directory))
        model = cls(**state["params"])
        columns = [cols.Column.from_json(column) for column in state["columns"]]
        model.classes_ = np.asarray(state["classes"])
        if state["named"]:
            model.feature_names_in_ = np.array([c.name for c in columns], dtype=object)
        blend = Blend(tuple(state["blend"]["weights"]), state["blend"]["intercept"])
        members: dict[str, Member] = {
            name: kind.from_json(state["logistic"][name]) for name, kind in LOGISTIC.items()
        }
        members |= {name: Trees(text) for name, text in texts.items()}
        return model._assemble(columns, members, blend, state["summary"])

    def _assemble(
        self,
        columns: list[cols.Column],
        members: dict[str, Member],
        blend: Blend,
        summary: dict[str, Any],
    ) -> ConversionModel:
        self.n_features_in_ = len(columns)
        self.columns_ = columns
        self.members_ = members
        self.blend_ = blend
        self.summary_ = summary
        bases = [member.base for member in members.values()]
        self.base_ = float(blend.intercept + np.dot(blend.weights, bases))
        return self

    def _encode(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "columns_")
        frame = cols.as_frame(X)
        if not isinstance(X, pd.DataFrame):
            if frame.shape[1] != self.n_features_in_:
                raise ValueError(
                    f"X has {frame.shape[1]} features, but ConversionModel is expecting "
                    f"{self.n_features_in_} features as input."
                )
            frame.columns = pd.Index([column.name for column in self.columns_])
        return cols.encode(self.columns_, frame)


def _settings(preset: str, conversions: int, rows: int) -> tuple[str, dict[str, Settings], int]:
    """The name of the settings, those of the trees, and the number of folds."""
    many = rows >= MANY_ROWS
    if conversions < FEW_CONVERSIONS:
        return "small", SMALL, FOLDS
    if preset == "best":
        return "full", FULL_MANY_ROWS if many else FULL, FOLDS
    return ("quick", QUICK_MANY_ROWS, FAST_FOLDS) if many else ("quick", QUICK, FOLDS)
