"""Texts of a field history as numbers."""

import numpy as np

from scoring.contracts import LARGEST


def as_numbers(texts: np.ndarray) -> np.ndarray:
    """(n,) float64: decimal numbers as they are, ISO dates as days since 1970-01-01 (UTC), else
    NaN. A history of texts has passed no contract: infinities and 1e12 and more are NaN, too.
    """
    import pandas as pd

    listed = pd.Series(texts, dtype=object)
    found = pd.to_numeric(listed, errors="coerce").astype("float64")
    dates = listed[found.isna()]
    if len(dates):
        parsed = pd.to_datetime(dates, format="ISO8601", errors="coerce", utc=True)
        days = (parsed - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(days=1)
        found[dates.index] = days.astype("float64")
    values = found.to_numpy()
    return np.where(np.abs(values) < LARGEST, values, np.nan)
