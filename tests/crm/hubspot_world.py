"""HubSpot accounts with made-up records, small or large, and what must be read of them."""

import random
from pathlib import Path
from typing import Any

from hubspot_server import HubSpotServer
from hubspot_state import Record, State, iso
from loopback import START

from scoring.crm.hubspot.tables import KINDS

DAY = 86_400_000
END = int(START * 1000) - DAY
STAGES = ("subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity")
CONNECTED = "f240bbac-87c9-4f6e-bf70-924b57d47db7"


def account(server: HubSpotServer) -> State:
    """The properties and pipelines that every account has."""
    state = server.state
    for kind in KINDS.values():
        names = dict.fromkeys((*kind.properties, *kind.history, "createdate"), "string")
        state.define(kind.name, names)
    closing = {
        "appointmentscheduled": {"isClosed": "false", "probability": "0.2"},
        "decisionmakerboughtin": {"isClosed": "false", "probability": "0.8"},
        "closedwon": {"isClosed": "true", "probability": "1.0"},
        "closedlost": {"isClosed": "true", "probability": "0.0"},
    }
    states = {
        "new-stage-id": {"leadState": "NEW"},
        "connected-stage-id": {"leadState": "IN_PROGRESS"},
        "unqualified-stage-id": {"leadState": "UNQUALIFIED"},
    }
    state.pipelines["deals"] = [pipeline("default", closing)]
    state.pipelines["leads"] = [pipeline("lead-pipeline-id", states)]
    return state


def pipeline(name: str, stages: dict[str, dict[str, str]]) -> dict[str, Any]:
    about = {
        "displayOrder": 0,
        "archived": False,
        "createdAt": "2020-01-01T00:00:00.000Z",
        "updatedAt": "2020-01-01T00:00:00.000Z",
    }
    listed = [{"id": s, "label": s, "metadata": m, **about} for s, m in stages.items()]
    return {"id": name, "label": name, "stages": listed, **about}


def record(number: int, created: int, modified: int, **properties: str) -> Record:
    made = Record(str(number), created, modified, {})
    for name, value in properties.items():
        made.version(name, value, created)
    return made


def populate(server: HubSpotServer, leads: int, activities: int, seed: int = 1) -> State:
    """Contacts with `activities` of every kind among them. Many share one modified time, as after
    an import."""
    state = account(server)
    draw = random.Random(seed)
    contacts = []
    for number in range(1, leads + 1):
        created = END - draw.randrange(30, 400) * DAY
        modified = END - 20 * DAY if number % 3 == 0 else created + draw.randrange(DAY * 20)
        made = record(number, created, modified, country="FI", hubspot_owner_id=str(number % 5))
        for step, stage in enumerate(STAGES[: draw.randrange(1, 6)]):
            made.version("lifecyclestage", stage, created + step * DAY)
        contacts.append(made)
    state.stores["contacts"].load(contacts)
    kinds = ("calls", "emails", "notes", "tasks", "meetings")
    made_of: dict[str, list[Record]] = {kind: [] for kind in kinds}
    pairs: dict[str, list[tuple[str, str]]] = {kind: [] for kind in kinds}
    for number in range(1, activities + 1):
        kind = kinds[number % 40 % 5] if number % 40 < 8 else kinds[number % 2]
        at = END - draw.randrange(1, 400 * DAY)
        made = Record(str(1_000_000 + number), at, at, activity(kind, at, draw))
        if kind == "meetings":
            made.history = {
                "hs_meeting_outcome": [
                    (at, "SCHEDULED", "CRM_UI"),
                    (at + DAY, made.properties["hs_meeting_outcome"], "CRM_UI"),
                ]
            }
        made_of[kind].append(made)
        pairs[kind].append((made.id, str(draw.randrange(1, leads + 1))))
    for kind in kinds:
        state.stores[kind].load(made_of[kind])
        state.associate(kind, "contacts", pairs[kind])
    return state


def activity(kind: str, at: int, draw: random.Random) -> dict[str, str]:
    told = {"hs_timestamp": iso(at), "hs_createdate": iso(at), "hubspot_owner_id": "1"}
    if kind == "calls":
        told |= {
            "hs_call_direction": draw.choice(["INBOUND", "OUTBOUND"]),
            "hs_call_status": "COMPLETED",
        }
    if kind == "emails":
        told |= {
            "hs_email_direction": draw.choice(["EMAIL", "INCOMING_EMAIL"]),
            "hs_email_status": "SENT",
        }
    if kind == "meetings":
        told |= {
            "hs_meeting_start_time": iso(at + DAY),
            "hs_meeting_outcome": draw.choice(["COMPLETED", "NO_SHOW"]),
        }
    return told


def project_over(root: Path, server: HubSpotServer, **options: str) -> Path:
    """A project as `scoring init --crm hubspot` writes it, with the server's address."""
    from scoring.init.crm import init_crm
    from scoring.init.template import template_root

    init_crm(
        root,
        "hubspot",
        template=template_root(),
        given=options,
        address=server.address,
        known_at_creation=("*",),
        name="demo",
        time_zone="Europe/Helsinki",
        choose=None,
        ask=None,
    )
    return root
