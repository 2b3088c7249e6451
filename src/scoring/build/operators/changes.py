"""How a property changed from row to row."""

import numpy as np
import pandas as pd

from scoring.build.block import Block
from scoring.build.columns import Column
from scoring.engine.arrays import DAY


def changes(block: Block, column: Column) -> np.ndarray:
    rows, _, values, follows = _pairs(block, column)
    return _counted(block, column, rows, _where(follows, values[1:] != values[:-1]))


def returns(block: Block, column: Column) -> np.ndarray:
    rows, history, values, follows = _pairs(block, column)
    code = np.unique(values, return_inverse=True)[1].astype(np.int64)
    seen = history * (int(code.max()) + 1 if len(code) else 1) + code
    again = pd.Series(seen).duplicated().to_numpy()
    changed = _where(follows, values[1:] != values[:-1])
    return _counted(block, column, rows, changed & again)


def rises(block: Block, column: Column) -> np.ndarray:
    rows, _, values, follows = _pairs(block, column)
    return _counted(block, column, rows, _where(follows, values[1:] > values[:-1]))


def falls(block: Block, column: Column) -> np.ndarray:
    rows, _, values, follows = _pairs(block, column)
    return _counted(block, column, rows, _where(follows, values[1:] < values[:-1]))


def _pairs(block: Block, column: Column) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows that have the property, the number of the history that each belongs to (a snapshot's,
    or that of one field of it), their values, and (n - 1,) whether a row follows the one before.
    """
    rows, values, _ = block.having(column)
    history = block.past.snapshot[rows].astype(np.int64)
    if block.kinds.stream.name == "lead_changes":
        field, fields = block.property("field")
        history = history * len(fields if fields is not None else ()) + field[block.past.row[rows]]
        order = np.argsort(history, kind="stable")
        rows, values, history = rows[order], values[order], history[order]
    return rows, history, values, history[1:] == history[:-1]


def _where(follows: np.ndarray, differs: np.ndarray) -> np.ndarray:
    """(n,) bool from (n - 1,): the first row has none before it."""
    return np.concatenate([np.zeros(min(len(follows) + 1, 1), dtype=bool), follows & differs])


def _counted(block: Block, column: Column, rows: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    kept = rows[chosen[: len(rows)]]
    if column.days is not None:
        kept = kept[block.past.age[kept] <= column.days * DAY]
    return np.bincount(block.past.snapshot[kept], minlength=block.past.size).astype(float)
