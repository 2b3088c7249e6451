"""The records of the loopback Salesforce, their fields, and what people do to them."""

from datetime import UTC, datetime
from typing import Any

from loopback import ScaledClock

from scoring.crm.port import Field

PREFIXES = {
    "Lead": "00Q", "Contact": "003", "Opportunity": "006", "Task": "00T", "Event": "00U",
    "LeadHistory": "017", "OpportunityHistory": "008", "OpportunityStage": "01J",
}  # fmt: skip
COMMON = ("Id", "CreatedDate")
CHANGING = (*COMMON, "SystemModstamp", "IsDeleted")
ACTIVITY = ("WhoId", "WhatId", "OwnerId", "IsArchived")
FIELDS: dict[str, tuple[str, ...]] = {
    "Lead": (
        *(*CHANGING, "MasterRecordId", "Status", "OwnerId", "LeadSource", "Industry"),
        *("AnnualRevenue", "Rating", "NumberOfEmployees", "Country", "State", "IsConverted"),
        *("ConvertedDate", "ConvertedContactId", "ConvertedAccountId", "ConvertedOpportunityId"),
    ),
    "LeadHistory": (
        *COMMON, "IsDeleted", "LeadId", "CreatedById", "Field", "OldValue", "NewValue",
    ),
    "Contact": (
        *CHANGING, "MasterRecordId", "AccountId", "OwnerId", "LeadSource", "Title", "Department",
    ),
    "Opportunity": (
        *(*CHANGING, "AccountId", "OwnerId", "LeadSource", "Type", "StageName", "Amount"),
        *("CloseDate", "IsClosed", "IsWon"),
    ),
    "OpportunityHistory": (
        *COMMON, "OpportunityId", "CreatedById", "StageName", "Amount", "CloseDate",
    ),
    "OpportunityStage": ("Id", "ApiName", "IsClosed", "IsWon"),
    "Task": (
        *(*CHANGING, *ACTIVITY, "TaskSubtype", "Status", "IsClosed", "ActivityDate"),
        *("CompletedDateTime", "CallType", "CallDurationInSeconds"),
    ),
    "Event": (
        *(*CHANGING, *ACTIVITY, "EventSubtype", "StartDateTime", "EndDateTime"), "IsAllDayEvent",
    ),
}  # fmt: skip
STAGES = (
    ("Prospecting", False, False),
    ("Proposal/Price Quote", False, False),
    ("Closed Won", True, True),
    ("Closed Lost", True, False),
)
CUSTOM = {
    "integer": {"type": "double", "precision": 3, "scale": 0},
    "real": {"type": "double", "precision": 12, "scale": 6},
    "share": {"type": "percent", "precision": 5, "scale": 2},
    "choice": {"type": "picklist", "length": 255},
    "text": {"type": "textarea", "length": 1000},
    "date": {"type": "date"},
    "flag": {"type": "boolean"},
}


def written(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"


def new_id(prefix: str, number: int) -> str:
    return f"{prefix}{number:012d}EAA"


class State:
    def __init__(self, clock: ScaledClock) -> None:
        self.clock = clock
        self.stores: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in FIELDS}
        self.fields: dict[str, dict[str, dict[str, Any]]] = {
            kind: {name: {"name": name, "type": "string", "updateable": True} for name in names}
            for kind, names in FIELDS.items()
        }
        self._orders: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for name, closed, won in STAGES:
            self.add("OpportunityStage", ApiName=name, IsClosed=closed, IsWon=won)

    @property
    def now(self) -> str:
        return written(datetime.fromtimestamp(self.clock.time(), UTC))

    # --- records --------------------------------------------------------------------------------

    def add(self, kind: str, at: str = "", **values: Any) -> str:
        """A new record; `at` is when it was created, and last changed."""
        own = self.stores[kind]
        each = new_id(PREFIXES[kind], len(own) + 1)
        at = at or self.now
        record = dict.fromkeys(FIELDS[kind])
        record |= {"Id": each, "CreatedDate": at}
        for name, value in (("SystemModstamp", at), ("IsDeleted", False), ("IsArchived", False)):
            if name in record:
                record[name] = value
        if kind == "Lead":
            record["IsConverted"] = False
        own[each] = {**record, **values}
        self._orders.clear()
        return each

    def change(self, kind: str, each: str, values: dict[str, Any], at: str = "") -> None:
        self.stores[kind][each] |= values
        self.stores[kind][each]["SystemModstamp"] = at or self.now
        self._orders = {key: order for key, order in self._orders.items() if key[0] != kind}

    def ordered(self, kind: str, stamp: str) -> list[tuple[str, str]]:
        """(time, ID) of all records, in this order."""
        if (kind, stamp) not in self._orders:
            own = self.stores[kind].values()
            self._orders[kind, stamp] = sorted((r[stamp], r["Id"]) for r in own)
        return self._orders[kind, stamp]

    # --- what people do -------------------------------------------------------------------------

    def set(self, lead: str, field: str, value: Any, at: str = "", by: str = "005X") -> None:
        """A tracked change of a lead's field."""
        before = self.stores["Lead"][lead].get(field)
        self.change("Lead", lead, {field: value}, at)
        self.add(
            "LeadHistory", at, LeadId=lead, Field=field, OldValue=before, NewValue=value,
            CreatedById=by,
        )  # fmt: skip

    def delete(self, kind: str, each: str, at: str = "") -> None:
        self.change(kind, each, {"IsDeleted": True}, at)

    def merge(self, survivor: str, absorbed: str, at: str = "") -> None:
        self.change("Lead", absorbed, {"IsDeleted": True, "MasterRecordId": survivor}, at)
        for kind in ("Task", "Event"):
            for each, record in self.stores[kind].items():
                if record["WhoId"] == absorbed:
                    self.change(kind, each, {"WhoId": survivor}, at)

    def convert(self, lead: str, at: str = "", opportunity: str | None = None) -> tuple[str, str]:
        """Into a contact and an opportunity, which takes the activities along."""
        contact = self.add("Contact", at)
        into = opportunity or self.deal("Prospecting", at)
        self.change(
            "Lead",
            lead,
            {
                "IsConverted": True,
                "ConvertedDate": (at or self.now)[:10],
                "ConvertedContactId": contact,
                "ConvertedOpportunityId": into,
                "Status": "Closed - Converted",
            },
            at,
        )
        for kind in ("Task", "Event"):
            for each, record in self.stores[kind].items():
                if record["WhoId"] == lead:
                    self.change(kind, each, {"WhoId": contact, "WhatId": into}, at)
        self.add("LeadHistory", at, LeadId=lead, Field="leadConverted", CreatedById="005X")
        return contact, into

    def deal(self, stage: str, at: str = "") -> str:
        each = self.add("Opportunity", at, StageName=stage, IsClosed=False, IsWon=False)
        self.add("OpportunityHistory", at, OpportunityId=each, StageName=stage)
        return each

    def move(self, opportunity: str, stage: str, at: str = "") -> None:
        self.change("Opportunity", opportunity, {"StageName": stage}, at)
        self.add("OpportunityHistory", at, OpportunityId=opportunity, StageName=stage)

    # --- what an administrator does -------------------------------------------------------------

    def create(self, field: Field, kind: str = "Lead", **more: Any) -> None:
        """A custom field as the steps of the sink describe it."""
        name = f"{field.name}__c"
        values = [{"value": o.key, "label": o.label, "active": True} for o in field.options]
        self.fields[kind][name] = {
            "name": name,
            "label": field.label,
            "updateable": not field.theirs,
            "restrictedPicklist": field.kind == "choice",
            "picklistValues": values,
            **CUSTOM[field.kind],
            **more,
        }
        for record in self.stores[kind].values():
            record[name] = False if field.kind == "flag" else None
