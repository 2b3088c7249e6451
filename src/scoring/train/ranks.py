"""Logistic regression on ranks: a slope per number needs far fewer rows than bins or trees.

Reads the matrix of `columns.encode`; additive in log-odds by column; plain arrays in JSON. A number
counts by its rank among the training rows, not by its size: counts, amounts and days are skewed,
and one absurd value must not rule a score. On few conversions this member alone is as good as a
blend of bins and trees (docs/benchmarks.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scoring.train.columns import Column
from scoring.train.design import Folds, Terms, centred, coded, looked_up, out_of_fold, regress

# On standardised columns. Three times as much loses with 40 to 120 conversions.
INVERSE_PENALTY = 0.01
# Knots of a column's ranks: more distinct values are joined by straight lines.
KNOTS_AT_MOST = 256


@dataclass(frozen=True)
class RankLogistic:
    """Column j adds `terms[j][code]`, missing last; a number's code is 0, and it adds
    `slopes[j]` times its rank's distance from the middle rank.

    `values[j]`, `ranks[j]`: knots of a number's rank, from -0.5 to 0.5, equal values sharing the
    middle of theirs; None for a category. Beyond the knots the rank is that of the last one. The
    terms are centred on the training rows, so that `base` is the mean margin of these.
    """

    values: tuple[np.ndarray | None, ...]
    ranks: tuple[np.ndarray | None, ...]
    slopes: np.ndarray
    terms: Terms
    base: float

    @classmethod
    def fit(
        cls,
        columns: Sequence[Column],
        matrix: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray,
        folds: Folds,
    ) -> tuple[RankLogistic, np.ndarray]:
        """One model on all rows, and margins (n,) from folds that did not see the row.

        `y` (n,) is 0 or 1, `weight` (n,) is not negative, not all zero. The ranks are those of all
        rows: they tell nothing about the label.
        """
        knots = [
            _knots(matrix[:, j]) if column.kind == "numeric" else (None, None)
            for j, column in enumerate(columns)
        ]
        values, ranks = tuple(v for v, _ in knots), tuple(r for _, r in knots)
        numeric = np.array([column.kind == "numeric" for column in columns])
        counts = [2 if column.kind == "numeric" else column.n_codes + 1 for column in columns]
        codes = coded(numeric, counts, matrix)
        rank = _ranked(values, ranks, matrix)
        # An entry is a number's rank, or 1 for a level or a missing value.
        entries = np.where(numeric & (codes == 0), rank, 1.0)
        scales = _scales(entries, codes, counts)
        scaled = entries * looked_up(scales, codes)

        def fitted(rows: np.ndarray) -> tuple[Terms, float]:
            found, base = regress(
                codes[rows], scaled[rows], counts, y[rows], weight[rows], INVERSE_PENALTY
            )
            return tuple(f * scale for f, scale in zip(found, scales, strict=True)), base

        def margins(of: tuple[Terms, float], rows: np.ndarray) -> np.ndarray:
            return of[1] + (looked_up(of[0], codes[rows]) * entries[rows]).sum(axis=1)

        found, base = fitted(np.arange(len(y)))
        slopes = np.where(numeric, [term[0] for term in found], 0.0)
        # What a number adds is its slope's work; its term takes the slope's mean away.
        levels = tuple(
            np.array([0.0, term[1]]) if is_number else term
            for term, is_number in zip(found, numeric, strict=True)
        )
        terms, base = centred(levels, codes, weight, base)
        means = weight @ (rank * slopes) / weight.sum()
        terms = tuple(term - mean for term, mean in zip(terms, means, strict=True))
        member = cls(values, ranks, slopes, terms, base + float(means.sum()))
        return member, out_of_fold(folds, fitted, margins, len(y))

    def contributions(self, matrix: np.ndarray) -> np.ndarray:
        """Log-odds (n, k) that each column adds to `base`."""
        numbers = np.array([v is not None for v in self.values])
        codes = coded(numbers, [len(term) for term in self.terms], matrix)
        return looked_up(self.terms, codes) + self.slopes * _ranked(self.values, self.ranks, matrix)

    def margin(self, matrix: np.ndarray) -> np.ndarray:
        """Log-odds (n,)."""
        return self.base + self.contributions(matrix).sum(axis=1)

    def to_json(self) -> dict[str, Any]:
        return {
            "values": [None if v is None else v.tolist() for v in self.values],
            "ranks": [None if r is None else r.tolist() for r in self.ranks],
            "slopes": self.slopes.tolist(),
            "terms": [term.tolist() for term in self.terms],
            "base": self.base,
        }

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> RankLogistic:
        return cls(
            tuple(None if v is None else np.asarray(v, dtype=float) for v in state["values"]),
            tuple(None if r is None else np.asarray(r, dtype=float) for r in state["ranks"]),
            np.asarray(state["slopes"], dtype=float),
            tuple(np.asarray(term, dtype=float) for term in state["terms"]),
            float(state["base"]),
        )


def _knots(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    present = np.sort(values[~np.isnan(values)])
    knots = np.unique(present)
    if len(knots) > KNOTS_AT_MOST:
        chosen = np.linspace(0, len(present) - 1, KNOTS_AT_MOST).astype(np.intp)
        knots = np.unique(present[chosen])
    below = np.searchsorted(present, knots, side="left")
    through = np.searchsorted(present, knots, side="right")
    return knots, (below + through) / 2 / len(present) - 0.5


def _ranked(
    values: Sequence[np.ndarray | None], ranks: Sequence[np.ndarray | None], matrix: np.ndarray
) -> np.ndarray:
    """Rank (n, k) of each number; 0 for a missing one, and for categories."""
    result = np.zeros(matrix.shape)
    for j, (knots, rank) in enumerate(zip(values, ranks, strict=True)):
        if knots is not None and rank is not None:
            result[:, j] = np.interp(matrix[:, j], knots, rank)
    result[np.isnan(matrix)] = 0.0
    return result


def _scales(entries: np.ndarray, codes: np.ndarray, counts: Sequence[int]) -> Terms:
    """What to multiply each place's entries with, so that their standard deviation is 1."""
    scales = []
    n = len(codes)
    for j, count in enumerate(counts):
        mean = np.bincount(codes[:, j], weights=entries[:, j], minlength=count) / n
        square = np.bincount(codes[:, j], weights=entries[:, j] ** 2, minlength=count) / n
        deviation = np.sqrt(np.maximum(square - mean**2, 0))
        scales.append(np.divide(1, deviation, out=np.zeros(count), where=deviation > 1e-6))
    return tuple(scales)
