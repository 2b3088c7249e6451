"""How many different ones: values of a property, local days."""

import numpy as np
import pandas as pd

from scoring.build.block import Block
from scoring.build.columns import Column, told_by_kind
from scoring.engine.arrays import DAY

# Up to this many codes for each row, a table is faster than looking for duplicates.
TABLE_PER_ROW = 4


def active_days(block: Block, column: Column) -> np.ndarray:
    mask = block.mask(column.selection)
    key = ("days", mask.tobytes())

    def newest() -> np.ndarray:
        rows = block.rows(mask)
        return newest_of_each(
            block, rows, block.events.values["local_day"].take(block.past.row.take(rows))
        )

    return _count(block, block.shared(key, newest), column.days)


def distinct(block: Block, column: Column) -> np.ndarray:
    mask, of = block.mask(column.selection), column.of or ""
    if told_by_kind(column.stream, of):
        code, levels = block.kinds.told(of)
        found = np.zeros(block.past.size)
        for number in range(len(levels)):
            found += block.counts(column.days, mask & (code == number)) > 0
        return found

    def newest() -> np.ndarray:
        rows, values, levels = block.having(column)
        codes = values if levels is not None else np.unique(values, return_inverse=True)[1]
        return newest_of_each(block, rows, codes)

    return _count(block, block.shared(("different", of, mask.tobytes()), newest), column.days)


def repeated(block: Block, column: Column) -> np.ndarray:
    rows, values, _ = block.having(column, column.days)
    snapshot = block.past.snapshot[rows]
    found = np.zeros(block.past.size)
    if len(rows):
        order = np.lexsort((values, snapshot))
        snapshot, values = snapshot[order], values[order]
        new = (np.diff(snapshot, prepend=-1) != 0) | (np.diff(values, prepend=np.nan) != 0)
        starts = np.flatnonzero(new)
        np.maximum.at(found, snapshot[starts], np.diff(starts, append=len(rows)))
    return found


def newest_of_each(block: Block, rows: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Of the rows of a snapshot with one code the newest: whether it lies in a window decides
    whether the code does."""
    if not len(rows):
        return rows
    snapshot, codes = block.past.snapshot.take(rows), codes.astype(np.int64)
    differs = np.ones(len(rows), dtype=bool)  # from the row behind it
    differs[:-1] = (snapshot[1:] != snapshot[:-1]) | (codes[1:] != codes[:-1])
    last = np.flatnonzero(differs)
    rows, snapshot, codes = rows.take(last), snapshot.take(last), codes.take(last)
    # Each snapshot has the codes from its lowest to its highest: few, also where all have many.
    starts = np.flatnonzero(np.diff(snapshot, prepend=-1))
    low, high = np.minimum.reduceat(codes, starts), np.maximum.reduceat(codes, starts)
    behind = np.cumsum(high - low + 1)
    base = np.zeros(block.past.size, dtype=np.int64)
    base[snapshot[starts]] = behind - high - 1
    pair = base.take(snapshot) + codes
    if behind[-1] > TABLE_PER_ROW * len(rows):
        return rows[~pd.Series(pair).duplicated(keep="last").to_numpy()]
    newest = np.full(behind[-1], -1)
    newest[pair] = rows  # of several rows the last one stays
    return newest[newest >= 0]


def _count(block: Block, rows: np.ndarray, days: int | None) -> np.ndarray:
    if days is not None:
        rows = rows.take(np.flatnonzero(block.past.age.take(rows) <= days * DAY))
    return np.bincount(block.past.snapshot.take(rows), minlength=block.past.size).astype(float)
