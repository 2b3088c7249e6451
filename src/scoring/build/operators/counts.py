"""How often: rows, shares, trends."""

import numpy as np

from scoring.build.block import Block, missing_where
from scoring.build.columns import Column


def count(block: Block, column: Column) -> np.ndarray:
    return block.counts(column.days, block.selections[column.name]).astype(float)


def share(block: Block, column: Column) -> np.ndarray:
    whole = block.counts(column.days, block.selections[column.name])
    part = block.parts[column.name] & block.selections[column.name]
    return missing_where(whole == 0, block.counts(column.days, part) / np.maximum(whole, 1))


def trend(block: Block, column: Column) -> np.ndarray:
    days, selection = column.days or 0, block.selections[column.name]
    recent, both = block.counts(days, selection), block.counts(2 * days, selection)
    return missing_where(both == 0, (2 * recent - both) / np.maximum(both, 1))
