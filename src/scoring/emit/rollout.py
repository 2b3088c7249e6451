"""Who gets scores while they are being introduced: everybody, a pilot, or nobody yet."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

from scoring.config import PilotSection
from scoring.crm.port import Value
from scoring.errors import ConfigError, nearest

if TYPE_CHECKING:
    from scoring.project import Project

Rows = Sequence[Mapping[str, Value]]

PAUSED, SHADOW, OUTSIDE = "paused", "shadow", "outside_pilot"
WHY = {PAUSED: "emit.pause = true", SHADOW: 'emit.mode = "shadow"'}


def held_back(project: "Project", question: str) -> str:
    """Why nothing is written at all: PAUSED, SHADOW, or an empty text."""
    settings = project.settings.emit.of_question(question)
    if settings.pause:
        return PAUSED
    return SHADOW if settings.mode == "shadow" else ""


def taking_part(project: "Project", question: str, rows: Rows) -> Rows:
    """The score rows whose leads get scores."""
    settings = project.settings.emit.of_question(question)
    if settings.mode != "pilot":
        return rows
    pilot, name = settings.pilot, project.settings.project.name
    named = _leads_of(project, pilot) if pilot.owners or pilot.teams else frozenset()
    return [
        row
        for row in rows
        if row["lead_id"] in named or in_share(str(row["lead_id"]), name, pilot.share)
    ]


def in_share(lead_id: str, salt: str, share: float) -> bool:
    """Whether a lead is in a share of all leads: the same ones every night, and a larger share
    holds every smaller one."""
    digest = blake2b(f"{salt}:{lead_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2**64


def _leads_of(project: "Project", pilot: PilotSection) -> frozenset[str]:
    """The leads of the pilot's owners and teams, as the tables know them now."""
    from scoring.check.tables import Tables
    from scoring.engine.connection import identifier, literal

    tables = Tables.open(project)
    wanted = {"owner_id": pilot.owners, pilot.team_column: pilot.teams}
    conditions = []
    for column, values in wanted.items():
        if not values:
            continue
        known = tables.columns("leads")
        if column not in known:
            raise ConfigError(
                f'[emit.pilot]: the table `leads` has no column "{column}".'
                f"{nearest(column, known)}",
                "Bring it in by data/staging/, or choose the pilot by `share`.",
            )
        listed = ", ".join(literal(value) for value in values)
        conditions.append(f"CAST({identifier(column)} AS VARCHAR) IN ({listed})")
    query = f"SELECT lead_id FROM {tables.scan('leads')} WHERE {' OR '.join(conditions)}"
    with project.connect() as connection:
        return frozenset(lead for (lead,) in connection.execute(query).fetchall())
