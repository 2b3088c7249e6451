"""Salesforce: leads with their opportunities, activities and history.

calls.py               its interface: limits, errors, queries
tables.py              what is read
reader.py              reading
fields.py              our columns as its custom fields
bulk.py                bulk jobs
sink.py                writing
../staging/salesforce  its tables as canonical ones
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from scoring.config import Source
from scoring.crm.salesforce.calls import Salesforce
from scoring.crm.salesforce.reader import SalesforceReader
from scoring.crm.salesforce.sink import SalesforceSink
from scoring.crm.salesforce.tables import KINDS, wanted
from scoring.crm.setup import Question, Setup

READER = SalesforceReader
SINK = SalesforceSink

# Attributes that a form or an import may have filled at the beginning.
AT_CREATION = (
    *("source", "owner_id", "Industry", "AnnualRevenue", "NumberOfEmployees"),
    *("Country", "State"),
)
# Statuses of a lead, then stages of an opportunity, as Salesforce ships them.
STAGES = (
    *("Open - Not Contacted", "Working - Contacted", "Prospecting", "Qualification"),
    *("Needs Analysis", "Value Proposition", "Id. Decision Makers", "Perception Analysis"),
    *("Proposal/Price Quote", "Negotiation/Review"),
)


def probe(source: Source, root: Path, environ: Mapping[str, str]) -> Iterator[str]:
    """What the user can do, one sentence a fact: one small call for each object.

    Raises ConfigError for the first object that it may not read.
    """
    with closing(Salesforce(source, root, environ)) as salesforce:
        yield f"organisation {salesforce.organisation()}"
        for kind in wanted(source):
            there = salesforce.describe(kind.object)
            lacking = [field for field in kind.fields if field not in there]
            hidden = f", without {', '.join(lacking)}" if lacking else ""
            yield f"{kind.object} can be read{hidden}"


def _staging(answers: Mapping[str, str]) -> dict[str, str]:
    tables = ("leads", "stage_changes", "lead_changes", "contacts", "feedback", "interactions")
    outcomes = f"outcomes_{answers['won']}.sql"
    return {**{table: f"{table}.sql" for table in tables}, "outcomes": outcomes}


SETUP = Setup(
    title="Salesforce",
    questions=(
        Question(
            "won",
            "What counts as won? (A lead is a Lead; IsConverted alone is not a sale.)",
            {
                "opportunity": "the opportunity that the lead was converted into is won",
                "conversion": "the conversion itself, where nothing is sold by opportunities",
            },
        ),
    ),
    secrets=("client_id", "client_secret"),
    tables=lambda answers: dict.fromkeys(KINDS, ()),  # noqa: ARG005
    staging=_staging,
    stages=lambda answers: STAGES,  # noqa: ARG005
    attributes=lambda answers: AT_CREATION,  # noqa: ARG005
    needs_address=True,
)
