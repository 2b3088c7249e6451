"""Which leads sellers keep free of a flag: they said `not_a_tire_kicker`, and it still counts."""

from datetime import UTC, datetime

from scoring.check.tables import Tables
from scoring.engine.feedback import spared
from scoring.engine.landed import Landed
from scoring.project import Project


def spared_leads(
    project: Project, as_of: datetime, days: int, landed_through: datetime | None = None
) -> set[str]:
    """lead_ids whose newest verdict, given in the last `days` days before as_of, is
    `not_a_tire_kicker`. A newer verdict of another kind takes it back.

    landed_through   only what had landed by then, to rebuild a run that was published
    """
    through = None
    if landed_through is not None:
        through = landed_through.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    with project.connect() as connection:
        return spared(connection, Tables.open(project), as_of, days, Landed(through))
