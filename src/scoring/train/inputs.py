"""What `ConversionModel.fit` is given, checked and as arrays: labels, weights, times, groups.

Every check says in one sentence what was expected and what came. `canonical_order` makes a fit
independent of the order in which rows arrive.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d


def target(y: Any, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The two classes, sorted, and 1.0 for rows (n,) of the second, 0.0 for the first."""
    if y is None:
        raise ValueError("ConversionModel requires y to be passed, but the target y is None.")
    labels = pd.Series(column_or_1d(y, warn=True))
    _require("y", labels, n)
    check_classification_targets(labels.to_numpy())
    classes = np.unique(labels.to_numpy())
    if len(classes) == 1:
        raise ValueError(
            "`y` must hold leads that converted and leads that did not. "
            f"Got one class, {n} rows that are all {classes[0]}."
        )
    if len(classes) != 2:
        raise ValueError(
            "Only binary classification is supported. The type of the target is multiclass: "
            f"`y` must have two classes. Got {len(classes)} instead."
        )
    return classes, (labels.to_numpy() == classes[1]).astype(np.float64)


def weight(sample_weight: Any, n: int) -> np.ndarray:
    """Weights (n,), 1 where none are given."""
    if sample_weight is None:
        return np.ones(n)
    given = pd.Series(np.asarray(sample_weight, dtype=np.float64).ravel())
    _require("sample_weight", given, n)
    if not np.isfinite(given).all() or (given < 0).any() or not given.any():
        raise ValueError("`sample_weight` must be finite, not negative and not all zero.")
    return given.to_numpy()


def moments(time: Any, n: int) -> np.ndarray:
    """Numbers (n,) in the order of `time`: microseconds of timestamps, UTC."""
    given = pd.Series(np.asarray(time) if not isinstance(time, pd.Series) else time)
    _require("time", given, n)
    if isinstance(given.dtype, pd.DatetimeTZDtype):
        given = given.dt.tz_convert("UTC").dt.tz_localize(None)
    if given.dtype.kind == "M":
        return given.astype("datetime64[us]").to_numpy().astype(np.int64)
    if given.dtype.kind not in "iuf":
        raise ValueError(f"`time` must hold timestamps or numbers. Got {given.dtype} instead.")
    return given.to_numpy()


def group_codes(groups: Any, n: int) -> np.ndarray:
    """Codes (n,) from 0 without gaps, in the order of the groups' names."""
    labels = pd.Series(np.asarray(groups).ravel())
    _require("groups", labels, n)
    return np.unique(labels.astype(str).to_numpy(dtype=object), return_inverse=True)[1]


def _require(name: str, values: pd.Series, n: int) -> None:
    if len(values) != n:
        raise ValueError(f"`{name}` must have one value per row of `X` ({n}). Got {len(values)}.")
    if values.isna().any():
        raise ValueError(f"`{name}` must not have missing values. Got {int(values.isna().sum())}.")


def canonical_order(
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
