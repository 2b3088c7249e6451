"""How much a project's history holds to learn from."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from scoring.config import QuestionSection
from scoring.engine.connection import Connection, literal

if TYPE_CHECKING:
    from scoring.check.tables import Tables


@dataclass(frozen=True)
class History:
    """Counts over all live rows.

    conversions          leads whose own history holds the asked outcome or event
    with_interactions    share of the leads that have an interaction; with_stages likewise
    days_to_win          days from creation by which 80 % of the conversions had happened; None
                         without any, and for events, which happen again
    """

    leads: int
    conversions: int
    first_lead_at: datetime | None
    with_interactions: float
    with_stages: float
    days_to_win: float | None


def history(connection: Connection, tables: "Tables", question: QuestionSection) -> History:
    leads = tables.scan("leads")
    asked, at = f"outcome = {literal(question.outcome)}", "decided_at"
    if question.event:
        asked, at = (
            f"type IN ({', '.join(literal(name) for name in question.event)})",
            "occurred_at",
        )
    asked_of = tables.scan("interactions" if question.event else "outcomes")
    row = connection.execute(
        f"""
WITH won AS (
    SELECT lead_key, min({at}) AS won_at FROM {asked_of}
    WHERE {asked} AND NOT inherited AND gone_landed IS NULL
    GROUP BY lead_key
)
SELECT count(*), count(won_at), min(created_at),
    quantile_cont(date_diff('second', created_at, won_at) / 86400.0, 0.8)
FROM {leads} l LEFT JOIN won USING (lead_key)"""
    ).fetchone()
    count, won, first, days = row or (0, 0, None, None)

    def share(table: str) -> float:
        found = connection.execute(
            f"SELECT count(DISTINCT lead_key) FROM {tables.scan(table)} WHERE gone_landed IS NULL"
        ).fetchone()
        return (found[0] if found else 0) / count if count else 0.0

    return History(
        leads=count,
        conversions=won,
        first_lead_at=first.replace(tzinfo=UTC) if first else None,
        with_interactions=share("interactions"),
        with_stages=share("stage_changes"),
        days_to_win=float(days) if days is not None and not question.event else None,
    )


def first_lead_at(connection: Connection, tables: "Tables") -> datetime | None:
    """When the oldest lead was created; None where there are no leads."""
    row = connection.execute(f"SELECT min(created_at) FROM {tables.scan('leads')}").fetchone()
    return row[0].replace(tzinfo=UTC) if row and row[0] else None
