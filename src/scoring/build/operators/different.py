"""How many different ones: values of a property, local days."""

import numpy as np
import pandas as pd

from scoring.build.block import Block
from scoring.build.columns import Column
from scoring.engine.arrays import DAY


def active_days(block: Block, column: Column) -> np.ndarray:
    rows = block.rows(block.selections[column.name])
    day = block.events.values["local_day"][block.past.row[rows]].astype(np.int64)
    return distinct_count(block, rows, day, column.days)


def distinct(block: Block, column: Column) -> np.ndarray:
    rows = block.rows(block.selections[column.name])
    values = block.events.values[column.of or ""][block.past.row[rows]]
    if column.of in block.events.levels:
        has, codes = values >= 0, values
    else:
        has = ~np.isnan(values)
        codes = np.unique(values, return_inverse=True)[1]
    return distinct_count(block, rows[has], codes[has].astype(np.int64), column.days)


def distinct_count(
    block: Block, rows: np.ndarray, codes: np.ndarray, days: int | None
) -> np.ndarray:
    """(size,) how many different codes have a row in the window: their newest row decides."""
    if not len(rows):
        return np.zeros(block.past.size)
    width = int(codes.max()) + 1
    pair = block.past.snapshot[rows].astype(np.int64) * width + codes
    if (np.diff(pair) >= 0).all():  # days ascend within a snapshot: no need to look back
        newest = np.diff(pair, append=-1) != 0
    else:
        newest = ~pd.Series(pair).duplicated(keep="last").to_numpy()
    kept = rows[newest]
    if days is not None:
        kept = kept[block.past.age[kept] <= days * DAY]
    return np.bincount(block.past.snapshot[kept], minlength=block.past.size).astype(float)
