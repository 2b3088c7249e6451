"""FUTURE: which leads bought, and when; the flag is calibrated on what they did before."""

from datetime import datetime
from typing import TYPE_CHECKING

from scoring.engine.connection import Connection, literal
from scoring.engine.snapshots import moment

if TYPE_CHECKING:
    import pandas as pd

    from scoring.check.tables import Tables


def buyers(
    connection: Connection, tables: "Tables", outcome: str, data_end: datetime
) -> "pd.DataFrame":
    """lead_id, root_key, group_id, created_at, bought_at of every lead that bought, or was merged
    with one that did, as far as it was known before `data_end`. Times are naive UTC.

    created_at is that of the oldest, bought_at the first of the leads that were merged into one.
    Leads whose outcome is in quarantine are left out.
    """
    leads = f"(SELECT * FROM {tables.scan('leads')})"
    return connection.sql(
        f"""
WITH bought AS (
    SELECT l.root_lead_key AS root_key, min(o.decided_at) AS bought_at
    FROM {tables.scan("outcomes")} o JOIN {leads} l ON l.lead_key = o.lead_key
    WHERE o.outcome = {literal(outcome)} AND o.gone_landed IS NULL
        AND greatest(o.decided_at, o.known_at) < {moment(data_end)}
    GROUP BY 1
), every AS (
    SELECT l.lead_id, l.root_lead_key AS root_key, l.group_id, b.bought_at,
        min(l.created_at) OVER (PARTITION BY l.root_lead_key) AS created_at,
        bool_or(l.held) OVER (PARTITION BY l.root_lead_key) AS held
    FROM {leads} l JOIN bought b ON b.root_key = l.root_lead_key
)
SELECT lead_id, root_key, group_id, created_at, bought_at FROM every WHERE NOT held
ORDER BY lead_id"""
    ).df()
