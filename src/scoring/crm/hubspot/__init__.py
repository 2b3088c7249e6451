"""HubSpot: contacts or leads with their companies, deals, activities and history.

calls.py    its interface: limits, errors, searches and batches
tables.py   what is read
reader.py   reading
fields.py   our columns as its properties
sink.py     writing
../staging/hubspot/   its tables as canonical ones
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from scoring.config import Source
from scoring.crm.hubspot.calls import HubSpot
from scoring.crm.hubspot.reader import HubSpotReader
from scoring.crm.hubspot.sink import HubSpotSink
from scoring.crm.hubspot.tables import KINDS, wanted
from scoring.crm.setup import Question, Setup

READER = HubSpotReader
SINK = HubSpotSink

# Attributes that a form or an import may have filled at the beginning.
AT_CREATION = (
    *("source", "owner_id", "industry"),
    *("numemployees", "annualrevenue", "country", "state", "hs_language"),
)
STAGES = ("subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity")
# HubSpot's own pipeline of lead objects.
LEAD_STAGES = ("new-stage-id", "attempting-stage-id", "connected-stage-id", "qualified-stage-id")


def probe(source: Source, root: Path, environ: Mapping[str, str]) -> Iterator[str]:
    """What the token can do, one sentence a fact: one small call for each object.

    Raises ConfigError for the first object that it may not read, with the missing scope.
    """
    with closing(HubSpot(source, root, environ)) as hubspot:
        yield f"account {hubspot.account()}"
        for kind in wanted(source, hubspot.options["lead"]):
            hubspot.search(kind.name, (), ("hs_object_id",), limit=1)
            yield f"{kind.name} can be read"


def _tables(answers: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    names = [name for name in KINDS if name != "leads" or answers["lead"] == "leads"]
    histories = ["contacts", "deals", "meetings"]
    if answers["lead"] == "leads":
        histories.append("leads")
    return dict.fromkeys((*names, *(KINDS[h].history_table for h in histories)), ())


def _staging(answers: Mapping[str, str]) -> dict[str, str]:
    lead = answers["lead"]
    own = ("leads", "stage_changes", "lead_changes", "contacts", "feedback")
    return {
        **{table: f"{lead}/{table}.sql" for table in own},
        "interactions": "interactions.sql",
        "outcomes": f"{lead}/outcomes_{answers['won']}.sql",
    }


SETUP = Setup(
    title="HubSpot",
    questions=(
        Question(
            "lead",
            "Which object of HubSpot is a lead?",
            {
                "contacts": "contacts, with their lifecycle stage (most accounts)",
                "leads": "the leads object of Sales Hub",
            },
        ),
        Question(
            "won",
            "What counts as won?",
            {
                "deal": "a deal of the contact is won",
                "customer": "the contact's lifecycle stage becomes customer",
            },
        ),
    ),
    secrets=("token",),
    tables=_tables,
    staging=_staging,
    stages=lambda answers: STAGES if answers["lead"] == "contacts" else LEAD_STAGES,
    attributes=lambda answers: AT_CREATION if answers["lead"] == "contacts" else ("owner_id",),
)
