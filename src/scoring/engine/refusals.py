"""Which leads were refused for now: the `recycled` outcomes, which do not close a lead."""

from typing import TYPE_CHECKING

from scoring.engine.connection import Connection
from scoring.engine.landed import Landed
from scoring.engine.snapshots import decisions_sql

if TYPE_CHECKING:
    import pandas as pd

    from scoring.check.tables import Tables


def refusals(connection: Connection, tables: "Tables", landed: Landed) -> "pd.DataFrame":
    """lead_id, refused_at and known_at (naive UTC) of every `recycled` outcome.

    A refusal of a lead that was merged in counts for the survivor from when it became known there.
    """
    decisions = decisions_sql(tables.scan("outcomes"), landed)
    return connection.sql(
        "SELECT l.lead_id, o.decided_at AS refused_at,"
        " greatest(o.decided_at, o.known_at) AS known_at"
        f" FROM ({decisions}) o JOIN {tables.scan('leads')} l ON l.lead_key = o.lead_key"
        " WHERE o.outcome = 'recycled' ORDER BY l.lead_id, refused_at"
    ).df()
