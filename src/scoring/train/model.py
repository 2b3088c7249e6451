"""`ConversionModel`: the probability that a lead converts, as one scikit-learn estimator.

fit            columns -> two members on the same folds -> blend -> intercept of the newest rows
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
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from scoring.train import columns as cols
from scoring.train import payload
from scoring.train.blend import Blend, fit_blend, group_folds, newest_shift, rarer_groups
from scoring.train.members import FEW_CONVERSIONS, BinnedLogistic, Trees

FOLDS = 5


class ConversionModel(ClassifierMixin, BaseEstimator):
    """Binned logistic regression and regularised LightGBM, blended in log-odds and calibrated.

    Parameters
    ----------
    preset : "best". Where conversions are few, it takes smaller trees.
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
        if self.preset != "best":
            raise ValueError(f"`preset` must be 'best'. Got {self.preset!r} instead.")
        frame = cols.as_frame(X)
        if not len(frame.columns):
            raise ValueError("`X` must have at least one column. Got none instead.")
        self.classes_, target = _target(y, len(frame))
        weight = _weight(sample_weight, len(frame))
        columns = cols.fit(frame)
        matrix = cols.encode(columns, frame)
        moments = None if time is None else _moments(time, len(frame))
        codes = None if groups is None else _group_codes(groups, len(frame))

        order = _canonical_order(matrix, target, weight, moments, codes)
        matrix, target, weight = matrix[order], target[order], weight[order]
        # Without groups every row stands for itself.
        group = np.arange(len(order)) if codes is None else codes[order]
        conversions = rarer_groups(target, group)
        if conversions < 2:
            raise ValueError(
                "`y` must hold at least two independent leads of each class. "
                f"Got {int(target.sum())} conversions in {len(target)} rows instead."
            )
        few = conversions < FEW_CONVERSIONS
        folds = group_folds(target, group, min(FOLDS, conversions), self.seed)
        # BLAS adds in another order with other thread counts; LightGBM brings its own threads.
        with threadpool_limits(limits=1, user_api="blas"):
            edges = BinnedLogistic.bin_edges(columns, matrix)
            cells = BinnedLogistic.cells(columns, edges, matrix)
            by_bins = np.empty(len(target))
            for train, test in folds:
                member = BinnedLogistic.fit(
                    columns, edges, cells[train], target[train], weight[train]
                )
                by_bins[test] = member.margin(cells[test])
            binned = BinnedLogistic.fit(columns, edges, cells, target, weight)
            trees, by_trees, rounds = Trees.fit(
                columns, matrix, target, weight, folds, few, self.seed
            )
            blend = fit_blend([by_bins, by_trees], target, weight, conversions)
            shift = None
            if moments is not None:
                margin = blend.margin([by_bins, by_trees])
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
            "settings": "small" if few else "full",
            "rounds": rounds,
            "weights": {"logistic": blend.weights[0], "trees": blend.weights[1]},
            "newest_shift": shift,
        }
        return self._assemble(columns, binned, trees, blend, summary)

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
        return self.classes_[(self.decision_function(X) > 0).astype(int)]

    def decision_function(self, X: Any) -> np.ndarray:
        """Log-odds (n,) of the second class."""
        matrix = self._encode(X)
        if not len(matrix):
            return np.empty(0)
        cells = BinnedLogistic.cells(self.columns_, self.binned_.edges, matrix)
        return self.blend_.margin([self.binned_.margin(cells), self.trees_.margin(matrix)])

    def contributions(self, X: Any) -> pd.DataFrame:
        """Log-odds (n, k) that each column of fit adds; `base_` plus a row's sum is its log-odds.

        Trees by exact TreeSHAP (Lundberg et al. 2018), bins by their centred terms; both additive,
        so their weighted sum is exact for the blend. Index as `X`.
        """
        matrix = self._encode(X)
        names = [column.name for column in self.columns_]
        index = X.index if isinstance(X, pd.DataFrame) else None
        if not len(matrix):
            return pd.DataFrame(np.empty((0, len(names))), columns=names, index=index)
        cells = BinnedLogistic.cells(self.columns_, self.binned_.edges, matrix)
        of_bins, of_trees = self.blend_.weights
        parts = of_bins * self.binned_.contributions(cells)
        parts += of_trees * self.trees_.contributions(matrix)
        return pd.DataFrame(parts, columns=names, index=index)

    def to_payload(self, directory: Path) -> dict[str, str]:
        """Write the fitted model as native files into `directory`; returns SHA-256 by file name."""
        check_is_fitted(self, "columns_")
        state = {
            "params": {"preset": self.preset, "seed": self.seed},
            "classes": self.classes_.tolist(),
            "named": hasattr(self, "feature_names_in_"),
            "columns": [column.to_json() for column in self.columns_],
            "binned": self.binned_.to_json(),
            "blend": {"weights": list(self.blend_.weights), "intercept": self.blend_.intercept},
            "summary": self.summary_,
        }
        return payload.write(Path(directory), state, self.trees_.text)

    @classmethod
    def from_payload(cls, directory: Path) -> ConversionModel:
        """The model that `to_payload` wrote; predictions are equal to the last bit.

        Raises scoring.errors.NoUsableModel if a file is absent, was changed, or has another format.
        """
        state, trees = payload.read(Path(directory))
        model = cls(**state["params"])
        columns = [cols.Column.from_json(column) for column in state["columns"]]
        model.classes_ = np.asarray(state["classes"])
        if state["named"]:
            model.feature_names_in_ = np.array([c.name for c in columns], dtype=object)
        blend = Blend(tuple(state["blend"]["weights"]), state["blend"]["intercept"])
        binned = BinnedLogistic.from_json(state["binned"])
        return model._assemble(columns, binned, Trees(trees), blend, state["summary"])

    def _assemble(
        self,
        columns: list[cols.Column],
        binned: BinnedLogistic,
        trees: Trees,
        blend: Blend,
        summary: dict[str, Any],
    ) -> ConversionModel:
        self.n_features_in_ = len(columns)
        self.columns_ = columns
        self.binned_ = binned
        self.trees_ = trees
        self.blend_ = blend
        self.summary_ = summary
        of_bins, of_trees = blend.weights
        self.base_ = blend.intercept + of_bins * binned.intercept + of_trees * trees.base
        return self

    def _encode(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "columns_")
        frame = cols.as_frame(X)
        if not isinstance(X, pd.DataFrame):
            if frame.shape[1] != self.n_features_in_:
                raise ValueError(
                    f"`X` must have {self.n_features_in_} columns, as at fit. "
                    f"Got {frame.shape[1]} instead."
                )
            frame.columns = pd.Index([column.name for column in self.columns_])
        return cols.encode(self.columns_, frame)


def _target(y: Any, n: int) -> tuple[np.ndarray, np.ndarray]:
    labels = pd.Series(np.asarray(y).ravel())
    _require("y", labels, n)
    classes = np.unique(labels.to_numpy())
    if len(classes) == 1:
        raise ValueError(
            "`y` must hold leads that converted and leads that did not. "
            f"Got {n} rows that are all {classes[0]}."
        )
    if len(classes) != 2:
        raise ValueError(f"`y` must have two classes. Got {len(classes)} instead.")
    return classes, (labels.to_numpy() == classes[1]).astype(np.float64)


def _weight(sample_weight: Any, n: int) -> np.ndarray:
    if sample_weight is None:
        return np.ones(n)
    weight = pd.Series(np.asarray(sample_weight, dtype=np.float64).ravel())
    _require("sample_weight", weight, n)
    if not np.isfinite(weight).all() or (weight < 0).any() or not weight.any():
        raise ValueError("`sample_weight` must be finite, not negative and not all zero.")
    return weight.to_numpy()


def _moments(time: Any, n: int) -> np.ndarray:
    moments = pd.Series(np.asarray(time) if not isinstance(time, pd.Series) else time)
    _require("time", moments, n)
    if isinstance(moments.dtype, pd.DatetimeTZDtype):
        moments = moments.dt.tz_convert("UTC").dt.tz_localize(None)
    if moments.dtype.kind == "M":
        return moments.astype("datetime64[us]").to_numpy().astype(np.int64)
    if moments.dtype.kind not in "iuf":
        raise ValueError(f"`time` must hold timestamps or numbers. Got {moments.dtype} instead.")
    return moments.to_numpy()


def _group_codes(groups: Any, n: int) -> np.ndarray:
    labels = pd.Series(np.asarray(groups).ravel())
    _require("groups", labels, n)
    return np.unique(labels.astype(str).to_numpy(dtype=object), return_inverse=True)[1]


def _require(name: str, values: pd.Series, n: int) -> None:
    if len(values) != n:
        raise ValueError(f"`{name}` must have one value per row of `X` ({n}). Got {len(values)}.")
    if values.isna().any():
        raise ValueError(f"`{name}` must not have missing values. Got {int(values.isna().sum())}.")


def _canonical_order(
    matrix: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    time: np.ndarray | None,
    groups: np.ndarray | None,
) -> np.ndarray:
    """Row order by time, group and content: only rows equal in all of it are interchangeable."""
    content = pd.DataFrame(np.column_stack([matrix, y, weight]))
    keys = [pd.util.hash_pandas_object(content, index=False).to_numpy()]
    keys += [key for key in (groups, time) if key is not None]
    return np.lexsort(keys)
