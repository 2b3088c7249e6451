"""The hand rule of a sales team: whoever was active recently and often is worth a call."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from scoring.train import columns as cols

# Upper ends, each within its band: a day, a week, a month and a quarter since the newest ...
RECENCY_DAYS = (1.0, 7.0, 30.0, 90.0)
# ... and no interaction, one or two, up to five, ten and twenty, or more.
FREQUENCY_COUNTS = (0.0, 2.0, 5.0, 10.0, 20.0)
# A cell starts as if it had seen this many rows at the overall rate, so that a rule made of a
# handful of leads never says 0 or 1.
PRIOR_ROWS = 10.0


class HandRule(ClassifierMixin, BaseEstimator):
    """The conversion rate of the training rows, by band of recency and band of frequency.

    A row belongs to the cell of its two bands; missing is a band of its own (who was never in
    touch has no newest interaction). Its probability is the smoothed rate of that cell:
    (conversions + `PRIOR_ROWS` · overall rate) / (rows + `PRIOR_ROWS`), so the overall rate
    where the training rows had nobody.

    Parameters
    ----------
    recency : column with the days since the newest interaction, at the snapshot.
    frequency : column with the number of interactions in the last 30 (or 90) days before it.
    """

    def __init__(self, recency: str = "last_touch", frequency: str = "touches_30d") -> None:
        self.recency = recency
        self.frequency = frequency

    def fit(self, X: Any, y: Any) -> HandRule:
        """`X` (n, k), `y` (n,) with two labels; the second, sorted, is the conversion.

        Other columns are ignored, an absent one counts as missing. Raises ValueError for a single
        class, and where one of the two columns holds text.
        """
        frame = cols.as_frame(X)
        target = np.asarray(y).ravel()
        check_consistent_length(frame, target)
        self.classes_, converted = np.unique(target, return_inverse=True)
        if len(self.classes_) != 2:
            raise ValueError(f"`y` must have two classes. Got {len(self.classes_)} instead.")
        counts = np.zeros((2, len(RECENCY_DAYS) + 2, len(FREQUENCY_COUNTS) + 2))
        np.add.at(counts, (converted, *self._bands(frame)), 1)
        conversions, rows = counts[1], counts.sum(axis=0)
        prior = PRIOR_ROWS * converted.mean()
        self.rates_ = (conversions + prior) / (rows + PRIOR_ROWS)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (n, 2) in the order of `classes_`."""
        check_is_fitted(self)
        rate = self.rates_[self._bands(cols.as_frame(X))]
        return np.column_stack([1 - rate, rate])

    def _bands(self, frame: Any) -> tuple[np.ndarray, np.ndarray]:
        """The band (n,) of each row in recency and in frequency; the last band is missing."""
        columns = [cols.Column(name, "numeric") for name in (self.recency, self.frequency)]
        days, count = cols.encode(columns, frame).T
        return _band(days, RECENCY_DAYS), _band(count, FREQUENCY_COUNTS)


def _band(values: np.ndarray, ends: tuple[float, ...]) -> np.ndarray:
    return np.where(np.isnan(values), len(ends) + 1, np.searchsorted(ends, values))
