"""Reading Odoo completely: leads, archived ones too, and what happened to them.

One pass goes over leads, messages, activities and meetings, each in the order of the ids, through
everything that was written since the last pass began. The next one begins that much earlier as a
transaction may last: Odoo stamps a record when its transaction starts, and shows it when it ends.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from scoring.config import Source
from scoring.crm.odoo.calls import LEAD, THINNED, Odoo, text_of
from scoring.crm.odoo.history import History
from scoring.crm.odoo.merges import Merges
from scoring.crm.odoo.tables import (
    ACTIVITY,
    DOMAINS,
    MEETING,
    MESSAGE,
    MODELS,
    TABLES,
    Fields,
    Known,
    activity_row,
    attendee_row,
    lead_fields,
    lead_row,
    meeting_row,
    message_row,
    tables_of,
)
from scoring.crm.reading import Description, Page, Row, Stream
from scoring.errors import ConfigError

STREAM = "crm"
# Odoo ends a request after two minutes, and a job of its own after fifteen.
OVERLAP = timedelta(minutes=30)
KEYS = 10_000
TIME = "%Y-%m-%d %H:%M:%S"
READS = "Its user needs the group Sales / User: All Documents."
TRACKED = ("mail.tracking.value", "ir.model.fields")
TRACKING = (
    "Its user needs the group Settings, or an administrator lets a group of its own read the "
    "models mail.tracking.value and ir.model.fields (Settings, Technical, Access Rights). Without "
    "history, set `history = false` in the source's options."
)


@dataclass(frozen=True)
class State:
    """The cursor. Times are Odoo's own, in UTC.

    since   what was written from then on is read; empty: everything
    start   when this pass began; empty between two passes
    phase   which of TABLES is being read, and `after` which id
    top     the highest id of a lead in any pass that has ended; new: in this one
    """

    since: str = ""
    start: str = ""
    phase: int = 0
    after: int = 0
    top: int = 0
    new: int = 0

    def text(self) -> str:
        return json.dumps(asdict(self))


class OdooReader:
    def __init__(self, source: Source, root: Path, environ: Mapping[str, str] = os.environ) -> None:
        self._source = source
        self._odoo = Odoo(source, root, environ)
        self._merges = Merges(self._odoo)
        self._history: History | None = None
        self._fields: Fields = {}
        self._lead: tuple[str, ...] = ()
        self._known = Known(frozenset(), frozenset(), {})

    def close(self) -> None:
        self._odoo.close()

    def describe(self) -> Description:
        odoo, tables = self._odoo, self._source.tables
        if "crm_lead" not in tables:
            raise ConfigError("The tables of an Odoo source must name crm_lead.")
        odoo.require(LEAD, "read", READS)
        self._fields = odoo.call(LEAD, "fields_get", attributes=["type", "relation"])
        self._lead = lead_fields(self._fields, tables["crm_lead"].columns)
        if self._source.options.get("history", True):
            for model in TRACKED:
                odoo.require(model, "read", TRACKING)
            self._history = History(odoo, self._fields)
        users = odoo.search_read("res.users", [["share", "=", False]], ["partner_id"])
        internal = odoo.search_read("mail.message.subtype", [["internal", "=", True]], ["id"])
        types = odoo.search_read("mail.activity.type", [], ["category"])
        self._known = Known(
            frozenset(user["partner_id"][0] for user in users if user["partner_id"]),
            frozenset(subtype["id"] for subtype in internal),
            {each["id"]: each["category"] or "default" for each in types},
        )
        found = tables_of(self._fields, self._lead, tables["crm_lead"].columns)
        wanted = tuple(table for table in found if table.name in tables)
        return Description(odoo.account, (Stream(STREAM, wanted),))

    def count(self, table: str) -> int:
        model, domain = MODELS[table], DOMAINS[table]
        if model not in THINNED:
            return int(self._odoo.call(model, "search_count", domain=domain))
        # To count them Odoo would hold all of them in memory.
        return sum(len(keys) for keys in self.keys(table))

    def keys(self, table: str) -> Iterator[Sequence[str]]:
        for page in self._odoo.pages(MODELS[table], DOMAINS[table], ["id"], size=KEYS):
            yield [str(row["id"]) for row in page]

    def pages(self, stream: str, cursor: str | None) -> Iterator[Page]:  # noqa: ARG002
        state = State(**json.loads(cursor)) if cursor else State()
        if not state.start:
            state = replace(state, start=self._odoo.now)
        for phase, table in list(enumerate(TABLES))[state.phase :]:
            if table not in self._source.tables:
                continue
            if phase > state.phase:
                state = replace(state, phase=phase, after=0)
            domain = [*DOMAINS[table], *_since(table, state)]
            asked = {**ASKED, "crm_lead": self._lead}[table]
            for records in self._odoo.pages(MODELS[table], domain, asked, state.after):
                last = records[-1]["id"]
                state = replace(state, after=last, new=state.new if phase else last)
                page = getattr(self, f"_{table}")(records, state)
                yield replace(page, cursor=state.text())
        begun = datetime.strptime(state.start, TIME)
        end = State(since=f"{begun - OVERLAP:{TIME}}", top=max(state.top, state.new))
        yield Page(end.text())

    # --- one page of each table ---------------------------------------------------------------

    def _crm_lead(self, records: list[dict[str, Any]], state: State) -> Page:  # noqa: ARG002
        partners = sorted({r["partner_id"][0] for r in records if r["partner_id"]})
        asked = ["commercial_partner_id", "function"]
        of = {}
        if partners:
            found = self._odoo.search_read("res.partner", [["id", "in", partners]], asked)
            of = {p["id"]: p for p in found}
        firsts = self._history.first_stages([r["id"] for r in records]) if self._history else {}
        rows: list[Row] = []
        for record in records:
            row = lead_row(record, self._fields)
            partner = of.get(record["partner_id"][0]) if record["partner_id"] else None
            if partner is not None:
                row["partner_company_id"] = text_of(partner["commercial_partner_id"], "many2one")
                row["partner_function"] = text_of(partner["function"], "char")
            row["first_stage_name"] = firsts.get(record["id"])
            rows.append(row)
        return Page("", {"crm_lead": rows})

    def _mail_message(self, records: list[dict[str, Any]], state: State) -> Page:
        lead_of = self._merges.lead_of(records)
        rows: dict[str, Sequence[Row]] = {
            "mail_message": [message_row(r, lead_of[r["id"]], self._known) for r in records]
        }
        if self._history and "lead_history" in self._source.tables:
            rows["lead_history"] = self._history.rows(records, lead_of)
        merges = self._merges.found(records, lead_of)
        unread = [m for m in merges if m.absorbed > state.top and m.at < state.start]
        if unread:
            rows["crm_lead"] = self._merges.rows(unread)
        return Page("", rows, self._merges.marks([m for m in merges if m not in unread]))

    def _mail_activity(self, records: list[dict[str, Any]], state: State) -> Page:  # noqa: ARG002
        return Page("", {"mail_activity": [activity_row(r, self._known) for r in records]})

    def _calendar_event(self, records: list[dict[str, Any]], state: State) -> Page:
        rows: dict[str, Sequence[Row]] = {
            "calendar_event": [meeting_row(r, state.start) for r in records]
        }
        if "calendar_attendee" in self._source.tables:
            domain = [["event_id", "in", [r["id"] for r in records]]]
            asked = ["event_id", "partner_id", "state"]
            found = self._odoo.search_read("calendar.attendee", domain, asked)
            rows["calendar_attendee"] = [attendee_row(r, self._known) for r in found]
        return Page("", rows)


ASKED = {"mail_message": MESSAGE, "mail_activity": ACTIVITY, "calendar_event": MEETING}


def _since(table: str, state: State) -> list[Any]:
    """What this pass reads; a meeting also when it has ended since, without being written."""
    if not state.since:
        return []
    written = ["write_date", ">=", state.since]
    if table != "calendar_event":
        return [written]
    return ["|", written, "&", ["stop", ">=", state.since], ["stop", "<=", state.start]]
