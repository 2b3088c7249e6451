"""Reading Salesforce completely: by (time of the last change, ID), the recycle bin included.

Every page is a query of its own that begins behind the last record: nothing depends on a cursor of
Salesforce that ends, and a record that changes while it is read comes again at the end. `queryAll`
also gives what lies in the recycle bin, what was merged away, and archived activities, which a
plain query leaves out.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from scoring.config import Source
from scoring.crm.reading import Description, Page, Row
from scoring.crm.salesforce.calls import PAGE, Salesforce, literal
from scoring.crm.salesforce.tables import ENDS, HELD, LEADS, Kind, Reading, owned, reading, wanted

# A transaction gets its time when it begins and is seen when it ends.
LAG = timedelta(minutes=10)
TIME = "%Y-%m-%dT%H:%M:%S.%f%z"
NAMED_AT_ONCE = 200  # IDs in a query, which has to fit into an address
LEAD_PREFIX, CONTACT_PREFIX, OPPORTUNITY_PREFIX = "00Q", "003", "006"

Record = Mapping[str, Any]


class SalesforceReader:
    def __init__(self, source: Source, root: Path, environ: Mapping[str, str] = os.environ) -> None:
        self._source = source
        self._salesforce = Salesforce(source, root, environ)
        self._readings: dict[str, Reading] = {}
        self._ends: dict[str, str] = {}
        self._leads: dict[str, list[str]] | None = None
        self._now = _written(datetime.fromtimestamp(self._salesforce.http.clock.time(), UTC))

    def close(self) -> None:
        self._salesforce.close()

    def describe(self) -> Description:
        account = self._salesforce.organisation()
        for kind in wanted(self._source):
            there = self._salesforce.describe(kind.object)
            self._readings[kind.table] = reading(kind, self._source, there)
        if "opportunity_history" in self._readings:
            self._ends = self._closing_stages()
        return Description(account, tuple(r.stream for r in self._readings.values()))

    def count(self, table: str) -> int:
        return self._salesforce.count(self._readings[table].kind.object, "IsDeleted = false")

    def keys(self, table: str) -> Iterator[Sequence[str]]:
        kind, last = self._readings[table].kind, ""
        while True:
            after = f" AND Id > '{last}'" if last else ""
            soql = (
                f"SELECT Id FROM {kind.object} WHERE IsDeleted = false{after} "
                f"ORDER BY Id LIMIT {PAGE}"
            )
            ids = [str(r["Id"]) for records in self._salesforce.query(soql) for r in records]
            if ids:
                yield ids
                last = ids[-1]
            if len(ids) < PAGE:
                return

    def pages(self, stream: str, cursor: str | None) -> Iterator[Page]:
        how = self._readings[stream]
        begun = json.loads(cursor) if cursor else {"at": "", "id": ""}
        at, last = str(begun["at"]), str(begun["id"])
        while True:
            records = self._page(how, at, last)
            if records:
                at, last = str(records[-1][how.kind.stamp]), str(records[-1]["Id"])
                place = json.dumps({"at": at, "id": last})
                yield Page(place, {stream: [self._row(how, record) for record in records]})
            if len(records) < PAGE:
                break
        late: Iterator[Record] = iter(())
        if begun["at"] and stream == "opportunity_history":
            late = self._given_a_lead(how, str(begun["at"]))
        elif begun["at"] and stream == "events":
            late = self._ended(how, str(begun["at"]))
        place = json.dumps({"at": at, "id": last})
        yield Page(place, {stream: [self._row(how, record) for record in late]})
        # The cursor of before stays where it lies farther back than the newest change does.
        yield Page(json.dumps({"at": max(str(begun["at"]), _earlier(at)), "id": ""}))

    # --- records ------------------------------------------------------------------------------

    def _page(self, how: Reading, at: str, last: str) -> list[Record]:
        """The next records behind (at, last). An empty `last` begins with those of `at`."""
        kind, where = how.kind, ""
        if at:
            moment = literal(at)
            same = f" AND Id > '{last}'" if last else ""
            where = f"WHERE {kind.stamp} > {moment} OR ({kind.stamp} = {moment}{same}) "
        soql = (
            f"SELECT {', '.join(dict.fromkeys([*how.fields, kind.stamp]))} FROM {kind.object} "
            f"{where}ORDER BY {kind.stamp}, Id LIMIT {PAGE}"
        )
        return [record for records in self._salesforce.query(soql) for record in records]

    def _row(self, how: Reading, record: Record) -> Row:
        kind = how.kind
        row = {name: _text(record.get(name)) for name in how.fields}
        if not kind.log:
            row |= _end(record, kind)
        if kind.of_leads:
            row |= dict(zip(LEADS, owned(self._leads_of(kind, record)), strict=True))
        if kind.table == "events":
            ended = str(record.get("EndDateTime") or record.get("StartDateTime") or "")
            taken_away = record.get("IsDeleted") and str(record[kind.stamp]) < ended
            row[HELD] = json.dumps(bool(ended and ended <= self._now and not taken_away))
        if kind.table == "opportunity_history":
            row[ENDS] = self._ends.get(str(record["StageName"]), "")
        return row

    def _leads_of(self, kind: Kind, record: Record) -> list[str]:
        """Whose a record is: of the lead that it names, or of those that were converted into the
        contact or the opportunity that it names."""
        named = {
            "contacts": [record["Id"]],
            "opportunities": [record["Id"]],
            "opportunity_history": [record.get("OpportunityId")],
        }.get(kind.table, [record.get("WhoId"), record.get("WhatId")])
        for each in named:
            if not each:
                continue
            if each.startswith(LEAD_PREFIX):
                return [each]
            if each.startswith((CONTACT_PREFIX, OPPORTUNITY_PREFIX)):
                found = self._converted().get(each)
                if found:
                    return found
        return []

    def _converted(self) -> dict[str, list[str]]:
        """Contact or opportunity → the leads that became it."""
        if self._leads is None:
            self._leads = {}
            for record in self._converted_leads(""):
                for name in ("ConvertedContactId", "ConvertedOpportunityId"):
                    if target := record.get(name):
                        self._leads.setdefault(target, []).append(record["Id"])
        return self._leads

    def _converted_leads(self, since: str) -> Iterator[Record]:
        """Since a day (a conversion has no time of day), or all."""
        last = ""
        while True:
            after = f" AND Id > '{last}'" if last else ""
            day = f" AND ConvertedDate >= {since}" if since else ""
            soql = (
                "SELECT Id, ConvertedContactId, ConvertedOpportunityId FROM Lead "
                f"WHERE IsConverted = true AND IsDeleted = false{day}{after} "
                f"ORDER BY Id LIMIT {PAGE}"
            )
            records = [record for some in self._salesforce.query(soql) for record in some]
            yield from records
            if len(records) < PAGE:
                return
            last = records[-1]["Id"]

    def _ended(self, how: Reading, since: str) -> Iterator[Record]:
        """Events that have ended since then: nothing else of them changes by it."""
        last = ""
        while True:
            after = f" AND Id > '{last}'" if last else ""
            soql = (
                f"SELECT {', '.join(how.fields)} FROM {how.kind.object} "
                f"WHERE EndDateTime >= {literal(since)} AND EndDateTime <= {literal(self._now)}"
                f"{after} ORDER BY Id LIMIT {PAGE}"
            )
            records = [record for some in self._salesforce.query(soql) for record in some]
            yield from records
            if len(records) < PAGE:
                return
            last = records[-1]["Id"]

    def _given_a_lead(self, how: Reading, since: str) -> Iterator[Record]:
        """The history of opportunities that a lead was converted into since then: it may be older
        than the conversion."""
        day = (datetime.strptime(since, TIME) - timedelta(days=1)).date().isoformat()
        found = {str(r["ConvertedOpportunityId"]) for r in self._converted_leads(day)
                 if r.get("ConvertedOpportunityId")}  # fmt: skip
        ids = sorted(found)
        for start in range(0, len(ids), NAMED_AT_ONCE):
            listed = ", ".join(f"'{each}'" for each in ids[start : start + NAMED_AT_ONCE])
            soql = (
                f"SELECT {', '.join(how.fields)} FROM {how.kind.object} "
                f"WHERE OpportunityId IN ({listed}) ORDER BY Id"
            )
            for records in self._salesforce.query(soql):
                yield from records

    def _closing_stages(self) -> dict[str, str]:
        """Stage of an opportunity → how it ends one; the others are left out."""
        soql = "SELECT ApiName, IsClosed, IsWon FROM OpportunityStage"
        return {
            str(record["ApiName"]): "won" if record["IsWon"] else "lost"
            for records in self._salesforce.query(soql)
            for record in records
            if record["IsClosed"]
        }


def _end(record: Record, kind: Kind) -> dict[str, str | None]:
    """Deleted or merged away: a record in the recycle bin was last changed when it came there."""
    if not record.get("IsDeleted"):
        return {"deleted_at": None, "merged_into": None, "merged_at": None}
    at = str(record[kind.stamp])
    survivor = record.get("MasterRecordId")
    if survivor:
        return {"deleted_at": None, "merged_into": str(survivor), "merged_at": at}
    return {"deleted_at": at, "merged_into": None, "merged_at": None}


def _earlier(at: str) -> str:
    if not at:
        return ""
    return _written(datetime.strptime(at, TIME) - LAG)


def _written(moment: datetime) -> str:
    """A time (UTC) as Salesforce writes it."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)
