"""A company's Salesforce with a history, and a project over it."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

from loopback import START
from salesforce_server import SalesforceServer
from salesforce_state import written

from scoring.clock import Moment
from scoring.crm.salesforce import SETUP
from scoring.crm.setup import staging_sql
from scoring.emit.fields import fields_of, with_reasons
from scoring.project import Project

NIGHT = datetime.fromtimestamp(START, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
BEGIN = NIGHT - timedelta(days=300)


def at(days: float) -> str:
    """A time so many days after the history's beginning, as Salesforce writes it."""
    return written(BEGIN + timedelta(days=days))


def populate(server: SalesforceServer, leads: int, activities: int, seed: int = 3) -> list[str]:
    """Leads with statuses, conversions, opportunities and activities; the same for a seed."""
    draw = random.Random(seed)
    state, ids = server.state, []
    for number in range(leads):
        day = draw.uniform(0, 200)
        lead = state.add("Lead", at(day), Status="Open - Not Contacted", OwnerId="005A",
                         LeadSource=draw.choice(["Web", "Referral"]), Industry="Retail",
                         NumberOfEmployees=draw.randint(1, 500))  # fmt: skip
        ids.append(lead)
        if number % 3 == 0:
            state.set(lead, "Status", "Working - Contacted", at(day + 1))
        if number % 10 == 0:
            _, deal = state.convert(lead, at(day + 20))
            state.move(deal, "Closed Won" if number % 20 == 0 else "Closed Lost", at(day + 40))
        elif number % 10 == 1:
            state.set(lead, "Status", "Unqualified", at(day + 30))
    for number in range(activities):
        lead = ids[draw.randrange(leads)]
        record = state.stores["Lead"][lead]
        who = record["ConvertedContactId"] or lead
        moment = at(draw.uniform(200, 299))
        if number % 4:
            kind = ("Call", "Email", "Task")[number % 3]
            state.add("Task", moment, WhoId=who, TaskSubtype=kind, IsClosed=True,
                      Status="Completed", CompletedDateTime=moment,
                      CallType="Inbound" if number % 2 else "Outbound",
                      IsArchived=number % 7 == 0)  # fmt: skip
        else:
            state.add("Event", moment, WhoId=who, StartDateTime=moment, EndDateTime=moment)
    return ids


def project_over(
    root: Path, server: SalesforceServer, *, emit: str = "", options: str = "", tables: str = ""
) -> Path:
    """As `scoring init --crm salesforce` writes it, with `emit` behind [emit]."""
    answers = {"won": "opportunity"}
    (root / "data" / "staging" / "crm").mkdir(parents=True)
    (root / "models" / "conversion").mkdir(parents=True)
    (root / "models" / "conversion" / "model.toml").write_text("[snapshots]\nat_age_days = [14]\n")
    (root / "scoring.toml").write_text(
        f'[project]\nname = "demo"\n[emit]\nsink = "salesforce"\nprefix = "ls_"\n{emit}'
    )
    listed = tables or "\n".join(f"{t} = []" for t in SETUP.tables(answers))
    (root / "data" / "sources.toml").write_text(
        f'[sources.crm]\nkind = "salesforce"\naddress = "{server.address}"\n'
        f'credentials_env = "SALESFORCE"\n[sources.crm.options]\n{options}\n'
        f"[sources.crm.tables]\n{listed}\n"
    )
    for table, file in SETUP.staging(answers).items():
        path = root / "data" / "staging" / "crm" / f"{table}.sql"
        path.write_text(staging_sql("salesforce", file))
    return root


def create_fields(server: SalesforceServer, project: Project) -> None:
    """What the administrator does; the scores of the tests have one main reason."""
    fields = fields_of(project, "conversion")
    for field in with_reasons(fields, [{"main_reason": "engagement"}]):
        server.state.create(field)


def night(n: int = 0) -> Moment:
    as_of = NIGHT + timedelta(days=n)
    return Moment(as_of=as_of, now=as_of + timedelta(hours=2))
