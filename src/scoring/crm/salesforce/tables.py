"""What is read of Salesforce: its objects as raw tables, with the fields that matter by default.

Names, e-mail addresses, phone numbers, subjects and texts are not among the defaults; a project
that wants one of them names it in data/sources.toml.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scoring.config import Source
from scoring.crm.reading import RawTable, Stream
from scoring.errors import nearest

# Whose a record is: leads, and their numbers from 1, both with `;` between.
LEADS = ("lead_ids", "ordinals")
SUFFIX = "__c"


@dataclass(frozen=True)
class Kind:
    """An object of Salesforce.

    table     the raw table
    stamp     its field with the time of the last change, which the cursor follows; of a log, the
              time at which the row came
    fields    by default
    log       rows are never changed
    of_leads  records belong to leads, by who they are about or by their opportunity
    merges    a record that was merged away names its survivor
    """

    table: str
    object: str
    fields: tuple[str, ...]
    stamp: str = "SystemModstamp"
    log: bool = False
    of_leads: bool = False
    merges: bool = False

    @property
    def own(self) -> tuple[str, ...]:
        """Fields that are always asked for."""
        marks = () if self.log else ("IsDeleted",)
        survivor = ("MasterRecordId",) if self.merges else ()
        return ("Id", "CreatedDate", *(() if self.log else (self.stamp,)), *marks, *survivor)


KINDS = {
    kind.table: kind
    for kind in (
        Kind(
            "leads",
            "Lead",
            (
                *("Status", "OwnerId", "LeadSource", "Industry", "AnnualRevenue", "Rating"),
                *("NumberOfEmployees", "Country", "State", "IsConverted", "ConvertedDate"),
                *("ConvertedContactId", "ConvertedAccountId", "ConvertedOpportunityId"),
            ),
            merges=True,
        ),
        Kind(
            "lead_history",
            "LeadHistory",
            ("LeadId", "CreatedById", "Field", "OldValue", "NewValue"),
            stamp="CreatedDate",
            log=True,
        ),
        Kind(
            "contacts",
            "Contact",
            ("AccountId", "OwnerId", "LeadSource", "Title", "Department"),
            of_leads=True,
            merges=True,
        ),
        Kind(
            "opportunities",
            "Opportunity",
            (
                *("AccountId", "OwnerId", "LeadSource", "Type", "StageName", "Amount"),
                *("CloseDate", "IsClosed", "IsWon"),
            ),
            of_leads=True,
        ),
        Kind(
            "opportunity_history",
            "OpportunityHistory",
            ("OpportunityId", "CreatedById", "StageName", "Amount", "CloseDate"),
            stamp="CreatedDate",
            log=True,
            of_leads=True,
        ),
        Kind(
            "tasks",
            "Task",
            (
                *("WhoId", "WhatId", "OwnerId", "TaskSubtype", "Status", "IsClosed"),
                *("ActivityDate", "CompletedDateTime", "CallType", "CallDurationInSeconds"),
            ),
            of_leads=True,
        ),
        Kind(
            "events",
            "Event",
            (
                *("WhoId", "WhatId", "OwnerId", "EventSubtype", "StartDateTime", "EndDateTime"),
                "IsAllDayEvent",
            ),
            of_leads=True,
        ),
    )
}
# How the stage of a row of the opportunities' history ends them: won, lost, or not at all.
ENDS = "closed"
# Whether an event lay in the past when it was read and was not taken away before.
HELD = "held"


@dataclass(frozen=True)
class Reading:
    """One object as it is read in this project; `fields` are those of its own that are there."""

    kind: Kind
    fields: tuple[str, ...]
    stream: Stream


def wanted(source: Source) -> list[Kind]:
    """The objects that the source's tables name; leads always among them, and first."""
    return [kind for kind in KINDS.values() if kind.table in source.tables or kind.table == "leads"]


def reading(kind: Kind, source: Source, there: Mapping[str, Mapping[str, Any]]) -> Reading:
    """How an object is read, given the fields that this user may see.

    A field of the defaults that is not there (field-level security, an edition without it) is a
    column without values; one that data/sources.toml asks for is `missing`.
    """
    asked = source.tables[kind.table].columns if kind.table in source.tables else ()
    fields = tuple(dict.fromkeys([*kind.own, *kind.fields, *asked]))
    extra: tuple[str, ...] = LEADS if kind.of_leads else ()
    if kind.table == "opportunity_history":
        extra = (*extra, ENDS)
    if kind.table == "events":
        extra = (*extra, HELD)
    table = RawTable(
        name=kind.table,
        columns=(*fields, *extra),
        key="" if kind.log else "Id",
        volatile=() if kind.log else (kind.stamp,),
        counted=not kind.log,
        lists_keys=not kind.log,
        missing={
            name: nearest(name, there).removeprefix(' Did you mean "').removesuffix('"?')
            for name in asked
            if name not in there
        },
    )
    return Reading(kind, tuple(f for f in fields if f in there), Stream(kind.table, (table,)))


def owned(leads: Sequence[str]) -> tuple[str, str]:
    return ";".join(leads), ";".join(str(n) for n in range(1, len(leads) + 1))
