"""What names a project's history holds, and how many leads have each."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from scoring.engine.connection import Connection, identifier

if TYPE_CHECKING:
    from scoring.check.tables import Tables


def types_and_holders(
    connection: Connection, tables: "Tables"
) -> tuple[dict[str, dict[str, int]], dict[str, int]]:
    """Leads per type of each stream, and leads per number or text property.

    Identifiers say nothing about the next lead and are left out.
    """
    interactions = tables.scan("interactions")
    types = dict(
        connection.execute(
            f"SELECT type, count(DISTINCT lead_key) FROM {interactions} GROUP BY type"
        ).fetchall()
    )
    stages = dict(
        connection.execute(
            f"SELECT stage, count(DISTINCT lead_key) FROM {tables.scan('stage_changes')}"
            " GROUP BY stage"
        ).fetchall()
    )
    names = sorted(
        name
        for name, kind in tables.manifest["properties"].items()
        if kind in ("number", "text") and not _is_identifier(name)
    )
    holders: dict[str, int] = {}
    if names:
        counts = ", ".join(
            f"count(DISTINCT lead_key) FILTER ({identifier(n)} IS NOT NULL)" for n in names
        )
        row = connection.execute(f"SELECT {counts} FROM {interactions}").fetchone()
        holders = dict(zip(names, row or (), strict=True))
    return {"interactions": types, "stage_changes": stages}, holders


def directed(kinds: Iterable[Mapping[str, Any]]) -> dict[str, frozenset[str]]:
    """Direction → the types of interactions that are recorded with it."""
    found: dict[str, set[str]] = {}
    for kind in kinds:
        if kind["direction"]:
            found.setdefault(kind["direction"], set()).add(kind["type"])
    return {direction: frozenset(types) for direction, types in found.items()}


def tracked_fields(connection: Connection, tables: "Tables") -> dict[str, set[str]]:
    """Fields with a history: the `source`'s own, or made by the `landing` comparing nights."""
    rows = connection.execute(
        f"SELECT DISTINCT origin, field FROM {tables.scan('lead_changes')}"
    ).fetchall()
    found: dict[str, set[str]] = {"source": set(), "landing": set()}
    for origin, name in rows:
        found[origin].add(name)
    return found


def filled(connection: Connection, tables: "Tables", names: Iterable[str]) -> list[str]:
    """Those columns of leads that hold any value."""
    names = list(names)
    counts = ", ".join(f"count({identifier(name)})" for name in names)
    row = connection.execute(f"SELECT {counts} FROM {tables.scan('leads')}").fetchone()
    return [name for name, count in zip(names, row or (), strict=True) if count]


def _is_identifier(name: str) -> bool:
    lowered = name.lower()
    return lowered == "id" or lowered.startswith("id_") or lowered.endswith("_id")
