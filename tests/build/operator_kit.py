"""Histories as arrays, without an engine: what operators are tested on."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import twin
from build_kit import columns, words
from twin import DAY, Lead, Row, World

from scoring.build.columns import STREAMS, Column, StageOrder
from scoring.build.declare import Declaration
from scoring.build.lists import Lists
from scoring.build.reduce import reduce_stream
from scoring.build.vocabulary import Vocabulary
from scoring.engine.arrays import NEVER, Events, Stream

START = datetime(2026, 3, 1)
HOUR = timedelta(hours=1)
STAGES = ("new", "talks", "offer", "close")
OLD_STAGES = ("new", "offer", "talks")
# The order changed forty days after START; `lost touch` is a stage of neither.
ORDER = (
    StageOrder(OLD_STAGES),
    StageOrder(STAGES, (START + 40 * DAY - datetime(1970, 1, 1)) // timedelta(microseconds=1)),
)
PROPERTIES: Mapping[str, Mapping[str, str]] = {
    "interactions": {
        "minutes": "number", "mood": "text", "ok": "flag", "contact_id": "text", "due": "text",
        "due_day": "number", "local_day": "number", "local_hour": "number",
    },
    "stage_changes": {},
    "lead_changes": {"value": "text", "number": "number"},
    "contacts": {"contact_id": "text", "seniority": "text"},
}  # fmt: skip
TYPES = ("ask", "reply", "meet", 'it\'s "odd"')
VOCABULARY: Vocabulary = replace(
    words(
        TYPES,
        stages=(*STAGES, "lost touch"),
        directions={"inbound": TYPES, "outbound": TYPES},
        properties=PROPERTIES["interactions"],
    ),
    of_streams=PROPERTIES,
    order=ORDER,
    lists=Lists(values={"cheerful": ["Go*", "x"], "talk": ["c1", "?"]}),
)
VOCABULARY = replace(
    VOCABULARY,
    types={
        **VOCABULARY.types,
        "lead_changes": {"budget": 1000, "close_on": 1000},
        "contacts": {"decider": 1000, "user": 1000},
    },
)


def one(declaration: Declaration) -> Column:
    """The column of a declaration with one window at most."""
    (column,) = columns(VOCABULARY, x=declaration)
    return column


def values(
    world: World,
    found: Sequence[Column],
    snapshots: Sequence[tuple[str, datetime]],
    properties: Mapping[str, Mapping[str, str]] = PROPERTIES,
) -> list[dict[str, Any]]:
    """Column → value of each (lead_id, as_of), as the arrays give it; missing is None."""
    leads = sorted(lead.lead_id for lead in world.leads)
    order = sorted(range(len(snapshots)), key=lambda n: (leads.index(snapshots[n][0]), n))
    key = np.array([leads.index(snapshots[n][0]) for n in order])
    as_of = np.array([micros(snapshots[n][1]) for n in order])
    made: list[dict[str, Any]] = [{} for _ in snapshots]
    for name in STREAMS:
        own = [c for c in found if c.stream == name]
        if own:
            stream, events = arrays(world, name, leads, properties)
            for column, told in reduce_stream(stream, events, own, key, as_of).items():
                for place, value in zip(order, told, strict=True):
                    missing = value is None or (isinstance(value, float) and math.isnan(value))
                    made[place][column] = None if missing else value
    return made


def value(rows: Sequence[Row], declaration: Declaration, as_of: datetime = START + 9 * DAY) -> Any:
    """What an operator makes of the rows of one lead."""
    column = one(declaration)
    lists = {"interactions": (), "stage_changes": (), "lead_changes": (), "contacts": ()}
    lists[column.stream] = tuple(rows)  # type: ignore[assignment]
    world = World(
        (Lead("a", START),),
        lists["interactions"],
        lists["stage_changes"],
        changes=lists["lead_changes"],
        contacts=lists["contacts"],
    )
    (made,) = values(world, [column], [("a", as_of)])
    assert equal(column, made[column.name], twin.feature(world, column, "a", as_of, {}))
    return made[column.name]


def table(*rows: tuple[Any, ...]) -> list[Row]:
    """Rows of lead `a`: (day after START, type[, direction[, properties]]), numbered in this order,
    which orders equal times."""
    made = []
    for number, (day, what, *rest) in enumerate(rows):
        towards, told = [*rest, None, {}][:2] if len(rest) != 1 else (rest[0], {})
        if isinstance(towards, dict):
            towards, told = None, towards
        made.append(Row("a", START + day * DAY, what, None, towards, f"{number:03d}", told or {}))
    return made


def arrays(
    world: World,
    name: str,
    leads: Sequence[str],
    properties: Mapping[str, Mapping[str, str]] = PROPERTIES,
) -> tuple[Stream, Events]:
    """One stream of a world, as an engine hands it over."""
    table = {
        "interactions": world.interactions,
        "stage_changes": world.stages,
        "lead_changes": world.changes,
        "contacts": world.contacts,
    }[name]
    rows = [
        (place, r, known)
        for place, lead in enumerate(leads)
        for known, r, _ in world.history(table, lead)
    ]
    rows.sort(key=lambda x: (x[0], x[1].at, x[1].row_id))
    kinds = sorted({(r.what, r.direction) for _, r, _ in rows}, key=str)
    told: dict[str, np.ndarray] = {}
    levels: dict[str, np.ndarray] = {}
    for of, kind in properties[name].items():
        listed = [r.values.get(of) for _, r, _ in rows]
        if kind == "text":
            texts = list(dict.fromkeys(v for v in listed if v is not None))
            levels[of] = np.array(texts, dtype=object)
            told[of] = np.array([-1 if v is None else texts.index(v) for v in listed], dtype=int)
        else:
            told[of] = np.array([np.nan if v is None else float(v) for v in listed])
    if name == "interactions":
        local = [twin.local(r.at, world.zone) for _, r, _ in rows]
        told["local_day"] = np.array([(t.date() - datetime(1970, 1, 1).date()).days for t in local])
        told["local_hour"] = np.array([float(t.hour) for t in local])
    machine = [NEVER if r.machine_from is None else micros(r.machine_from) for _, r, _ in rows]
    return Stream(name, tuple(kinds)), Events(
        lead_key=np.array([place for place, _, _ in rows], dtype=np.int64),
        time=np.array([micros(r.at) for _, r, _ in rows], dtype=np.int64),
        known=np.array([micros(known) for _, _, known in rows], dtype=np.int64),
        kind=np.array([kinds.index((r.what, r.direction)) for _, r, _ in rows], dtype=np.int64),
        values=told,
        levels=levels,
        machine=np.array(machine, dtype=np.int64),
    )


def micros(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1)) // timedelta(microseconds=1)


EXACT = (
    "count", "sum", "max", "min", "first", "last", "active_days", "distinct", "first_on",
    "last_on", "changes", "returns", "rises", "falls", "missed", "followed_by", "busiest",
    "furthest", "backward", "skipped", "entered_on", "waiting_since", "last_listed", "repeated",
    "unfollowed", "unprepared",
)  # fmt: skip


def equal(column: Column, got: Any, expected: Any) -> bool:
    """Counts and times exactly, quotients and decays within 1e-9."""
    if got is None or expected is None or column.kind == "category":
        return bool(got == expected)
    if column.op in EXACT:
        return bool(got == float(expected))
    return math.isclose(got, expected, rel_tol=1e-9, abs_tol=1e-9)
