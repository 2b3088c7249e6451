"""Feature columns from the past of snapshots: counting, not searching."""

from collections.abc import Sequence

import numpy as np

from scoring.build.block import Block
from scoring.build.columns import Column
from scoring.build.operators import OPERATORS
from scoring.build.past import blocks
from scoring.engine.arrays import Events, Stream


def reduce_stream(
    stream: Stream,
    events: Events,
    columns: Sequence[Column],
    lead_key: np.ndarray,
    as_of: np.ndarray,
) -> dict[str, np.ndarray]:
    """Column → (snapshots,): float64 with NaN for missing, or texts with None.

    The snapshots are (lead_key, as_of), as_of in microseconds since 1970 UTC.
    """
    found: dict[str, list[np.ndarray]] = {column.name: [] for column in columns}
    selections = {c.name: stream.selected(c.types, c.direction) for c in columns}
    parts = {c.name: stream.selected(c.part, c.direction) for c in columns if c.part is not None}
    group = _groups([*selections.values(), *parts.values()], len(stream.kinds))
    for past in blocks(events, lead_key, as_of):
        block = Block(events, past, group, selections, parts)
        for column in columns:
            found[column.name].append(OPERATORS[column.op](block, column))
    return {name: np.concatenate(made) for name, made in found.items() if made}


def _groups(selections: Sequence[np.ndarray], kinds: int) -> np.ndarray:
    """(kinds,) int: kinds that every selection treats alike have the same group."""
    if not selections or not kinds:
        return np.zeros(kinds, dtype=np.int64)
    _, group = np.unique(np.stack(selections), axis=1, return_inverse=True)
    return np.asarray(group).ravel()
