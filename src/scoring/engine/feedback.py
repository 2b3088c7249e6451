"""What sellers said of leads, as far as it was known at a moment."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from scoring.engine.connection import Connection
from scoring.engine.landed import Landed
from scoring.engine.snapshots import moment

if TYPE_CHECKING:
    from scoring.check.tables import Tables


def spared(
    connection: Connection, tables: "Tables", as_of: datetime, days: int, landed: Landed
) -> set[str]:
    """lead_ids whose newest verdict is `not_a_tire_kicker`, given in [as_of - days, as_of).

    Given and recorded strictly before as_of. What was said of a lead holds for the lead that it
    was merged into, too.
    """
    now, start = moment(as_of), moment(as_of - timedelta(days=days))
    found = connection.execute(
        f"""
WITH newest AS (
    SELECT lead_key, arg_max(verdict, (given_at, known_at, verdict)) AS verdict,
        max(given_at) AS given_at
    FROM {tables.scan("feedback")} e
    WHERE {landed.condition("e")} AND given_at < {now} AND known_at < {now}
    GROUP BY lead_key
)
SELECT l.lead_id FROM newest n JOIN {tables.scan("leads")} l ON l.lead_key = n.lead_key
WHERE n.verdict = 'not_a_tire_kicker' AND n.given_at >= {start}"""
    ).fetchall()
    return {lead_id for (lead_id,) in found}
