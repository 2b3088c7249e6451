"""The slow obvious twin of `build`: what every feature, snapshot and label means, in plain Python.

It is written from the English sentences of the documentation, one row at a time, and knows nothing
of the SQL. The engine must equal it.

All times are naive UTC. A history row is visible to a snapshot (lead, as_of) if it happened before
as_of and the CRM knew of it before as_of. What belongs to a lead that was merged is known to the
survivor from the merge on, through every step of a chain.
"""

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from statistics import mean, median
from typing import Any
from zoneinfo import ZoneInfo

from scoring.build.columns import Column, Condition, Selection
from scoring.config import QuestionSection, SnapshotsSection

DAY = timedelta(days=1)
UTC_ZONE = ZoneInfo("UTC")


@dataclass(frozen=True)
class Lead:
    lead_id: str
    created_at: datetime
    merged_into: str | None = None
    merged_at: datetime | None = None
    deleted_at: datetime | None = None
    person_id: str | None = None
    held: bool = False
    first_landed: datetime = datetime(2030, 1, 1)
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """A row of a history table: an interaction, a stage change, an outcome, a field change, a
    contact. After `machine_from` a snapshot knows that a machine did it."""

    lead_id: str
    at: datetime
    what: str  # type, stage, outcome, field or role
    recorded_at: datetime | None = None
    direction: str | None = None
    row_id: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    origin: str = "source"
    gone: bool = False
    machine_from: datetime | None = None

    @property
    def known_at(self) -> datetime:
        return self.recorded_at or self.at


@dataclass(frozen=True)
class World:
    leads: tuple[Lead, ...]
    interactions: tuple[Row, ...] = ()
    stages: tuple[Row, ...] = ()
    outcomes: tuple[Row, ...] = ()
    changes: tuple[Row, ...] = ()
    contacts: tuple[Row, ...] = ()
    zone: ZoneInfo = UTC_ZONE

    def lead(self, lead_id: str) -> Lead:
        return next(lead for lead in self.leads if lead.lead_id == lead_id)

    def survivors(self, lead_id: str) -> Iterator[tuple[str, datetime]]:
        """Every lead on the way to the last survivor, and from when it knows of this one."""
        known_from = datetime.min
        lead = self.lead(lead_id)
        while lead.merged_into is not None and lead.merged_at is not None:
            known_from = max(known_from, lead.merged_at)
            lead = self.lead(lead.merged_into)
            yield lead.lead_id, known_from

    def root(self, lead_id: str) -> str:
        return [lead_id, *(survivor for survivor, _ in self.survivors(lead_id))][-1]

    def history(self, rows: Iterable[Row], lead_id: str) -> list[tuple[datetime, Row, bool]]:
        """(when it was known, row, inherited) of everything that ever belongs to a lead."""
        found = []
        for row in rows:
            if row.gone:
                continue
            if row.lead_id == lead_id:
                found.append((row.known_at, row, False))
            for survivor, known_from in self.survivors(row.lead_id):
                if survivor == lead_id:
                    found.append((max(row.known_at, known_from), row, True))
        return found

    def past(self, rows: Iterable[Row], lead_id: str, as_of: datetime) -> list[Row]:
        """What a snapshot sees, oldest first; equal times by identifier."""
        seen = [
            row
            for known_at, row, _ in self.history(rows, lead_id)
            if row.at < as_of and known_at < as_of
        ]
        return sorted(seen, key=lambda r: (r.at, r.row_id))


# --- features -----------------------------------------------------------------------------------


def feature(world: World, column: Column, lead_id: str, as_of: datetime, row: dict) -> Any:
    """The value of a column; `row` holds the other columns of the snapshot, for comparisons."""
    if column.stream == "columns":
        one, other = (row[name] for name in column.inputs)
        if one is None or other is None:
            return None
        if column.op == "difference":
            return one - other
        return one / other if other else None
    if column.op == "age":
        return (as_of - world.lead(lead_id).created_at) / DAY
    stream = {
        "interactions": world.interactions,
        "stage_changes": world.stages,
        "lead_changes": world.changes,
        "contacts": world.contacts,
    }[column.stream]
    history = world.past(stream, lead_id, as_of)
    past = [r for r in history if selects(column.selection, r, as_of)]
    return _operate(column, history, past, as_of, world.zone)


def selects(selection: Selection, row: Row, as_of: datetime) -> bool:
    """Whether a row is one of the selection, as a snapshot knows it."""
    if selection.types is not None and row.what not in selection.types:
        return False
    if selection.direction is not None and row.direction != selection.direction:
        return False
    if selection.by_person and row.machine_from is not None and row.machine_from < as_of:
        return False
    return all(_meets(condition, row) for condition in selection.where)


def _meets(condition: Condition, row: Row) -> bool:
    """A row without the property does not meet a condition on it, unless it says so."""
    value = row.values.get(condition.of)
    if value is None:
        return condition.or_missing
    if condition.listed is not None:
        return like(value, condition.like)
    if condition.is_in is not None:
        return value in condition.is_in
    if condition.at_least is not None and value < condition.at_least:
        return False
    return condition.at_most is None or value <= condition.at_most


def like(text: str, patterns: Iterable[str]) -> bool:
    """Whether a text is like one of the patterns: `*` is any letters, capitals do not matter."""
    return any(
        re.fullmatch(
            re.escape(p).replace(r"\*", ".*").replace(r"\?", "."), text.strip().lower(), re.S
        )
        for p in patterns
    )


def local(at: datetime, zone: ZoneInfo) -> datetime:
    return at.replace(tzinfo=UTC).astimezone(zone)


def _of(row: Row, name: str | None) -> Any:
    if name in ("type", "stage", "field", "role"):
        return row.what
    return row.direction if name == "direction" else row.values.get(name or "")


def _operate(
    column: Column, history: list[Row], past: list[Row], as_of: datetime, zone: ZoneInfo
) -> Any:
    window = past
    if column.days is not None:
        window = [r for r in past if r.at >= as_of - column.days * DAY]
    given = [v for v in (_of(r, column.of) for r in window) if v is not None]
    then = [r for r in history if column.then and selects(column.then, r, as_of)]
    match column.op:
        case "decayed":
            return sum(0.5 ** ((as_of - r.at) / DAY / column.days) for r in past)
        case "busiest" | "busiest_share":
            stretch = column.within * DAY
            most = max(
                (len([r for r in window if s.at <= r.at < s.at + stretch]) for s in window),
                default=0,
            )
            if column.op == "busiest":
                return most
            return most / len(window) if window else None
        case "min":
            return min(map(float, given)) if given else None
        case "first":
            return given[0] if given else None
        case "changes" | "returns" | "rises" | "falls":
            return len([r for r in _changed(column, past) if r in window])
        case "ahead":
            dates = [_day(v) for v in given if _day(v) is not None]
            now = (as_of - datetime(1970, 1, 1)) / DAY
            if not dates or max(dates) + 1 <= now:
                return None
            return max(max(dates) - now, 0.0)
        case "missed":
            now = (as_of - datetime(1970, 1, 1)) / DAY
            named = [(r, _day(_of(r, column.of))) for r in window]
            return len(
                [
                    r
                    for r, day in named
                    if day is not None and day + 1 <= now and not _behind(history, r, then)
                ]
            )
        case "gap_longest":
            return max(((b.at - a.at) / DAY for a, b in pairwise(past)), default=None)
        case "followed_by" | "followed_share":
            followed = [
                r
                for r in window
                if any(b.at <= r.at + column.within * DAY for b in _behind(history, r, then))
            ]
            if column.op == "followed_by":
                return len(followed)
            return len(followed) / len(window) if window else None
        case "unfollowed":
            return len(
                [
                    r
                    for r in window
                    if r.at + column.within * DAY < as_of
                    and not any(
                        b.at <= r.at + column.within * DAY for b in _behind(history, r, then)
                    )
                ]
            )
        case "unprepared":
            return len(
                [r for r in window if not any(t in history[: history.index(r)] for t in then)]
            )
        case "response_mean" | "response_median" | "response_last" | "waiting_since":
            return _conversation(column, history, past, then, as_of)
        case "furthest":
            return max((p for r in past if (p := _position(column, r.what, r.at))), default=None)
        case "backward" | "skipped":
            moves = [
                (_position(column, a.what, b.at), _position(column, b.what, b.at))
                for a, b in pairwise(history)
                if b in window
            ]
            both = [(a, b) for a, b in moves if a and b]
            if column.op == "backward":
                return len([1 for a, b in both if b < a])
            return sum(b - a - 1 for a, b in both if b > a)
        case "dwell":
            ends = [r.at for r in history[1:]] + [as_of]
            spells = [
                (end - r.at) / DAY for r, end in zip(history, ends, strict=False) if r in past
            ]
            return sum(spells) if spells else None
        case "entered_on":
            if not history or history[-1] not in past:
                return None
            entered = history[-1]
            for r in reversed(history):
                if r.what != entered.what:
                    break
                entered = r
            return (as_of - entered.at) / DAY
        case "count":
            return len(window)
        case "sum":
            return float(sum((Decimal(str(float(v))) for v in given), Decimal(0)))
        case "mean":
            return sum(map(float, given)) / len(given) if given else None
        case "max":
            return max(map(float, given)) if given else None
        case "last":
            return given[-1] if given else None
        case "share":
            part = [r for r in window if selects(column.part, r, as_of)]
            return len(part) / len(window) if window else None
        case "first_on":
            return (as_of - past[0].at) / DAY if past else None
        case "last_on":
            return (as_of - past[-1].at) / DAY if past else None
        case "active_days":
            return len({local(r.at, zone).date() for r in window})
        case "gap_mean":
            gaps = [(b.at - a.at) / DAY for a, b in pairwise(past)]
            return sum(gaps) / len(gaps) if gaps else None
        case "gap_last":
            return (past[-1].at - past[-2].at) / DAY if len(past) > 1 else None
        case "trend":
            before = [r for r in past if r not in window and r.at >= as_of - 2 * column.days * DAY]
            recent, earlier = len(window), len(before)
            return (recent - earlier) / (recent + earlier) if recent + earlier else None
        case "distinct":
            return len(set(given))
        case "repeated":
            return max((given.count(value) for value in given), default=0)
        case "last_listed":
            return like(given[-1], column.like) if given else None
    raise AssertionError(column.op)


def _changed(column: Column, past: list[Row]) -> list[Row]:
    """Rows at which a property changed as the operator says, against the one before."""
    found = []
    seen: dict[str, list[Any]] = {}
    for r in past:
        value = _of(r, column.of)
        if value is None:
            continue
        before = seen.setdefault(r.what if column.stream == "lead_changes" else "", [])
        if (
            before
            and {
                "changes": lambda v=value, b=before: v != b[-1],
                "returns": lambda v=value, b=before: v != b[-1] and v in b,
                "rises": lambda v=value, b=before: v > b[-1],
                "falls": lambda v=value, b=before: v < b[-1],
            }[column.op]()
        ):
            found.append(r)
        before.append(value)
    return found


def _day(value: Any) -> float | None:
    """The day since 1970 that a text or a number names."""
    if value is None or value == "soon":
        return None
    if isinstance(value, str):
        return float((date.fromisoformat(value) - date(1970, 1, 1)).days)
    return float(math.floor(value))


def _behind(history: list[Row], row: Row, then: list[Row]) -> list[Row]:
    """The rows of `then` that stand behind a row in the history."""
    return [r for r in history[history.index(row) + 1 :] if r in then]


def _conversation(
    column: Column, history: list[Row], asks: list[Row], answers: list[Row], as_of: datetime
) -> float | None:
    """Waits of a conversation: opened by the first row that asks, ended by the next answer."""
    opened: Row | None = None
    ended: list[tuple[Row, Row]] = []
    for r in history:
        if r in answers:
            if opened:
                ended.append((opened, r))
            opened = None
        elif r in asks and opened is None:
            opened = r
    if column.op == "waiting_since":
        return (as_of - opened.at) / DAY if opened else None
    start = as_of - column.days * DAY if column.days else datetime.min
    hours = [(b.at - a.at) / timedelta(hours=1) for a, b in ended if a.at >= start]
    if not hours:
        return None
    if column.op == "response_last":
        return hours[-1]
    return median(hours) if column.op == "response_median" else mean(hours)


def _position(column: Column, stage: str, at: datetime) -> int | None:
    """Where a stage stood in the order that was valid at a moment, from 1."""
    valid = column.order[0]
    for order in column.order[1:]:
        if datetime(1970, 1, 1) + timedelta(microseconds=order.valid_from) <= at:
            valid = order
    return valid.stages.index(stage) + 1 if stage in valid.stages else None


def attribute(
    world: World, name: str, lead_id: str, as_of: datetime, *, at_creation: bool, tracked: bool
) -> Any:
    """The lead's field as it was known at as_of; texts of a history stay texts.

    A field that the CRM keeps a history of is what that history says, and nothing is known before
    its first row. Otherwise the landing's comparison of nights counts, and before it began to see
    changes the value that stood there first: at all times for a field known at creation, from the
    first landing on for others.
    """
    lead = world.lead(lead_id)
    own = [r for r in world.changes if r.lead_id == lead_id and r.what == name and not r.gone]
    if tracked:
        own = [r for r in own if r.origin == "source"]
    own.sort(key=lambda r: (r.at, r.known_at, str(r.values["value"])))
    seen = [r for r in own if r.at < as_of and r.known_at < as_of]
    if seen:
        return seen[-1].values["value"]
    if tracked:
        return None
    landed = [r for r in own if r.origin == "landing"]
    if at_creation:
        return landed[0].values["value"] if landed else lead.values.get(name)
    return lead.values.get(name) if not landed and lead.first_landed < as_of else None


# --- snapshots ----------------------------------------------------------------------------------


def decisions(world: World, lead_id: str) -> list[tuple[datetime, Row]]:
    """(known, outcome) of a lead: its own; only without any of its own, those merged into it."""
    history = world.history(world.outcomes, lead_id)
    own = [(known, row) for known, row, inherited in history if not inherited]
    return own or [(known, row) for known, row, _ in history]


def is_open(
    world: World, lead_id: str, as_of: datetime, close_after_days: int, *, scoring: bool
) -> bool:
    """The lead is there and nothing closed it before as_of.

    For training an outcome closes when it was decided; for scoring when the CRM knew it too. One
    of a lead that was merged into this closes from the merge on.
    """
    lead = world.lead(lead_id)
    if lead.held or lead.created_at > as_of:
        return False
    for known_at, row, inherited in world.history(world.outcomes, lead_id):
        closed_at = max(row.at, known_at) if scoring or inherited else row.at
        if row.what != "recycled" and closed_at < as_of:
            return False
    if any(at is not None and at < as_of for at in (lead.deleted_at, lead.merged_at)):
        return False
    return not _fell_silent(world, lead, as_of, close_after_days * DAY)


def _fell_silent(world: World, lead: Lead, as_of: datetime, limit: timedelta) -> bool:
    """More than `limit` without any event, as the CRM came to know of them, before as_of."""
    heard = sorted(
        max(row.at, known_at)
        for rows in (world.interactions, world.stages)
        for known_at, row, _ in world.history(rows, lead.lead_id)
    )
    last = lead.created_at
    for at in [h for h in heard if lead.created_at <= h < as_of]:
        if at > last + limit:
            return True
        last = at
    return as_of > last + limit


def moments(world: World, lead: Lead, asked: SnapshotsSection, until: datetime) -> set[datetime]:
    """When the question looks at a lead, up to and with `until`; `every_days` from 1970 on."""
    found: set[datetime] = set()
    if asked.at_age_days:
        found = {lead.created_at + days * DAY for days in asked.at_age_days}
    elif asked.every_days:
        day = lead.created_at.date() - 2 * DAY
        while day <= until.date() + 2 * DAY:
            if (day - datetime(1970, 1, 1).date()).days % asked.every_days == 0:
                local = datetime(day.year, day.month, day.day, tzinfo=world.zone)
                found.add(local.astimezone(UTC).replace(tzinfo=None))
            day += DAY
    else:
        found = {lead.values[name] for name in asked.at if lead.values.get(name) is not None}
    return {at for at in found if at <= until}


def training_snapshots(
    world: World, asked: SnapshotsSection, until: datetime
) -> list[tuple[str, datetime]]:
    return sorted(
        (lead.lead_id, as_of)
        for lead in world.leads
        for as_of in moments(world, lead, asked, until)
        if is_open(world, lead.lead_id, as_of, asked.close_after_days, scoring=False)
    )


# --- labels -------------------------------------------------------------------------------------


def label(
    world: World, lead_id: str, as_of: datetime, asked: QuestionSection, data_end: datetime
) -> tuple[int, datetime] | None:
    """(label, when it was known), or None: not known by the data's end, censored, or held.

    An absorbed lead carries the outcome of the lead that survived.
    """
    root = world.root(lead_id)
    if any(lead.held and world.root(lead.lead_id) == root for lead in world.leads):
        return None
    if asked.event:
        return _event_label(world, root, as_of, asked, data_end)
    start = as_of if asked.label == "at_decision" else as_of + asked.gap_days * DAY
    end = start + asked.horizon_days * DAY
    inside = []
    for known_at, row in decisions(world, root):
        if asked.label == "at_decision":
            if row.at >= start and row.what != "recycled":
                inside.append((row.at, row.what, max(row.at, known_at)))
        elif start <= row.at < end and known_at < data_end:
            inside.append((row.at, row.what, end))
    first = min(inside) if inside else None
    if asked.label == "within_horizon" and end > data_end:
        return None
    if asked.label == "at_decision" and (first is None or first[2] >= data_end):
        return None
    if first is not None and first[1] in asked.censor:
        return None
    return int(first is not None and first[1] == asked.outcome), first[2] if first else end


def _event_label(
    world: World, root: str, as_of: datetime, asked: QuestionSection, data_end: datetime
) -> tuple[int, datetime] | None:
    """What happened from as_of on, one thing after the other, until something answers."""
    start = as_of + asked.gap_days * DAY
    end = start + asked.horizon_days * DAY
    if end > data_end:
        return None
    happened = [
        (row.at, 0, row.what)
        for row in world.interactions
        if row.what in asked.event
        and not row.gone
        and row.known_at < data_end
        and world.root(row.lead_id) == root
    ]
    happened += [(row.at, 1, row.what) for known, row in decisions(world, root) if known < data_end]
    for at, is_decision, what in sorted(happened):
        if not as_of <= at < end:
            continue
        if is_decision and what in asked.censor:
            return None
        if is_decision and what != "recycled":
            return 0, end
        if not is_decision and at >= start:
            return 1, end
    return 0, end
