"""The two members of the blend, each additive in log-odds and native: no pickle anywhere.

    BinnedLogistic   logistic regression on quantile bins and category levels (arrays -> JSON)
    Trees            regularised LightGBM on numbers and category codes (LightGBM's own text)

Both read the matrix of `columns.encode`. Settings are the winners of paired comparisons on public
one-row-per-lead data; below `FEW_CONVERSIONS` smaller trees won.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from scoring.train.columns import Column

Folds = Sequence[tuple[np.ndarray, np.ndarray]]

BINS = 10
# Best from 40 to 400 conversions, and as good as any with more.
INVERSE_PENALTY = 0.1
# Smaller trees win at 120 conversions, the full ones at 400. Counted in independent leads.
FEW_CONVERSIONS = 250

_TREES: dict[str, Any] = {
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
_SMALL_TREES: dict[str, Any] = {
    "learning_rate": 0.05,
    "num_leaves": 7,
    "min_data_in_leaf": 10,
    "lambda_l2": 10.0,
    "min_data_per_group": 20,
}
_THREADS_LINE = re.compile(r"^\[num_threads: .*\]$", flags=re.MULTILINE)


@dataclass(frozen=True)
class BinnedLogistic:
    """L2 logistic regression on one indicator per quantile bin, category level and missing value.

    `edges[j]`: inner bin edges of numeric column j (value <= edge belongs to the left), else empty.
    `terms[j]`: log-odds of each cell of column j, missing last, centred on the training rows, so
    that `intercept` is the mean margin of the training rows. A cell without training rows is 0:
    neutral.
    """

    edges: tuple[np.ndarray, ...]
    terms: tuple[np.ndarray, ...]
    intercept: float

    @staticmethod
    def bin_edges(columns: Sequence[Column], matrix: np.ndarray) -> tuple[np.ndarray, ...]:
        """Quantile edges of the numeric columns of `matrix` (n, k)."""
        return tuple(
            _edges(matrix[:, j]) if column.kind == "numeric" else np.empty(0)
            for j, column in enumerate(columns)
        )

    @staticmethod
    def cells(
        columns: Sequence[Column], edges: Sequence[np.ndarray], matrix: np.ndarray
    ) -> np.ndarray:
        """Cell index (n, k) of each value within its column; missing is the last cell."""
        cells = np.empty(matrix.shape, dtype=np.int32)
        for j, column in enumerate(columns):
            values = matrix[:, j]
            missing = np.isnan(values)
            if column.kind == "numeric":
                cells[:, j] = np.searchsorted(edges[j], values, side="left")
            else:
                cells[:, j] = np.where(missing, 0, values).astype(np.int32)
            cells[missing, j] = _cell_count(column, edges[j]) - 1
        return cells

    @classmethod
    def fit(
        cls,
        columns: Sequence[Column],
        edges: tuple[np.ndarray, ...],
        cells: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray,
    ) -> BinnedLogistic:
        """`y` (n,) is 0 or 1, `weight` (n,) is not negative, not all zero."""
        counts = [_cell_count(column, edge) for column, edge in zip(columns, edges, strict=True)]
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        n, k = cells.shape
        design = csr_matrix(
            (
                np.ones(n * k),
                (cells + starts[:-1]).ravel(),
                np.arange(0, n * k + 1, k, dtype=np.int64) if k else np.zeros(n + 1, np.int64),
            ),
            shape=(n, int(starts[-1])),
        )
        regression = LogisticRegression(C=INVERSE_PENALTY, max_iter=500)
        regression.fit(design, y, sample_weight=weight)
        intercept = float(regression.intercept_[0])
        terms = []
        for j, count in enumerate(counts):
            coefficients = regression.coef_[0, starts[j] : starts[j + 1]]
            rows = np.bincount(cells[:, j], weights=weight, minlength=count)
            mean = float(rows @ coefficients / rows.sum())
            terms.append(np.where(rows > 0, coefficients - mean, 0.0))
            intercept += mean
        return cls(edges, tuple(terms), intercept)

    def contributions(self, cells: np.ndarray) -> np.ndarray:
        """Log-odds (n, k) that each column adds to `intercept`."""
        result = np.empty(cells.shape)
        for j, term in enumerate(self.terms):
            result[:, j] = term[cells[:, j]]
        return result

    def margin(self, cells: np.ndarray) -> np.ndarray:
        """Log-odds (n,)."""
        return self.intercept + self.contributions(cells).sum(axis=1)

    def to_json(self) -> dict[str, Any]:
        return {
            "edges": [edge.tolist() for edge in self.edges],
            "terms": [term.tolist() for term in self.terms],
            "intercept": self.intercept,
        }

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> BinnedLogistic:
        return cls(
            tuple(np.asarray(edge, dtype=float) for edge in state["edges"]),
            tuple(np.asarray(term, dtype=float) for term in state["terms"]),
            float(state["intercept"]),
        )


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
        few: bool,
        seed: int,
    ) -> tuple[Trees, np.ndarray, int]:
        """One model on all rows, margins (n,) from folds that did not see the row, and the rounds.

        `few`: smaller trees, for fewer than `FEW_CONVERSIONS`. The number of rounds is where the
        mean log loss over the folds is best: the best of each small fold by itself would follow
        noise. More rounds for the refit, which has a quarter more rows, gained nothing measurable.
        """
        parameters = {**_TREES, **(_SMALL_TREES if few else {}), "seed": seed}
        parameters["num_threads"] = 1 if matrix.size < CELLS_FOR_THREADS else 0  # 0: as the machine
        rounds_at_most, patience = (500, 30) if few else (3000, 100)
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
            num_boost_round=rounds_at_most,
            folds=folds,
            callbacks=[lgb.early_stopping(patience, verbose=False)],
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
        """Shapley values (n, k) in log-odds by exact TreeSHAP; their sum is margin - base."""
        return np.asarray(self._booster.predict(matrix, pred_contrib=True))[:, :-1]

    def margin(self, matrix: np.ndarray) -> np.ndarray:
        """Log-odds (n,)."""
        return np.asarray(self._booster.predict(matrix, raw_score=True))


def _cell_count(column: Column, edges: np.ndarray) -> int:
    values = len(edges) + 1 if column.kind == "numeric" else column.n_codes
    return values + 1  # and missing


def _edges(values: np.ndarray) -> np.ndarray:
    present = values[~np.isnan(values)]
    distinct = np.unique(present)
    if len(distinct) <= BINS:
        return distinct[:-1]
    edges = np.quantile(present, np.arange(1, BINS) / BINS, method="lower")
    # An edge at the maximum would leave nothing on its right: where more than a tenth of the rows
    # sit at the maximum, it moves below, so that they keep a bin of their own.
    return np.unique(np.minimum(edges, distinct[-2]))
