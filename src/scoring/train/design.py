"""What the two logistic members share: one regression with one entry per row and column.

Every row has one code in every column (a bin, a level, "a number", or missing, the last), and the
terms of a column are looked up by it: so both members are additive by column.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

Folds = Sequence[tuple[np.ndarray, np.ndarray]]
# Log-odds by column, and there by code.
Terms = tuple[np.ndarray, ...]


def out_of_fold(
    folds: Folds,
    regress: Callable[[np.ndarray], Any],
    margin: Callable[[Any, np.ndarray], np.ndarray],
    n: int,
) -> np.ndarray:
    """Margins (n,) of each row by `regress` on the folds' training rows, which do not hold it."""
    margins = np.empty(n)
    for train, test in folds:
        margins[test] = margin(regress(train), test)
    return margins


def regress(
    codes: np.ndarray,
    data: np.ndarray,
    counts: Sequence[int],
    y: np.ndarray,
    weight: np.ndarray,
    inverse_penalty: float,
) -> tuple[Terms, float]:
    """Coefficients by column and the intercept, where each row has one entry a column: `data`, at
    the place `codes` among the column's `counts`."""
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    n, k = codes.shape
    places = (codes + starts[:-1]).ravel()
    rows = np.arange(0, n * k + 1, k, dtype=np.int64)
    design = csr_matrix((data.ravel(), places, rows), shape=(n, int(starts[-1])))
    regression = LogisticRegression(C=inverse_penalty, max_iter=500)
    regression.fit(design, y, sample_weight=weight)
    coefficients = tuple(np.split(regression.coef_[0], starts[1:-1]))
    return coefficients, float(regression.intercept_[0])


def centred(
    terms: Sequence[np.ndarray], codes: np.ndarray, weight: np.ndarray, base: float
) -> tuple[Terms, float]:
    """The terms less their mean over the rows; one that no row has is 0. The means go to `base`."""
    centred = []
    for j, term in enumerate(terms):
        rows = np.bincount(codes[:, j], weights=weight, minlength=len(term))
        mean = float(rows @ term / rows.sum())
        centred.append(np.where(rows > 0, term - mean, 0.0))
        base += mean
    return tuple(centred), base


def looked_up(terms: Sequence[np.ndarray], codes: np.ndarray) -> np.ndarray:
    """(n, k): of column j the term at each row's code."""
    result = np.empty(codes.shape)
    for j, term in enumerate(terms):
        result[:, j] = term[codes[:, j]]
    return result


def coded(numeric: np.ndarray, counts: Sequence[int], matrix: np.ndarray) -> np.ndarray:
    """Code (n, k): 0 for a number, the level of a category, the last for missing."""
    missing = np.isnan(matrix)
    codes = np.where(missing | numeric, 0, matrix).astype(np.int32)
    return np.where(missing, np.array(counts, dtype=np.int32) - 1, codes)
