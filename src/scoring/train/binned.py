"""Logistic regression on quantile bins and category levels: follows curves, ignores outliers.

Reads the matrix of `columns.encode`; additive in log-odds by column; plain arrays in JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scoring.train.columns import Column
from scoring.train.design import Folds, Terms, centred, coded, looked_up, out_of_fold, regress

BINS = 10
# Best from 40 to 400 conversions, and as good as any with more.
INVERSE_PENALTY = 0.1


@dataclass(frozen=True)
class BinnedLogistic:
    """`edges[j]`: inner bin edges of numeric column j (value <= edge: left); None: a category.
    `terms[j]`: log-odds of each of its cells, missing last, centred on the training rows, so that
    `base` is the mean margin of these. A cell without training rows is 0: neutral.
    """

    edges: tuple[np.ndarray | None, ...]
    terms: tuple[np.ndarray, ...]
    base: float

    @classmethod
    def fit(
        cls,
        columns: Sequence[Column],
        matrix: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray,
        folds: Folds,
    ) -> tuple[BinnedLogistic, np.ndarray]:
        """One model on all rows, and margins (n,) from folds that did not see the row.

        `y` (n,) is 0 or 1, `weight` (n,) is not negative, not all zero. The bins are those of all
        rows: where they lie tells nothing about the label.
        """
        edges = tuple(
            _edges(matrix[:, j]) if column.kind == "numeric" else None
            for j, column in enumerate(columns)
        )
        counts = [
            (column.n_codes if edge is None else len(edge) + 1) + 1
            for column, edge in zip(columns, edges, strict=True)
        ]
        cells = _binned(edges, counts, matrix)

        def fitted(rows: np.ndarray) -> tuple[Terms, float]:
            own = cells[rows]
            found, base = regress(
                own, np.ones(own.shape), counts, y[rows], weight[rows], INVERSE_PENALTY
            )
            return centred(found, own, weight[rows], base)

        def margins(of: tuple[Terms, float], rows: np.ndarray) -> np.ndarray:
            return of[1] + looked_up(of[0], cells[rows]).sum(axis=1)

        terms, base = fitted(np.arange(len(y)))
        return cls(edges, terms, base), out_of_fold(folds, fitted, margins, len(y))

    def contributions(self, matrix: np.ndarray) -> np.ndarray:
        """Log-odds (n, k) that each column adds to `base`."""
        counts = [len(term) for term in self.terms]
        return looked_up(self.terms, _binned(self.edges, counts, matrix))

    def margin(self, matrix: np.ndarray) -> np.ndarray:
        """Log-odds (n,)."""
        return self.base + self.contributions(matrix).sum(axis=1)

    def to_json(self) -> dict[str, Any]:
        return {
            "edges": [None if edge is None else edge.tolist() for edge in self.edges],
            "terms": [term.tolist() for term in self.terms],
            "base": self.base,
        }

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> BinnedLogistic:
        return cls(
            tuple(None if e is None else np.asarray(e, dtype=float) for e in state["edges"]),
            tuple(np.asarray(term, dtype=float) for term in state["terms"]),
            float(state["base"]),
        )


def _binned(
    edges: Sequence[np.ndarray | None], counts: Sequence[int], matrix: np.ndarray
) -> np.ndarray:
    """Cell (n, k) of each value within its column; missing is the last."""
    cells = coded(np.zeros(len(counts), dtype=bool), counts, matrix)
    for j, edge in enumerate(edges):
        if edge is not None:
            missing = np.isnan(matrix[:, j])
            cells[:, j] = np.searchsorted(edge, matrix[:, j], side="left")
            cells[missing, j] = counts[j] - 1
    return cells


def _edges(values: np.ndarray) -> np.ndarray:
    present = values[~np.isnan(values)]
    distinct = np.unique(present)
    if len(distinct) <= BINS:
        return distinct[:-1]
    edges = np.quantile(present, np.arange(1, BINS) / BINS, method="lower")
    # An edge at the maximum would leave nothing on its right: where more than a tenth of the rows
    # sit at the maximum, it moves below, so that they keep a bin of their own.
    return np.unique(np.minimum(edges, distinct[-2]))
