"""What is read of HubSpot: its objects as raw tables, with the properties that matter by default.

Names, e-mail addresses, phone numbers and the texts of messages are not among the defaults; a
project that wants one of them names it in data/sources.toml.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scoring.config import Source
from scoring.crm.reading import RawTable, Stream
from scoring.errors import nearest

MERGED = "hs_merged_object_ids"
# Columns that every record has beside its properties.
RECORD = ("id", "created_at", "updated_at")
# Whose a record is: leads, and their numbers from 1, both with `;` between.
LEADS = ("lead_ids", "ordinals")
HISTORY = (
    *("record_id", *LEADS, "property", "value", "previous", "changed_at", "source", "changed_by"),
    "closed",
)
# A field that sellers fill; with [emit] prefix before it.
FEEDBACK = "score_feedback"
OURS = "lead_scoring"


@dataclass(frozen=True)
class Kind:
    """An object of HubSpot.

    modified     its property with the time of the last change
    properties   by default; history: of these every value with its time
    of_leads     its records belong to leads, by association
    frozen       properties whose present value stands in each row of the history
    """

    name: str
    modified: str = "hs_lastmodifieddate"
    properties: tuple[str, ...] = ()
    history: tuple[str, ...] = ()
    of_leads: bool = False
    frozen: tuple[str, ...] = ()

    @property
    def history_table(self) -> str:
        return f"{self.name.removesuffix('s')}_history"


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "companies",
            properties=(
                *("industry", "numberofemployees", "annualrevenue", "country", "state", "type"),
                *("founded_year", "is_public", "hubspot_owner_id"),
            ),
        ),
        Kind(
            "contacts",
            modified="lastmodifieddate",
            properties=(
                *("lifecyclestage", "hs_lead_status", "hubspot_owner_id", "associatedcompanyid"),
                *("hs_analytics_source", "hs_latest_source", "jobtitle", "seniority"),
                *("industry", "numemployees", "annualrevenue", "country", "state", "hs_language"),
            ),
            history=(
                *("lifecyclestage", "hs_lead_status", "hubspot_owner_id", MERGED),
                *("num_conversion_events", "hs_analytics_num_visits", "hs_email_open"),
                *("hs_email_click", "hs_email_bounce", "hs_email_optout"),
                *("hs_sales_email_last_opened", "hs_sales_email_last_clicked"),
            ),
        ),
        Kind(
            "leads",
            properties=(
                *("hs_pipeline", "hs_pipeline_stage", "hs_lead_type", "hs_lead_label"),
                *("hubspot_owner_id", "hs_lead_disqualification_reason"),
            ),
            history=("hs_pipeline_stage", "hs_lead_label", "hubspot_owner_id", MERGED),
            frozen=("hs_lead_disqualification_reason",),
        ),
        Kind(
            "deals",
            properties=(
                *("dealstage", "pipeline", "amount", "closedate", "dealtype", "hubspot_owner_id"),
                *("closed_lost_reason", "closed_won_reason", "hs_forecast_category"),
            ),
            history=("dealstage", "amount", "closedate"),
            of_leads=True,
            frozen=("amount", "closed_lost_reason", "closed_won_reason"),
        ),
        Kind(
            "calls",
            properties=(
                *("hs_timestamp", "hs_createdate", "hs_call_direction", "hs_call_disposition"),
                *("hs_call_status", "hs_call_duration", "hubspot_owner_id"),
            ),
            of_leads=True,
        ),
        Kind(
            "emails",
            properties=(
                *("hs_timestamp", "hs_createdate", "hs_email_direction", "hs_email_status"),
                "hubspot_owner_id",
            ),
            of_leads=True,
        ),
        Kind(
            "meetings",
            properties=(
                *("hs_timestamp", "hs_createdate", "hs_meeting_start_time", "hs_meeting_end_time"),
                *("hs_meeting_outcome", "hs_meeting_source", "hubspot_owner_id"),
            ),
            history=("hs_meeting_outcome", "hs_meeting_start_time"),
            of_leads=True,
            frozen=("hs_createdate", "hs_meeting_start_time"),
        ),
        Kind(
            "notes",
            properties=("hs_timestamp", "hs_createdate", "hubspot_owner_id"),
            of_leads=True,
        ),
        Kind(
            "tasks",
            properties=(
                *("hs_timestamp", "hs_createdate", "hs_task_status", "hs_task_type"),
                *("hs_task_completion_date", "hs_task_priority", "hubspot_owner_id"),
            ),
            of_leads=True,
        ),
    )
}
# Whoever leads are: records that belong to leads come after them.
ORDER = tuple(KINDS)


@dataclass(frozen=True)
class Reading:
    """One object as it is read in this project.

    properties   asked for and there; history: likewise
    """

    kind: Kind
    properties: tuple[str, ...]
    history: tuple[str, ...]
    stream: Stream

    @property
    def table(self) -> RawTable:
        return self.stream.tables[0]


def wanted(source: Source, lead: str) -> list[Kind]:
    """The objects that the source's tables name, the lead's own always among them."""
    return [KINDS[name] for name in ORDER if name in source.tables or name == lead]


def reading(
    kind: Kind, source: Source, there: Mapping[str, Mapping[str, Any]], lead: str
) -> Reading:
    """How an object is read, given the properties that the account has.

    A property of the defaults that the account lacks (its plan may) is a column without values;
    one that data/sources.toml asks for is `missing`.
    """
    asked = _asked(source, kind.name)
    history_asked = _asked(source, kind.history_table)
    # Scores never come back as features; what sellers answered does, by its history.
    ours = {name for name, about in there.items() if about.get("groupName") == OURS}
    answers = (
        [name for name in sorted(ours) if name.endswith(FEEDBACK)] if kind.name == lead else []
    )
    properties = tuple(dict.fromkeys(p for p in (*kind.properties, *asked) if p not in ours))
    history = tuple(dict.fromkeys([*kind.history, *history_asked, *answers]))
    columns = (*RECORD, *(LEADS if kind.of_leads else ()))
    if kind.name == "leads":
        columns = (*RECORD, "contact_ids")
    tables = [
        RawTable(
            name=kind.name,
            columns=tuple(dict.fromkeys([*columns, *properties])),
            key="id",
            volatile=("updated_at",),
            counted=True,
            lists_keys=True,
            missing=_missing(asked, there),
        )
    ]
    if history and kind.history_table in source.tables:
        tables.append(
            RawTable(
                name=kind.history_table,
                columns=(*HISTORY, *kind.frozen),
                missing=_missing(history_asked, there),
            )
        )
    else:
        history = (MERGED,) if kind.name == lead else ()
    return Reading(
        kind,
        tuple(p for p in properties if p in there),
        tuple(p for p in history if p in there),
        Stream(kind.name, tuple(tables)),
    )


def _asked(source: Source, table: str) -> tuple[str, ...]:
    return source.tables[table].columns if table in source.tables else ()


def _missing(asked: Sequence[str], there: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: nearest(name, there).removeprefix(' Did you mean "').removesuffix('"?')
        for name in asked
        if name not in there
    }
