"""FUTURE: how leads ended and when their fields were changed, for the search for leaking columns.

Nothing of it becomes a feature: it is what a column's values are held against.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from scoring.engine.connection import Connection, literal
from scoring.engine.labels import speaking_sql
from scoring.engine.landed import Landed
from scoring.engine.snapshots import decisions_sql, moment

if TYPE_CHECKING:
    import pandas as pd

    from scoring.check.tables import Tables


def read_ends(connection: Connection, tables: "Tables", until: datetime) -> "pd.DataFrame":
    """One row per lead that was not merged away, by lead_key.

    root_key, created_at, first_landed, outcome and decided_at of the first outcome that closed it
    and was known before `until`; both missing while it is open. Times are naive UTC.
    """
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE outcome_rows AS"
        f" {decisions_sql(tables.scan('outcomes'), Landed())}"
    )
    return connection.sql(f"""
WITH firsts AS (
    SELECT lead_key, arg_min(outcome, (decided_at, outcome)) AS outcome,
        min(decided_at) AS decided_at
    FROM ({speaking_sql()})
    WHERE outcome <> 'recycled' AND greatest(decided_at, known_at) < {moment(until)}
    GROUP BY lead_key
)
SELECT l.lead_key AS root_key, l.created_at, l.first_landed, f.outcome, f.decided_at
FROM {tables.scan("leads")} l LEFT JOIN firsts f ON f.lead_key = l.lead_key
WHERE l.lead_key = l.root_lead_key ORDER BY l.lead_key""").df()


def read_changes(
    connection: Connection, tables: "Tables", fields: Iterable[str], until: datetime
) -> "pd.DataFrame":
    """lead_key, field, origin (`source`, `landing`), changed_at (naive UTC), place.

    place counts the rows of one lead and field from 1. Where the landing compared nights the first
    row is the value that was there when the lead landed, and no change.
    """
    names = ", ".join(literal(name) for name in fields) or "NULL"
    return connection.sql(f"""
SELECT lead_key, field, origin, changed_at,
    row_number() OVER (PARTITION BY lead_key, field, origin ORDER BY seq) AS place
FROM {tables.scan("lead_changes")} e
WHERE field IN ({names}) AND NOT inherited AND {Landed().condition("e")}
    AND changed_at < {moment(until)}
ORDER BY lead_key, field, origin, place""").df()
