"""The records of a HubSpot account in memory: properties with history, an index that lags."""

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from loopback import ScaledClock

MODIFIED = {"contacts": "lastmodifieddate"}
OBJECTS = (
    "companies",
    "contacts",
    "leads",
    "deals",
    "calls",
    "emails",
    "meetings",
    "notes",
    "tasks",
)


def iso(ms: float) -> str:
    whole = datetime.fromtimestamp(int(ms) / 1000, UTC)
    return whole.strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(ms) % 1000:03d}Z"


@dataclass
class Record:
    id: str
    created: int
    modified: int
    properties: dict[str, str]
    history: dict[str, list[tuple[int, str, str]]] = field(default_factory=dict)
    archived: int | None = None
    indexed: int | None = None  # the modified time that the search knows

    def version(self, name: str, value: str, at: int, by: str = "CRM_UI") -> None:
        self.properties[name] = value
        self.history.setdefault(name, []).append((at, value, by))


class Store:
    """The records of one object; `index` is what the search sees: (modified, number), sorted."""

    def __init__(self, kind: str, clock: ScaledClock, lag: float) -> None:
        self.kind, self.clock, self.lag = kind, clock, lag
        self.records: dict[str, Record] = {}
        self.index: list[tuple[int, int]] = []
        self.waiting: list[tuple[float, str]] = []
        self.merged: dict[str, str] = {}

    @property
    def modified_name(self) -> str:
        return MODIFIED.get(self.kind, "hs_lastmodifieddate")

    def load(self, records: list[Record]) -> None:
        """Records that are there from the beginning, and indexed."""
        self.records |= {r.id: r for r in records}
        for record in records:
            record.indexed = record.modified
        self.index = sorted([*self.index, *((r.modified, int(r.id)) for r in records)])

    def touch(self, record: Record, at: int) -> None:
        record.modified = at
        self.waiting.append((self.clock.time() + self.lag, record.id))

    def settle(self) -> None:
        """Let the index catch up with what was written `lag` seconds ago."""
        now = self.clock.time()
        ready = [r for at, r in self.waiting if at <= now]
        self.waiting = [(at, r) for at, r in self.waiting if at > now]
        for each in dict.fromkeys(ready):
            self.reindex(each)

    def reindex(self, each: str) -> None:
        record = self.records.get(each)
        if record is None:
            return
        if record.indexed is not None:
            place = bisect_left(self.index, (record.indexed, int(each)))
            del self.index[place]
            record.indexed = None
        if record.archived is None and each not in self.merged:
            record.indexed = record.modified
            insort(self.index, (record.modified, int(each)))

    def live(self, each: str) -> Record | None:
        """The record of an id; that of the survivor for one that was merged away."""
        while each in self.merged:
            each = self.merged[each]
        record = self.records.get(each)
        return None if record is None or record.archived is not None else record


class State:
    def __init__(self, clock: ScaledClock, lag: float = 0.0) -> None:
        self.clock = clock
        self.stores = {kind: Store(kind, clock, lag) for kind in OBJECTS}
        self.properties: dict[str, dict[str, dict[str, Any]]] = {k: {} for k in OBJECTS}
        self.groups: dict[str, dict[str, dict[str, Any]]] = {k: {} for k in OBJECTS}
        self.associations: dict[tuple[str, str], dict[str, list[str]]] = {}
        self.pipelines: dict[str, list[dict[str, Any]]] = {k: [] for k in OBJECTS}
        self.next_id = 900_000

    def now(self) -> int:
        return int(self.clock.time() * 1000)

    def define(self, kind: str, names: dict[str, str], group: str = "information") -> None:
        """name → type, as HubSpot's own properties."""
        for name, type_ in names.items():
            self.properties[kind][name] = {
                "name": name,
                "label": name,
                "type": type_,
                "fieldType": {"enumeration": "select", "number": "number"}.get(type_, "text"),
                "groupName": group,
                "options": [],
                "description": "",
                "formField": True,
                "hidden": False,
                "displayOrder": -1,
                "hubspotDefined": True,
            }

    def associate(self, kind: str, to: str, pairs: list[tuple[str, str]]) -> None:
        there = self.associations.setdefault((kind, to), {})
        back = self.associations.setdefault((to, kind), {})
        for a, b in pairs:
            if b not in there.setdefault(a, []):
                there[a].append(b)
            if a not in back.setdefault(b, []):
                back[b].append(a)

    def create(self, kind: str, properties: dict[str, str]) -> Record:
        self.next_id += 1
        now = self.now()
        record = Record(str(self.next_id), now, now, {})
        for name, value in properties.items():
            record.version(name, value, now)
        store = self.stores[kind]
        store.records[record.id] = record
        store.touch(record, now)
        return record

    def update(self, kind: str, record: Record, properties: dict[str, str], by: str) -> None:
        now = self.now()
        for name, value in properties.items():
            if record.properties.get(name, "") != value:
                record.version(name, value, now, by)
        self.stores[kind].touch(record, now)

    def archive(self, kind: str, each: str) -> None:
        store = self.stores[kind]
        if (record := store.live(each)) is not None:
            record.archived = self.now()
            store.reindex(each)

    def merge(self, kind: str, primary: str, other: str) -> Record:
        """Two records become a new one, with a new id; activities go along."""
        store = self.stores[kind]
        first, second = store.live(primary), store.live(other)
        assert first is not None
        assert second is not None
        known = ";".join(
            part
            for r in (first, second)
            for part in (r.properties.get("hs_merged_object_ids", ""), r.id)
            if part
        )
        made = self.create(kind, {})
        made.created = min(first.created, second.created)
        made.properties |= {**second.properties, **first.properties}
        made.history = {n: list(v) for n, v in {**second.history, **first.history}.items()}
        made.version("hs_merged_object_ids", known, self.now())
        for old in (first, second):
            store.merged[old.id] = made.id
            store.reindex(old.id)
            for (a, b), pairs in self.associations.items():
                if a == kind and old.id in pairs:
                    moved = pairs.pop(old.id)
                    pairs.setdefault(made.id, []).extend(x for x in moved)
                if b == kind:
                    for each, to in pairs.items():
                        if old.id in to:
                            pairs[each] = list(
                                dict.fromkeys(made.id if x == old.id else x for x in to)
                            )
        return made
