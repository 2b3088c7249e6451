"""Which events of a lead a snapshot saw, and why it did not see the others.

Times, types and directions only: no text and no name of a person.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

from scoring.check.tables import Tables
from scoring.engine.connection import literal, scalar
from scoring.project import Project
from scoring.score.not_scored import partition_of_key

SEEN = "seen"
# Why an event was not seen, in the order in which it is asked.
UNSEEN = {
    "happened_later": "happened at or after that moment",
    "recorded_later": "recorded later",
    "merged_later": "came with a lead that was merged later",
    "landed_later": "landed after the score was made",
    "withdrawn": "replaced or withdrawn before",
}


@dataclass(frozen=True)
class Event:
    """happened and recorded are aware (UTC). `table` is interactions or stage_changes, and `type`
    the type or the stage. inherited: it came with a lead that was merged into this one."""

    table: str
    happened: datetime
    recorded: datetime
    type: str
    direction: str | None
    inherited: bool

    def to_json(self) -> dict[str, Any]:
        return {
            "table": self.table,
            "happened_at": self.happened.isoformat(),
            "recorded_at": self.recorded.isoformat(),
            "type": self.type,
            "direction": self.direction,
            "inherited": self.inherited,
        }


@dataclass(frozen=True)
class Events:
    """The events that a snapshot saw, newest first, and how many it did not see, by reason."""

    seen: list[Event]
    unseen: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        return {"seen": [e.to_json() for e in self.seen], "not_seen": dict(self.unseen)}

    def lines(self, zone: tzinfo, most: int) -> Iterator[str]:
        inherited = sum(e.inherited for e in self.seen)
        merged = f", {inherited} of them from a merged lead" if inherited else ""
        yield f"It saw {len(self.seen)} events{merged}."
        for e in self.seen[:most]:
            happened, recorded = _local(e.happened, zone), _local(e.recorded, zone)
            late = f" (recorded {recorded})" if recorded != happened else ""
            towards = f"  {e.direction}" if e.direction else ""
            kind = f"stage {e.type}" if e.table == "stage_changes" else e.type
            mark = "  from a merged lead" if e.inherited else ""
            yield f"  {happened}  {kind}{towards}{mark}{late}"
        if len(self.seen) > most:
            yield f"  and {len(self.seen) - most} older ones (--json lists all)"
        if self.unseen:
            told = ", ".join(f"{n} {UNSEEN[why]}" for why, n in self.unseen.items())
            yield f"It did not see {sum(self.unseen.values())}: {told}."


def events_of(project: Project, lead: str, as_of: datetime, through: datetime | None) -> Events:
    """Interactions and stage changes of a lead as a score of `as_of` saw them.

    through   what had landed by then
    """
    tables = Tables.open(project)
    at = _moment(as_of)
    landed, gone = "false", "e.gone_landed IS NOT NULL"
    if through is not None:
        landed = f"e.first_landed > {_moment(through)}"
        gone = f"e.gone_landed <= {_moment(through)}"
    with project.connect() as connection:
        key = scalar(
            connection,
            f"SELECT lead_key FROM {tables.scan('leads')} WHERE lead_id = {literal(lead)}",
        )
        if key is None:
            return Events([], {})
        part = partition_of_key(tables, key)
        selects = [
            f"""
SELECT {literal(table)} AS name, e.{time} AS happened, coalesce(e.recorded_at, e.{time}) AS own,
    {kind} AS type, {direction} AS direction, e.inherited, e.seq,
    CASE WHEN e.{time} >= {at} THEN 'happened_later'
        WHEN coalesce(e.recorded_at, e.{time}) >= {at} THEN 'recorded_later'
        WHEN e.known_at >= {at} THEN 'merged_later'
        WHEN {landed} THEN 'landed_later'
        WHEN {gone} THEN 'withdrawn'
        ELSE {literal(SEEN)} END AS sight
FROM {tables.scan(table, part)} e WHERE e.lead_key = {key}"""
            for table, time, kind, direction in (
                ("interactions", "occurred_at", "e.type", "e.direction"),
                ("stage_changes", "changed_at", "e.stage", "NULL::VARCHAR"),
            )
        ]
        rows = connection.execute(
            f"SELECT * FROM ({' UNION ALL '.join(selects)}) ORDER BY happened DESC, name, seq DESC"
        ).fetchall()
    seen = [
        Event(name, _aware(happened), _aware(own), kind, direction, inherited)
        for name, happened, own, kind, direction, inherited, _, sight in rows
        if sight == SEEN
    ]
    counted = Counter(row[-1] for row in rows)
    return Events(seen, {why: counted[why] for why in UNSEEN if counted[why]})


def _moment(at: datetime) -> str:
    return f"TIMESTAMP {literal(at.astimezone(UTC).strftime('%Y-%m-%d %H:%M:%S.%f'))}"


def _aware(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC)


def _local(at: datetime, zone: tzinfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}"
