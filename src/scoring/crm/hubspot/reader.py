"""Reading HubSpot completely: keyset windows of the search, history and associations beside them.

The search stops at 10,000 results, lags behind writes, and a record that changes while its pages
are read shifts all others. So every page is a search of its own: what was modified at or after the
last modified time that was seen, oldest first. Records of one same millisecond, of which an import
makes many, are read by their ids.
"""

import json
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scoring.config import Source
from scoring.crm.hubspot.calls import HISTORY_BATCH, SEARCH_PAGE, HubSpot
from scoring.crm.hubspot.tables import HISTORY, MERGED, Kind, Reading, reading, wanted
from scoring.crm.reading import Description, Mark, Page, Row
from scoring.errors import ScoringError, TryLater

# How far the search may lag behind; the next read begins so much earlier.
LAG_MS = 15 * 60 * 1000
WORKERS = 8
ID = "hs_object_id"

Record = Mapping[str, Any]


class HubSpotReader:
    def __init__(self, source: Source, root: Path, environ: Mapping[str, str] = os.environ) -> None:
        self._source = source
        self._hubspot = HubSpot(source, root, environ)
        self._lead = self._hubspot.options["lead"]
        self._readings: dict[str, Reading] = {}
        self._closed: dict[str, str] = {}

    def close(self) -> None:
        self._hubspot.close()

    def describe(self) -> Description:
        account = self._hubspot.account()
        for kind in wanted(self._source, self._lead):
            there = self._hubspot.properties(kind.name)
            self._readings[kind.name] = reading(kind, self._source, there, self._lead)
        for name in ("deals", "leads"):
            if name in self._readings:
                self._closed |= _closed(self._hubspot.stages(name))
        return Description(account, tuple(r.stream for r in self._readings.values()))

    def count(self, table: str) -> int:
        return int(self._hubspot.search(table, (), (ID,), limit=1)["total"])

    def keys(self, table: str) -> Iterator[Sequence[str]]:
        last = "0"
        while True:
            found = self._hubspot.search(table, [_filter(ID, "GT", last)], (ID,), ID)["results"]
            if not found:
                return
            ids = [str(record["id"]) for record in found]
            yield ids
            last = ids[-1]

    def pages(self, stream: str, cursor: str | None) -> Iterator[Page]:
        how = self._readings[stream]
        state: dict[str, Any] = {"modified": 0, "archived": ""}
        if cursor:
            state = json.loads(cursor)
        since = newest = int(state["modified"])
        waiting: deque[Future[Page]] = deque()
        workers = ThreadPoolExecutor(WORKERS)
        ended: TryLater | None = None
        found = self._search(how, since)
        try:
            while True:
                try:
                    records, newest = next(found)
                except StopIteration:
                    break
                except TryLater as error:
                    ended = error  # the pages before it are whole
                    break
                place = json.dumps({**state, "modified": newest})
                waiting.append(workers.submit(self._page, how, records, place))
                while len(waiting) >= WORKERS:
                    yield waiting.popleft().result()
            while waiting:  # in their order: behind a page that fails none is given
                yield waiting.popleft().result()
            if ended:
                raise ended
        finally:
            workers.shutdown(wait=False, cancel_futures=True)
        marks, archived = self._archived(stream, str(state["archived"]))
        after = max(since, newest - LAG_MS)
        yield Page(json.dumps({"modified": after, "archived": archived}), {}, marks)

    # --- the search ---------------------------------------------------------------------------

    def _search(self, how: Reading, since: int) -> Iterator[tuple[list[Record], int]]:
        """Pages of records in the order of their changes, with the newest time of each page."""
        kind = how.kind
        seen: set[str] = set()  # the ids that were modified exactly at `since`
        asked = self._asked(how)
        while True:
            filters = [_filter(kind.modified, "GTE", str(since))]
            found = self._hubspot.search(kind.name, filters, asked, kind.modified)["results"]
            times = [_ms(record, kind.modified) for record in found]
            if times != sorted(times) or (times and times[0] < since):
                raise ScoringError(
                    f"HubSpot did not sort {kind.name} by {kind.modified} as it was asked to; "
                    "reading on could skip records."
                )
            fresh = [record for record in found if str(record["id"]) not in seen]
            newest = times[-1] if times else since
            if len(found) < SEARCH_PAGE:
                if fresh:
                    yield fresh, newest
                return
            if newest == since:
                # A whole page of one millisecond: by id, then on from the next one.
                yield from self._at(kind, asked, since)
                since, seen = since + 1, set()
                continue
            if fresh:
                yield fresh, newest
            since = newest
            seen = {str(r["id"]) for r, at in zip(found, times, strict=True) if at == newest}

    def _at(
        self, kind: Kind, asked: Sequence[str], moment: int
    ) -> Iterator[tuple[list[Record], int]]:
        last = "0"
        while True:
            filters = [_filter(kind.modified, "EQ", str(moment)), _filter(ID, "GT", last)]
            found = self._hubspot.search(kind.name, filters, asked, ID)["results"]
            if found:
                yield found, moment
                last = str(found[-1]["id"])
            if len(found) < SEARCH_PAGE:
                return

    def _asked(self, how: Reading) -> tuple[str, ...]:
        """What the search itself gives; with history, the batch read gives everything."""
        own = () if how.history else how.properties
        return tuple(dict.fromkeys([how.kind.modified, *own]))

    # --- a page -------------------------------------------------------------------------------

    def _page(self, how: Reading, records: list[Record], cursor: str) -> Page:
        kind = how.kind
        ids = list(dict.fromkeys(str(record["id"]) for record in records))
        if how.history:
            whole: dict[str, Record] = {}
            for start in range(0, len(ids), HISTORY_BATCH):
                part = ids[start : start + HISTORY_BATCH]
                asked = tuple(dict.fromkeys([kind.modified, *how.properties]))
                whole |= self._hubspot.read(kind.name, part, asked, how.history)
        else:
            whole = {str(record["id"]): record for record in records}
        leads = self._leads_of(kind, list(whole))
        people = self._hubspot.associated("leads", "contacts", ids) if kind.name == "leads" else {}
        rows: list[Row] = []
        history: list[Row] = []
        marks: list[Mark] = []
        for each, record in whole.items():
            own = leads.get(each, [])
            row = _row(how, record, own, people.get(each, []))
            rows.append(row)
            for name, versions in (record.get("propertiesWithHistory") or {}).items():
                if name == MERGED:
                    marks += _merges(kind.name, each, versions)
                else:
                    history += self._versions(kind, name, versions, row, own)
        given = {kind.name: rows}
        if len(how.stream.tables) > 1:
            given[kind.history_table] = history
        return Page(cursor, given, marks)

    def _leads_of(self, kind: Kind, ids: list[str]) -> dict[str, list[str]]:
        """Record → the leads that it belongs to. Where leads are an object of their own, those of
        its contacts, too: most activities are logged on the person."""
        if kind.name == self._lead:
            return {each: [each] for each in ids}
        if kind.name == "contacts" and ids:
            return self._hubspot.associated("contacts", "leads", ids)
        if not kind.of_leads or not ids:
            return {}
        contacts = self._hubspot.associated(kind.name, "contacts", ids)
        if self._lead == "contacts":
            return contacts
        own = self._hubspot.associated(kind.name, "leads", ids)
        people = sorted({each for found in contacts.values() for each in found})
        theirs = self._hubspot.associated("contacts", "leads", people) if people else {}
        return {
            each: list(
                dict.fromkeys(
                    [
                        *own.get(each, []),
                        *(x for c in contacts.get(each, []) for x in theirs.get(c, [])),
                    ]
                )
            )
            for each in ids
        }

    def _versions(
        self, kind: Kind, name: str, versions: Sequence[Record], row: Row, leads: Sequence[str]
    ) -> Iterator[Row]:
        """The values that a property had, oldest first, each with the one before it."""
        previous = ""
        is_stage = name in ("dealstage", "hs_pipeline_stage")
        for version in sorted(versions, key=lambda v: str(v["timestamp"])):
            value = str(version.get("value") or "")
            told = (
                *(str(row["id"]), *_owned(leads), name, value, previous),
                str(version["timestamp"]),
                str(version.get("sourceType") or ""),
                str(version.get("updatedByUserId") or ""),
                self._closed.get(value, "") if is_stage else "",
            )
            yield {
                **dict(zip(HISTORY, told, strict=True)),
                **{column: row.get(column) for column in kind.frozen},
            }
            previous = value

    def _archived(self, kind: str, since: str) -> tuple[list[Mark], str]:
        """Marks of the records that were deleted after `since`, and the newest time of them."""
        newest = since
        marks = []
        for page in self._hubspot.archived(kind):
            for each, at in page:
                if at > since or not at:
                    marks.append(Mark(kind, each, at))
                newest = max(newest, at)
        return marks, newest


def _owned(leads: Sequence[str]) -> tuple[str, str]:
    return ";".join(leads), ";".join(str(n) for n in range(1, len(leads) + 1))


def _row(how: Reading, record: Record, leads: Sequence[str], people: Sequence[str]) -> Row:
    given = record.get("properties") or {}
    row = {
        "id": str(record["id"]),
        "created_at": record.get("createdAt"),
        "updated_at": given.get(how.kind.modified) or record.get("updatedAt"),
        **{name: _text(given.get(name)) for name in how.properties},
    }
    if how.kind.of_leads:
        row["lead_ids"], row["ordinals"] = _owned(leads)
    if how.kind.name == "leads":
        row["contact_ids"] = ";".join(people)
    return row


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _merges(kind: str, survivor: str, versions: Sequence[Record]) -> Iterator[Mark]:
    """Since when the survivor has named each record that went into it."""
    told: set[str] = set()
    for version in sorted(versions, key=lambda v: str(v["timestamp"])):
        for each in str(version.get("value") or "").split(";"):
            if each and each not in told and each != survivor:
                told.add(each)
                yield Mark(kind, each, str(version["timestamp"]), survivor)


def _closed(stages: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Stage → how it ends a deal (won, lost) or a lead (won, disqualified)."""
    ends = {}
    for stage, about in stages.items():
        state = str(about.get("leadState", "")).upper()
        if state:
            ends[stage] = {"QUALIFIED": "qualified", "UNQUALIFIED": "disqualified"}.get(state, "")
        elif str(about.get("isClosed", "")).lower() == "true":
            sure = float(about.get("probability") or 0)
            ends[stage] = "won" if sure >= 1 else "lost"
    return ends


def _filter(name: str, operator: str, value: str) -> dict[str, str]:
    return {"propertyName": name, "operator": operator, "value": value}


def _ms(record: Record, name: str) -> int:
    """The record's modified time as the search compares it: milliseconds since 1970."""
    said = str((record.get("properties") or {}).get(name) or record["updatedAt"])
    if said.isdigit():
        return int(said)
    at = datetime.fromisoformat(said)
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return round(at.timestamp() * 1000)
