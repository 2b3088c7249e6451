"""Odoo 19: its leads are read with what happened to them, and scores are written onto them.

calls.py     its interface: calls, errors, pages
tables.py    what is read
history.py   tracked changes of fields
merges.py    who absorbed whom
reader.py    reading
fields.py    our columns as its fields; views.py: where people see them
sink.py      writing
staging/odoo/     its tables as canonical ones
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from scoring.config import Source
from scoring.crm.odoo.calls import LEAD, Odoo
from scoring.crm.odoo.reader import READS, TRACKED, TRACKING, OdooReader
from scoring.crm.odoo.sink import WRITES, OdooSink
from scoring.crm.odoo.tables import MODELS
from scoring.crm.setup import Question, Setup

READER = OdooReader
SINK = OdooSink

# Odoo's own stages; and attributes that a form, a mail gateway or an import fills at the start.
STAGES = ("New", "Qualified", "Proposition", "Won")
AT_CREATION = (
    *("source", "owner_id", "type", "medium_id_name", "campaign_id_name", "country_id_name"),
    *("state_id_name", "lang_id_name", "team_id_name", "function"),
)
COLUMNS = ("leads", "interactions", "participants", "stage_changes", "lead_changes", "contacts")


def probe(source: Source, root: Path, environ: Mapping[str, str]) -> Iterator[str]:
    """What the API key's user may do, one sentence a fact; no record is read.

    Raises ConfigError for the first thing that it may not do, with the group that it lacks.
    """
    with closing(Odoo(source, root, environ)) as odoo:
        odoo.require(LEAD, "read", READS)
        yield f"account {odoo.account}"
        for model in MODELS.values():
            odoo.require(model, "read", READS)
            yield f"{model} can be read"
        if source.options.get("history", True):
            for model in TRACKED:
                odoo.require(model, "read", TRACKING)
            yield "field history can be read"
        odoo.require(LEAD, "write", WRITES)
        yield "scores can be written"


SETUP = Setup(
    title="Odoo",
    questions=(
        Question(
            "won",
            "What counts as won? (A lead and its opportunity are one record in Odoo.)",
            {
                "won": "the opportunity is won: it reaches a stage that is a won stage",
                "opportunity": "the lead becomes an opportunity",
            },
        ),
    ),
    secrets=("token",),
    tables=lambda _: dict.fromkeys((*MODELS, "lead_history", "calendar_attendee"), ()),
    staging=lambda answers: {
        **{table: f"{table}.sql" for table in (*COLUMNS, "feedback")},
        "outcomes": f"outcomes_{answers['won']}.sql",
    },
    stages=lambda _: STAGES,
    attributes=lambda _: AT_CREATION,
    needs_address=True,
)
