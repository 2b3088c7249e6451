"""The raw tables that Odoo's models become, and their rows as text.

    crm_lead            a lead or an opportunity, which is the same record; archived ones too
    lead_history        a change of a tracked field, from the message that tells of it
    mail_message        an entry of a lead's log: mail, note, finished activity, notification
    mail_activity       something that was planned to be done
    calendar_event      a meeting of a lead
    calendar_attendee   who is invited to it

A link `stage_id` lands as two columns, the id in `stage_id` and the name in `stage_id_name`; of
people and companies the id only.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from scoring.crm.odoo.calls import LEAD, text_of
from scoring.crm.reading import RawTable, Row

Fields = Mapping[str, Mapping[str, Any]]

# Tables that are read by their own ids, in the order of a pass.
TABLES = ("crm_lead", "mail_message", "mail_activity", "calendar_event")
MODELS = {
    "crm_lead": LEAD,
    "mail_message": "mail.message",
    "mail_activity": "mail.activity",
    "calendar_event": "calendar.event",
}
# What somebody is told privately is no part of a lead's log, and only its reader may see it.
DOMAINS: dict[str, list[Any]] = {
    "crm_lead": [],
    "mail_message": [["model", "=", LEAD], ["message_type", "!=", "user_notification"]],
    "mail_activity": [["res_model", "=", LEAD]],
    "calendar_event": [["opportunity_id", "!=", False]],
}

# What the staging SQL reads of a lead, and attributes that are usual.
# Odoo's own probability is left out: it becomes 0 or 100 with the outcome.
NEEDED = (
    *("id", "create_date", "write_date", "active", "type", "won_status", "lost_reason_id"),
    *("date_closed", "date_conversion", "date_last_stage_update", "date_deadline", "stage_id"),
    *("user_id", "team_id", "partner_id", "expected_revenue", "source_id"),
)
DEFAULT = (
    *("priority", "medium_id", "campaign_id", "country_id", "state_id", "lang_id", "function"),
    *("recurring_revenue", "recurring_plan", "email_state", "phone_state", "company_id"),
)
PERSONS = ("res.partner", "res.users")
UNREADABLE = ("binary", "one2many", "html", "properties", "properties_definition", "json")

MESSAGE = (
    *("id", "res_id", "date", "create_date", "write_date", "message_type", "subtype_id"),
    *("author_id", "is_internal", "mail_activity_type_id", "subject", "body", "message_id"),
    "parent_id",
)
ACTIVITY = (
    *("id", "res_id", "activity_type_id", "summary", "date_deadline", "date_done", "active"),
    *("user_id", "automated", "create_date", "write_date"),
)
MEETING = (
    *("id", "opportunity_id", "name", "start", "stop", "duration", "allday", "active"),
    *("user_id", "create_date", "write_date"),
)

MESSAGE_COLUMNS = (
    *("id", "lead_id", "date", "create_date", "write_date", "message_type", "is_internal"),
    *("author_id", "author_is_staff", "activity_type", "activity_category", "subject", "body"),
)
ACTIVITY_COLUMNS = (
    *("id", "lead_id", "activity_type", "activity_category", "summary", "date_deadline"),
    *("date_done", "active", "user_id", "automated", "create_date", "write_date"),
)
MEETING_COLUMNS = (
    *("id", "lead_id", "name", "start", "stop", "held_at", "duration", "allday", "active"),
    *("user_id", "create_date", "write_date"),
)
ATTENDEE_COLUMNS = ("event_id", "contact_id", "state", "is_staff")
HISTORY_COLUMNS = (
    *("lead_id", "field", "changed_at", "old_value", "new_value", "old_id", "new_id"),
    *("author_id", "value_id", "is_current"),
)
# Our own writes move the time of the last one. A merge writes the absorbed lead's name into the
# subjects, and moves activities and meetings: what was read before stays with its own lead.
WRITTEN = ("write_date",)
# Of a lead, from its partner and its history.
ADDED = ("partner_company_id", "partner_function", "first_stage_name")


@dataclass(frozen=True)
class Known:
    """What rows are told apart by.

    staff        partners that are employees; internal: subtypes that no customer sees
    categories   activity type → default, phonecall, meeting, upload_file, …
    """

    staff: Collection[int]
    internal: Collection[int]
    categories: Mapping[int, str]

    def category(self, link: Any) -> str | None:
        return self.categories.get(link[0]) if link else None


def lead_fields(fields: Fields, asked: Collection[str]) -> tuple[str, ...]:
    """The fields of a lead that are read: the usual ones, and beside them those asked for."""
    wanted = dict.fromkeys([*NEEDED, *DEFAULT, *asked])
    return tuple(name for name in wanted if _readable(fields.get(name)))


def tables_of(fields: Fields, lead: Sequence[str], asked: Collection[str]) -> tuple[RawTable, ...]:
    there = [name for name in fields if _readable(fields[name])]
    missing = {c: "".join(get_close_matches(c, there, 1)) for c in asked if c not in lead}
    columns = [column for name in lead for column in _columns_of(name, fields)]

    def record(name: str, columns: Sequence[str], volatile: Sequence[str] = ()) -> RawTable:
        moved = (*WRITTEN, *volatile)
        return RawTable(name, tuple(columns), "id", moved, counted=True, lists_keys=True)

    return (
        replace(record("crm_lead", (*columns, *ADDED)), missing=missing),
        RawTable("lead_history", HISTORY_COLUMNS, volatile=("is_current",)),
        record("mail_message", MESSAGE_COLUMNS, ("subject",)),
        record("mail_activity", ACTIVITY_COLUMNS, ("lead_id",)),
        record("calendar_event", MEETING_COLUMNS, ("lead_id",)),
        RawTable("calendar_attendee", ATTENDEE_COLUMNS),
    )


def lead_row(record: Mapping[str, Any], fields: Fields) -> dict[str, str | None]:
    row: dict[str, str | None] = {}
    for name, value in record.items():
        kind = str(fields[name]["type"]) if name != "id" else "integer"
        row[name] = text_of(value, kind)
        if _is_named(name, fields):
            row[f"{name}_name"] = name_of(value)
    return row


def activity_row(record: Mapping[str, Any], known: Known) -> Row:
    kind = record["activity_type_id"]
    return {
        **_plain(record, ("id", "summary", "date_deadline", "date_done", "create_date")),
        "write_date": record["write_date"],
        "active": _flag(record["active"]),
        "automated": _flag(record["automated"]),
        "lead_id": text_of(record["res_id"], "many2one_reference"),
        "user_id": text_of(record["user_id"], "many2one"),
        "activity_type": name_of(kind),
        "activity_category": known.category(kind),
    }


def meeting_row(record: Mapping[str, Any], now: str) -> Row:
    """held_at: when it ended, of a meeting that was not called off and is over by `now`."""
    over = record["active"] and record["stop"] and record["stop"] <= now
    return {
        **_plain(record, ("id", "name", "start", "stop", "duration", "create_date", "write_date")),
        "active": _flag(record["active"]),
        "allday": _flag(record["allday"]),
        "lead_id": text_of(record["opportunity_id"], "many2one"),
        "user_id": text_of(record["user_id"], "many2one"),
        "held_at": record["stop"] if over else None,
    }


def message_row(record: Mapping[str, Any], lead_id: int, known: Known) -> Row:
    kind, author = record["mail_activity_type_id"], record["author_id"]
    subtype = record["subtype_id"]
    notice = record["message_type"] == "notification" and not kind
    return {
        **_plain(record, ("id", "date", "create_date", "write_date", "message_type", "subject")),
        "lead_id": str(lead_id),
        "is_internal": _flag(record["is_internal"] or (subtype and subtype[0] in known.internal)),
        "author_id": text_of(author, "many2one"),
        "author_is_staff": _flag(author and author[0] in known.staff),
        "activity_type": name_of(kind),
        "activity_category": known.category(kind),
        # What Odoo says of itself is in the history, with its values.
        "body": None if notice else text_of(record["body"], "html"),
    }


def attendee_row(record: Mapping[str, Any], known: Known) -> Row:
    partner = record["partner_id"]
    return {
        "event_id": text_of(record["event_id"], "many2one"),
        "contact_id": text_of(partner, "many2one"),
        "state": text_of(record["state"], "selection"),
        "is_staff": _flag(partner and partner[0] in known.staff),
    }


def name_of(link: Any) -> str | None:
    return str(link[1]) if isinstance(link, list) and len(link) > 1 else None


def _plain(record: Mapping[str, Any], names: Sequence[str]) -> dict[str, str | None]:
    return {name: text_of(record[name], "char") for name in names}


def _flag(value: Any) -> str:
    return "true" if value else "false"


def _columns_of(name: str, fields: Fields) -> tuple[str, ...]:
    return (name, f"{name}_name") if _is_named(name, fields) else (name,)


def _is_named(name: str, fields: Fields) -> bool:
    field = fields[name] if name != "id" else {"type": "integer"}
    return field["type"] == "many2one" and field.get("relation") not in PERSONS


def _readable(field: Mapping[str, Any] | None) -> bool:
    return field is not None and field["type"] not in UNREADABLE
