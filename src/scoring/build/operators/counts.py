"""How often: rows, shares, trends, and rows that weigh less with age."""

import numpy as np

from scoring.build.block import Block, missing_where
from scoring.build.columns import Column
from scoring.build.operators.sums import whole_sum
from scoring.engine.arrays import DAY

# Weights of `decayed` are whole multiples of 1 / ONE: their sums are exact, in any order.
ONE = 1 << 40


def count(block: Block, column: Column) -> np.ndarray:
    return block.counts(column.days, block.mask(column.selection)).astype(float)


def share(block: Block, column: Column) -> np.ndarray:
    mask = block.mask(column.selection)
    assert column.part is not None
    whole = block.counts(column.days, mask)
    part = block.counts(column.days, block.mask(column.part) & mask)
    return missing_where(whole == 0, part / np.maximum(whole, 1))


def trend(block: Block, column: Column) -> np.ndarray:
    days, mask = column.days or 0, block.mask(column.selection)
    recent, both = block.counts(days, mask), block.counts(2 * days, mask)
    return missing_where(both == 0, (2 * recent - both) / np.maximum(both, 1))


def decayed(block: Block, column: Column) -> np.ndarray:
    half_life = (column.days or 0) * DAY
    weights = block.shared(
        f"decayed {half_life}",
        lambda: np.rint(np.exp2(-block.past.age / half_life) * ONE).astype(np.int64),
    )
    rows = block.rows(block.mask(column.selection))
    return whole_sum(block.past.snapshot[rows], weights[rows], block.past.size) / ONE
