"""Feature columns from the past of snapshots: counting, not searching."""

from collections.abc import Sequence
from time import perf_counter

import numpy as np

from scoring.build.block import Block
from scoring.build.casting import as_compiled
from scoring.build.columns import Column, told_by_kind
from scoring.build.operators import OPERATORS
from scoring.build.past import blocks
from scoring.build.selecting import groups, told_apart
from scoring.engine.arrays import Events, Stream


def reduce_stream(
    stream: Stream,
    events: Events,
    columns: Sequence[Column],
    lead_key: np.ndarray,
    as_of: np.ndarray,
    spent: dict[str, float] | None = None,
) -> dict[str, np.ndarray]:
    """Column → (snapshots,): float64 with NaN for missing, or texts with None.

    The snapshots are (lead_key, as_of), as_of in microseconds since 1970 UTC. `spent` collects the
    seconds that each column took; what several share counts for the first that asks.
    """
    found: dict[str, list[np.ndarray]] = {column.name: [] for column in columns}
    kinds, events = told_apart(stream, as_compiled(events, columns), columns)
    masks = {s: kinds.selected(s) for column in columns for s in column.selections}
    counted = {c.of for c in columns if c.op == "distinct" and told_by_kind(c.stream, c.of or "")}
    group = groups(
        [*masks.values(), *(kinds.told(of or "")[0] for of in counted)],
        len(kinds.stream.kinds) * (2 if kinds.by_machine else 1),
    )
    for past in blocks(events, lead_key, as_of):
        block = Block(kinds, events, past, group, masks)
        for column in columns:
            began = perf_counter()
            found[column.name].append(OPERATORS[column.op](block, column))
            if spent is not None:
                spent[column.name] = spent.get(column.name, 0) + perf_counter() - began
    return {name: np.concatenate(made) for name, made in found.items() if made}
