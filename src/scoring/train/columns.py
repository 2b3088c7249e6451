"""What the model knows about each column of its input: kind, category levels, median.

    fit      a DataFrame -> one `Column` per column (unsupervised: the label is never looked at)
    encode   a DataFrame -> float64 matrix, one column per `Column`, matched by name

Three kinds. `numeric`: numbers and booleans; missing and infinite values are NaN. `category`:
texts and pandas categories; the value is the level's index, `len(levels)` for the pooled rare
levels, NaN for missing. `empty`: nothing but missing values at fit; always NaN, whatever comes
later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.sparse import issparse

Kind = Literal["numeric", "category", "empty"]

# A column of free text or of identifiers must not become ten thousand parameters.
LEVELS_AT_MOST = 250

_NUMBERS = {"integer", "floating", "mixed-integer-float", "decimal", "boolean"}
_TIMES = {
    "datetime",
    "datetime64",
    "date",
    "time",
    "timedelta",
    "timedelta64",
    "period",
    "interval",
}
_TEXTS = {"string", "mixed-integer", "mixed"}
_CONTAINERS = (list, dict, set, tuple, bytes, np.ndarray)


@dataclass(frozen=True)
class Column:
    """One input column as it was at fit.

    `pooled`: there were levels too rare to keep, which share the code `len(levels)`.
    `median`: of a numeric column without missing values at fit; stands in for a value that is
    missing later, because neither member has learnt what missing means there. None otherwise.
    """

    name: str
    kind: Kind
    levels: tuple[str, ...] = ()
    pooled: bool = False
    median: float | None = None
    codes: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "codes", {level: i for i, level in enumerate(self.levels)})

    @property
    def n_codes(self) -> int:
        """Number of category codes, missing not counted."""
        return len(self.levels) + self.pooled

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": self.kind,
            "levels": list(self.levels),
            "pooled": self.pooled,
            "median": self.median,
        }

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> Column:
        return cls(**{**state, "levels": tuple(state["levels"])})


def as_frame(X: Any) -> pd.DataFrame:
    """`X` (n, k) as a DataFrame with unique text names; an array's columns are x0, x1, ..."""
    if isinstance(X, pd.DataFrame):
        frame = X.set_axis([str(name) for name in X.columns], axis=1)
    else:
        if issparse(X):
            raise TypeError(
                "`X` must be dense: a sparse matrix is not supported. Pass `X.toarray()`."
            )
        array = np.asarray(X)
        if array.ndim != 2:
            raise ValueError(
                f"`X` must have two dimensions. Got {array.ndim} instead. Reshape your data: a row "
                "per lead, a column per feature."
            )
        if array.dtype.kind == "c":
            raise ValueError(
                "Complex data not supported: `X` must hold numbers, booleans or texts."
            )
        frame = pd.DataFrame(array, columns=[f"x{j}" for j in range(array.shape[1])])
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise ValueError(f"Column names of `X` must be unique. Got {twice!r} more than once.")
    return frame


def fit(X: pd.DataFrame) -> list[Column]:
    """Kinds, levels and medians of the columns of `X`.

    A level is kept if it has at least 2 to 20 rows (more rows ask for more) and is among the
    `LEVELS_AT_MOST` most frequent. The result does not depend on the order of the rows.

    Raises ValueError for columns of dates or times, and of anything else that is no number or text.
    """
    return [_fit_column(name, X[name]) for name in X.columns]


def encode(columns: Sequence[Column], X: pd.DataFrame) -> np.ndarray:
    """Float64 matrix (n, len(columns)) in the order of `columns`.

    Columns are found by name: the order is free, others are ignored, an absent one counts as
    missing throughout. A level that was not kept is pooled with the rare ones if there were any at
    fit, and is missing otherwise. Raises ValueError where a numeric column holds text.
    """
    matrix = np.full((len(X), len(columns)), np.nan)
    for j, column in enumerate(columns):
        if column.kind != "empty" and column.name in X.columns:
            values = X[column.name]
            encoder = _encode_numeric if column.kind == "numeric" else _encode_category
            matrix[:, j] = encoder(column, values)
        if column.median is not None:
            matrix[np.isnan(matrix[:, j]), j] = column.median
    # One bit pattern per value (-0.0 and NaN have several), so that rows can be hashed and sorted.
    matrix += 0.0
    matrix[np.isnan(matrix)] = np.nan
    return matrix


def _fit_column(name: str, values: pd.Series) -> Column:
    kind = _kind(name, values)
    if kind == "empty":
        return Column(name, kind)
    if kind == "numeric":
        numbers = _encode_numeric(Column(name, kind), values)
        missing = np.isnan(numbers)
        if missing.all():
            return Column(name, "empty")
        return Column(name, kind, median=None if missing.any() else float(np.median(numbers)))
    codes, uniques = pd.factorize(values)
    counts: dict[str, int] = {}
    for value, rows in zip(uniques, np.bincount(codes[codes >= 0]), strict=True):
        counts[_level(value)] = counts.get(_level(value), 0) + int(rows)
    rows_at_least = min(20, max(2, len(values) // 200))
    ordered = sorted(counts, key=lambda level: (-counts[level], level))
    kept = [level for level in ordered if counts[level] >= rows_at_least][:LEVELS_AT_MOST]
    return Column(name, kind, tuple(kept), pooled=len(kept) < len(ordered))


def _kind(name: str, values: pd.Series) -> Kind:
    dtype = values.dtype
    if dtype.kind in "iufb":
        return "numeric"
    labels = values.cat.categories if isinstance(dtype, pd.CategoricalDtype) else values
    held = "datetime" if dtype.kind in "mM" else pd.api.types.infer_dtype(labels, skipna=True)
    if held in _TIMES:
        raise ValueError(
            f"Column {name!r} must hold numbers, booleans or texts. Got dates or times instead: "
            "turn them into a duration before the snapshot's as_of, or leave the column out."
        )
    if held == "empty" or (labels is not values and values.isna().all()):
        return "empty"
    if held in _NUMBERS:
        return "numeric" if labels is values else "category"
    containers = held == "mixed" and any(isinstance(value, _CONTAINERS) for value in labels)
    if held not in _TEXTS or containers:
        raise ValueError(
            f"Column {name!r} must hold numbers, booleans or texts. "
            f"Got values of kind {held!r} instead."
        )
    return "category"


def _encode_numeric(column: Column, values: pd.Series) -> np.ndarray:
    if values.dtype.kind not in "iufb" and _kind(column.name, values) == "category":
        raise ValueError(f"Column {column.name!r} must hold numbers, as at fit. Got texts instead.")
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _encode_category(column: Column, values: pd.Series) -> np.ndarray:
    _kind(column.name, values)
    codes, uniques = pd.factorize(values)
    other = float(len(column.levels)) if column.pooled else np.nan
    lookup = np.array([column.codes.get(_level(value), other) for value in uniques] + [np.nan])
    return lookup[codes]  # a missing value has code -1: the last entry


def _level(value: object) -> str:
    """Text of a level: 1, 1.0 and "1" are the same level, however the frame was read."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)
