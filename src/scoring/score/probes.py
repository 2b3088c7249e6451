"""Rows that are planted at the edges of what a snapshot may see.

Taking the future away shows what a feature took from it, if the sample holds such a row. Planting
shows it for every window, whatever the sample holds: a copy of a snapshot gets one more row, just
inside or just outside of an edge, and the features say whether they saw it.

    at as_of; recorded at as_of; of a lead that is merged at as_of     nothing may change
    a microsecond before as_of - N days                                nothing with that window
    at as_of - N days                                                  counts of that window: + 1
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from scoring.build.columns import KIND_NAMES, Column
from scoring.score.past_rows import Part

if TYPE_CHECKING:
    import pandas as pd

PROBES = "probes"
TICK, DAY = timedelta(microseconds=1), timedelta(days=1)
TIMES = {
    "interactions": "occurred_at",
    "stage_changes": "changed_at",
    "lead_changes": "changed_at",
    "contacts": "joined_at",
}
# `days` of these is no window.
NO_WINDOW = ("decayed",)
# These look at the window and at the one before it.
TWO_WINDOWS = ("trend",)


@dataclass(frozen=True)
class Probe:
    """One planted row.

    snapshot   position in the sampled rows
    stream, kind, direction   what is planted
    edge       in words, for whoever reads that a feature saw it
    at         before as_of; recorded: the same; None where the row does not say
    merged     the row belongs to another lead, which is merged into this one at as_of
    days       the window whose edge it is; None where nothing may see the row
    inside     counts of that window must see it
    """

    snapshot: int
    stream: str
    kind: str
    direction: str | None
    edge: str
    at: timedelta
    recorded: timedelta | None = None
    merged: bool = False
    days: int | None = None
    inside: bool = False


Kind = tuple[str, str | None]
Kinds = dict[str, list[Kind]]


def make_probes(columns: Sequence[Column], kinds: Kinds, snapshots: int) -> list[Probe]:
    """A few probes for every stream and window of `columns`; each takes another snapshot.

    kinds   stream → the (kind, direction) pairs that the history holds
    """
    found: list[Probe] = []
    for stream in TIMES:
        own = [c for c in columns if c.stream == stream]
        if not own or not kinds.get(stream):
            continue

        def add(kind: Kind, edge: str, at: timedelta, stream: str = stream, **more: Any) -> None:
            found.append(Probe(len(found) % snapshots, stream, *kind, edge, at, **more))

        usual = _most_read(own, kinds[stream])
        add(usual, "at as_of", timedelta())
        add(usual, "recorded at as_of", DAY, recorded=timedelta())
        add(usual, "of a lead that is merged in at as_of", DAY, merged=True)
        for days in sorted({w for c in own for w in windows(c)}):
            counted = [c for c in own if c.op == "count" and c.days == days and not c.where]
            kind = _most_read(counted or own, kinds[stream])
            before = f"a microsecond before the last {days} days"
            add(kind, before, days * DAY + TICK, days=days)
            if counted:
                edge = f"at the start of the last {days} days"
                add(kind, edge, days * DAY, days=days, inside=True)
    return found


def windows(column: Column) -> tuple[int, ...]:
    """The windows whose edges decide the column's value."""
    if column.days is None or column.op in NO_WINDOW:
        return ()
    return (column.days, 2 * column.days) if column.op in TWO_WINDOWS else (column.days,)


def reach(column: Column) -> int | None:
    """Days before as_of that it looks back; None: the whole history."""
    return max(windows(column), default=None)


def _most_read(columns: Sequence[Column], kinds: Sequence[Kind]) -> Kind:
    """The kind that most of the columns select."""
    return max(kinds, key=lambda kind: sum(_selects(c, *kind) for c in columns))


def _selects(column: Column, kind: str, direction: str | None) -> bool:
    return (column.types is None or kind in column.types) and (
        column.direction is None or column.direction == direction
    )


def probing_part(part: Part, probes: Sequence[Probe]) -> Part:
    """The snapshots that the probes are planted into, each a pseudo-lead of its own."""
    rows = part.rows.iloc[[probe.snapshot for probe in probes]].reset_index(drop=True)
    return Part(PROBES, rows, part.features, part.settings, part.through)


def planted(part: Part, probes: Sequence[Probe]) -> "dict[str, pd.DataFrame]":
    """The probes as rows of the canonical tables; `part` as `probing_part` gave it."""
    import pandas as pd

    made: dict[str, list[dict[str, Any]]] = {}
    for number, (probe, lead) in enumerate(zip(probes, part.pseudo_ids(), strict=True)):
        as_of = part.rows["as_of"].iloc[number]
        owner = lead
        if probe.merged:
            owner = f"{lead}/merged"
            made.setdefault("leads", []).append(
                {
                    "lead_id": owner,
                    "created_at": as_of - 2 * DAY,
                    "merged_into": lead,
                    "merged_at": as_of,
                }
            )
        row = {
            "lead_id": owner,
            TIMES[probe.stream]: as_of - probe.at,
            KIND_NAMES[probe.stream]: probe.kind,
            # Where nothing is said, it was recorded when it happened.
            "recorded_at": as_of - (probe.at if probe.recorded is None else probe.recorded),
        }
        if probe.stream == "interactions":
            row |= {"interaction_id": f"{lead}/planted", "direction": probe.direction}
        elif probe.stream == "contacts":
            row["contact_id"] = f"{lead}/planted"
        made.setdefault(probe.stream, []).append(row)
    return {table: pd.DataFrame(rows) for table, rows in made.items()}


@dataclass(frozen=True)
class Seen:
    """A feature that a planted row changed, or did not change, against the rules."""

    probe: Probe
    place: int
    feature: str
    before: Any
    after: Any


def judge(
    probes: Sequence[Probe],
    columns: Sequence[Column],
    before: "pd.DataFrame",
    after: "pd.DataFrame",
) -> Iterator[Seen]:
    """Every feature that saw what it must not see, or missed what it must count.

    before   the features of the sampled snapshots, by position; after: of the probes, by number;
             snapshots that could not be built are absent
    """
    for number, probe in enumerate(probes):
        if number not in after.index or probe.snapshot not in before.index:
            continue
        old, new = before.loc[probe.snapshot], after.loc[number]
        for column in columns:
            if column.stream != probe.stream:
                continue
            a, b = old[column.name], new[column.name]
            same = _same(a, b)
            blind = probe.days is None or (
                not probe.inside and (looks := reach(column)) is not None and looks <= probe.days
            )
            counts = (
                probe.inside
                and column.op == "count"
                and column.days == probe.days
                and not column.where
                and _selects(column, probe.kind, probe.direction)
            )
            if (blind and not same) or (counts and b != a + 1):
                yield Seen(probe, number, column.name, a, b)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, str) or isinstance(b, str):
        return a == b
    missing = (a is None or np.isnan(a), b is None or np.isnan(b))
    return all(missing) or (not any(missing) and abs(a - b) <= 1e-9 * max(1.0, abs(a)))
