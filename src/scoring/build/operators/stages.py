"""The way along the pipeline, by the order of its stages."""

import numpy as np

from scoring.build.block import Block, missing_where
from scoring.build.columns import Column
from scoring.build.operators.sums import whole_sum
from scoring.engine.arrays import DAY


def furthest(block: Block, column: Column) -> np.ndarray:
    rows = block.rows(block.mask(column.selection))
    place = _positions(block, column, rows, rows)
    found = np.zeros(block.past.size)
    np.maximum.at(found, block.past.snapshot[rows], place)
    return missing_where(found == 0, found)


def backward(block: Block, column: Column) -> np.ndarray:
    snapshot, before, place = _moves(block, column)
    back = snapshot[place < before]
    return np.bincount(back, minlength=block.past.size).astype(float)


def skipped(block: Block, column: Column) -> np.ndarray:
    snapshot, before, place = _moves(block, column)
    over = np.maximum(place - before - 1, 0)
    return whole_sum(snapshot, over, block.past.size).astype(float)


def _moves(block: Block, column: Column) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Changes to selected stages in the window, where both stages have a position in the order of
    the change: snapshot, position before, position after."""
    selected = block.mask(column.selection)[block.kind]
    follows = np.diff(block.past.snapshot, prepend=-1) == 0
    if column.days is not None:
        follows &= block.past.age <= column.days * DAY
    to = np.flatnonzero(selected & follows)
    before = _positions(block, column, to - 1, to)
    place = _positions(block, column, to, to)
    both = (before > 0) & (place > 0)
    return block.past.snapshot[to[both]], before[both], place[both]


def _positions(
    block: Block, column: Column, stage_of: np.ndarray, at_time_of: np.ndarray
) -> np.ndarray:
    """Position of a row's stage, from 1, in the order that was valid at another row; 0: none."""
    names = [name for name, _ in block.kinds.stream.kinds]
    table = np.array(
        [
            [o.stages.index(name) + 1 if name in o.stages else 0 for name in names]
            for o in column.order
        ],
        dtype=np.int64,
    ).reshape(len(column.order), len(names))
    starts = np.array([o.valid_from or 0 for o in column.order[1:]], dtype=np.int64)
    which = np.searchsorted(starts, block.events.time[block.past.row[at_time_of]], side="right")
    return np.asarray(table[which, block.events.kind[block.past.row[stage_of]]])


def dwell(block: Block, column: Column) -> np.ndarray:
    snapshot, age = block.past.snapshot, block.past.age
    until = np.append(age[1:], 0)
    until[np.diff(snapshot, append=-1) != 0] = 0
    rows = block.rows(block.mask(column.selection))
    total = whole_sum(snapshot[rows], (age - until)[rows], block.past.size)
    n = np.bincount(snapshot[rows], minlength=block.past.size)
    return missing_where(n == 0, total / DAY)


def entered_on(block: Block, column: Column) -> np.ndarray:
    snapshot, age = block.past.snapshot, block.past.age
    stage, _ = block.property("stage")
    stage = stage[block.past.row]
    new = np.diff(snapshot, prepend=-1) != 0
    enters = new | (np.diff(stage, prepend=-1) != 0)
    start = np.maximum.accumulate(np.where(enters, np.arange(len(snapshot)), 0))
    now = np.flatnonzero(np.diff(snapshot, append=-1) != 0)
    now = now[block.mask(column.selection)[block.kind[now]]]
    found = np.full(block.past.size, np.nan)
    found[snapshot[now]] = age[start[now]] / DAY
    return found
