"""A HubSpot account whose history is that of the simulated sales organisation."""

from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from hubspot_server import HubSpotServer
from hubspot_state import Record, iso
from hubspot_world import account

STAGES = {
    "prospecting": "subscriber",
    "qualification": "lead",
    "first_contact": "marketingqualifiedlead",
    "needs_assessment": "salesqualifiedlead",
    "proposal": "opportunity",
    "negotiation": "opportunity",
}
COUNTED = {
    "form_submitted": "num_conversion_events",
    "page_view": "hs_analytics_num_visits",
    "email_opened": "hs_email_open",
    "email_clicked": "hs_email_click",
}
STATUS = {"disqualified": "UNQUALIFIED", "recycled": "BAD_TIMING"}


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def table(folder: Path, name: str) -> list[dict[str, Any]]:
    return pq.read_table(folder / f"{name}.parquet").to_pylist()


def load(server: HubSpotServer, folder: Path) -> dict[str, str]:
    """Fill the account from canonical tables; returns lead_id → id of the contact."""
    state = account(server)
    leads = sorted(table(folder, "leads"), key=lambda row: row["lead_id"])
    ids = {row["lead_id"]: str(10_000 + n) for n, row in enumerate(leads)}
    contacts = {}
    for row in leads:
        created = ms(row["created_at"])
        made = Record(ids[row["lead_id"]], created, created, {})
        owner = str(int(row["owner_id"][1:], 16) % 100_000) if row["owner_id"] else ""
        about = {
            "country": row["country"],
            "industry": row["industry"],
            "jobtitle": row["role"],
            "hs_analytics_source": row["source"],
            "hubspot_owner_id": owner,
        }
        for name, value in about.items():
            if value:
                made.version(name, value, created)
        contacts[row["lead_id"]] = made
    _stages(folder, contacts)
    activities = _activities(server, folder, contacts, ids)
    deals, pairs = _outcomes(folder, contacts, ids)
    for made in contacts.values():
        made.modified = max([made.created, *(v[0] for h in made.history.values() for v in h)])
    state.stores["contacts"].load(list(contacts.values()))
    state.stores["deals"].load(deals)
    state.associate("deals", "contacts", pairs)
    for kind, records in activities.items():
        state.stores[kind].load(records)
    return ids


def _stages(folder: Path, contacts: dict[str, Record]) -> None:
    for row in sorted(table(folder, "stage_changes"), key=lambda r: r["changed_at"]):
        made, stage = contacts[row["lead_id"]], STAGES[row["stage"]]
        if made.properties.get("lifecyclestage") != stage:
            made.version("lifecyclestage", stage, ms(row["changed_at"]))


def _activities(
    server: HubSpotServer, folder: Path, contacts: dict[str, Record], ids: dict[str, str]
) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = defaultdict(list)
    pairs: dict[str, list[tuple[str, str]]] = defaultdict(list)
    counts: dict[tuple[str, str], int] = defaultdict(int)
    rows = sorted(
        table(folder, "interactions"), key=lambda r: (r["occurred_at"], r["interaction_id"])
    )
    for n, row in enumerate(rows):
        kind, at = row["type"], ms(row["occurred_at"])
        if kind in COUNTED:
            counts[row["lead_id"], kind] += 1
            said = str(counts[row["lead_id"], kind])
            contacts[row["lead_id"]].version(COUNTED[kind], said, at, "ANALYTICS")
            continue
        objects = {"call": "calls", "note": "notes", "email_sent": "emails"}
        name = objects.get(kind, "meetings" if kind.startswith("meeting") else "emails")
        told = {"hs_timestamp": iso(at), "hs_createdate": iso(ms(row["recorded_at"]))}
        inbound = row["direction"] == "inbound"
        if name == "calls":
            told |= {"hs_call_direction": "INBOUND" if inbound else "OUTBOUND"}
        elif name == "emails":
            told |= {"hs_email_direction": "INCOMING_EMAIL" if inbound else "EMAIL"}
        made = Record(str(1_000_000 + n), at, at, told)
        if name == "meetings":
            outcome = {"meeting_held": "COMPLETED", "meeting_rescheduled": "RESCHEDULED"}
            said = outcome.get(kind, "CANCELED" if kind == "meeting_cancelled" else "SCHEDULED")
            made.version("hs_meeting_outcome", said, at)
            made.properties["hs_meeting_start_time"] = iso(at)
        found[name].append(made)
        pairs[name].append((made.id, ids[row["lead_id"]]))
    for name, own in pairs.items():
        server.state.associate(name, "contacts", own)
    return found


def _outcomes(
    folder: Path, contacts: dict[str, Record], ids: dict[str, str]
) -> tuple[list[Record], list[tuple[str, str]]]:
    deals, pairs = [], []
    for n, row in enumerate(sorted(table(folder, "outcomes"), key=lambda r: r["decided_at"])):
        at, made = ms(row["decided_at"]), contacts[row["lead_id"]]
        if row["outcome"] in STATUS:
            made.version("hs_lead_status", STATUS[row["outcome"]], at)
        if row["outcome"] in ("won", "lost"):
            deal = Record(str(5_000_000 + n), max(made.created, at - 864_000_000), at, {})
            deal.version("dealstage", "appointmentscheduled", deal.created)
            deal.version("dealstage", f"closed{row['outcome']}", at)
            deals.append(deal)
            pairs.append((deal.id, ids[row["lead_id"]]))
    return deals, pairs
