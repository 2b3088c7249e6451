"""Logistic regression on the numbers themselves: a slope needs far fewer rows than bins or trees.

Reads the matrix of `columns.encode`; additive in log-odds by column; plain arrays in JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scoring.train.columns import Column
from scoring.train.design import Folds, centred, coded, looked_up, out_of_fold, regress

# On standardised columns. Ten times as much overfits 40 conversions and gains nothing with 1,000.
INVERSE_PENALTY = 0.01
# A number beyond these quantiles of the training rows counts as the quantile: a slope knows no
# better, and one absurd amount must not rule a score.
LOWEST, HIGHEST = 0.01, 0.99


@dataclass(frozen=True)
class LinearLogistic:
    """Column j adds `terms[j][code]`, missing last. Of a number the code is 0 and it adds
    `slopes[j]` times its distance from `centres[j]`, after clipping to [`low[j]`, `high[j]`].
    Centred on the training rows as in `BinnedLogistic`.
    """

    numeric: np.ndarray
    low: np.ndarray
    high: np.ndarray
    centres: np.ndarray
    slopes: np.ndarray
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
    ) -> tuple[LinearLogistic, np.ndarray]:
        """One model on all rows, and margins (n,) from folds that did not see the row.

        `y` (n,) is 0 or 1, `weight` (n,) is not negative, not all zero. Limits and scales are those
        of all rows: they tell nothing about the label.
        """
        numeric = np.array([column.kind == "numeric" for column in columns])
        limits = [
            _limits(matrix[:, j]) if is_number else (0.0, 0.0)
            for j, is_number in enumerate(numeric)
        ]
        low, high = np.array(limits).T
        counts = [1 if n else column.n_codes for n, column in zip(numeric, columns, strict=True)]
        counts = [count + 1 for count in counts]
        codes = coded(numeric, counts, matrix)
        values = np.where(numeric, np.clip(matrix, low, high), 1.0)
        values[np.isnan(values)] = 1.0
        present = numeric & (codes == 0)
        share = np.maximum(present.mean(axis=0), 1 / len(y))
        centres = np.where(numeric, (values * present).mean(axis=0) / share, 0.0)
        distance = np.where(present, values - centres, 1.0)
        scales = _scales(codes, distance, present, counts)
        data = distance * looked_up(scales, codes)

        def fitted(rows: np.ndarray) -> tuple[tuple[np.ndarray, ...], float]:
            found, base = regress(
                codes[rows], data[rows], counts, y[rows], weight[rows], INVERSE_PENALTY
            )
            return tuple(f * scale for f, scale in zip(found, scales, strict=True)), base

        def of_rows(found: tuple[tuple[np.ndarray, ...], float], rows: np.ndarray) -> np.ndarray:
            return found[1] + (looked_up(found[0], codes[rows]) * distance[rows]).sum(axis=1)

        found, base = fitted(np.arange(len(y)))
        slopes = np.array([f[0] if n else 0.0 for f, n in zip(found, numeric, strict=True)])
        # A number at its centre adds nothing; the slopes' mean is left to the centring of terms.
        offsets = tuple(
            np.array([0.0, f[1]]) if n else f for f, n in zip(found, numeric, strict=True)
        )
        terms, base = centred(offsets, codes, weight, base)
        moved = slopes * np.where(present, distance, 0.0)
        means = weight @ moved / weight.sum()
        terms = tuple(term - mean for term, mean in zip(terms, means, strict=True))
        member = cls(numeric, low, high, centres, slopes, terms, base + float(means.sum()))
        return member, out_of_fold(folds, fitted, of_rows, len(y))

    def contributions(self, matrix: np.ndarray) -> np.ndarray:
        """Log-odds (n, k) that each column adds to `base`."""
        codes = coded(self.numeric, [len(term) for term in self.terms], matrix)
        distance = np.clip(matrix, self.low, self.high) - self.centres
        moved = np.where(self.numeric & (codes == 0), distance, 0.0) * self.slopes
        return looked_up(self.terms, codes) + moved

    def margin(self, matrix: np.ndarray) -> np.ndarray:
        """Log-odds (n,)."""
        return self.base + self.contributions(matrix).sum(axis=1)

    def to_json(self) -> dict[str, Any]:
        arrays = ("numeric", "low", "high", "centres", "slopes")
        return {
            **{name: getattr(self, name).tolist() for name in arrays},
            "terms": [term.tolist() for term in self.terms],
            "base": self.base,
        }

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> LinearLogistic:
        numbers = ("low", "high", "centres", "slopes")
        return cls(
            np.asarray(state["numeric"], dtype=bool),
            *(np.asarray(state[name], dtype=float) for name in numbers),
            tuple(np.asarray(term, dtype=float) for term in state["terms"]),
            float(state["base"]),
        )


def _scales(
    codes: np.ndarray, distance: np.ndarray, present: np.ndarray, counts: Sequence[int]
) -> tuple[np.ndarray, ...]:
    """What to multiply each place with, so that its entries have a standard deviation of 1."""
    scales = []
    n = len(codes)
    for j, count in enumerate(counts):
        share = np.bincount(codes[:, j], minlength=count) / n
        deviation = np.sqrt(share * (1 - share))
        if present[:, j].any():
            deviation[0] = np.sqrt((np.where(present[:, j], distance[:, j], 0.0) ** 2).mean())
        scales.append(np.divide(1, deviation, out=np.zeros(count), where=deviation > 1e-12))
    return tuple(scales)


def _limits(values: np.ndarray) -> tuple[float, float]:
    present = values[~np.isnan(values)]
    low, high = np.quantile(present, [LOWEST, HIGHEST], method="nearest")
    # Where nearly all rows have one value, the others are all that there is to learn from.
    return (low, high) if low < high else (present.min(), present.max())
