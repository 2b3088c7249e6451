"""What names a project's history holds, and how many leads have each."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from scoring.engine.connection import Connection, identifier, literal
from scoring.engine.reading import (
    CLOSING_FIELDS,
    LOCAL,
    MENTIONS,
    OF_CONTACT,
    OF_CONTACTS,
    OF_LEAD_CHANGES,
    OF_PARTICIPANTS,
    UNKNOWN_ROLE,
    Reading,
)
from scoring.errors import ConfigError, nearest

if TYPE_CHECKING:
    from scoring.check.tables import Tables

# Of fewer values it cannot be said whether they are free texts.
FEWEST_TEXTS = 20


def types_and_holders(
    connection: Connection, tables: "Tables"
) -> tuple[dict[str, dict[str, int]], dict[str, int]]:
    """Leads per type of each stream, and leads per number or text property of interactions.

    A type is what a stream's rows are told apart by: the type of an interaction, the stage that
    was reached, the field that changed, the role of a contact. Identifiers and free texts say
    nothing about the next lead and are left out.
    """
    interactions = tables.scan("interactions")
    own = f"NOT inherited AND field NOT IN ({', '.join(map(literal, CLOSING_FIELDS))})"
    types = {
        stream: dict(
            connection.execute(
                f"SELECT {kind} AS kind, count(DISTINCT lead_key) FROM {tables.scan(stream)}"
                f" WHERE {condition} GROUP BY kind"
            ).fetchall()
        )
        for stream, kind, condition in (
            ("interactions", "type", "true"),
            ("stage_changes", "stage", "true"),
            ("lead_changes", "field", own),
            ("contacts", f"coalesce(role, {literal(UNKNOWN_ROLE)})", "true"),
        )
    }
    told = {
        name: kind
        for name, kind in tables.manifest["properties"].items()
        if kind in ("number", "text") and not _is_identifier(name)
    }
    texts = [name for name, kind in told.items() if kind == "text"]
    free = free_texts(connection, tables, "interactions", texts)
    names = sorted(name for name in told if name not in free)
    holders: dict[str, int] = {}
    if names:
        counts = ", ".join(
            f"count(DISTINCT lead_key) FILTER ({identifier(n)} IS NOT NULL)" for n in names
        )
        row = connection.execute(f"SELECT {counts} FROM {interactions}").fetchone()
        holders = dict(zip(names, row or (), strict=True))
    return types, holders


def free_texts(
    connection: Connection, tables: "Tables", table: str, names: Iterable[str]
) -> set[str]:
    """Those text columns of a table in which people wrote: most values are different ones, and one
    in ten or more has over five words. Nobody may find them in a feature, a model or a reason."""
    names = list(names)
    if not names:
        return set()
    asked = ", ".join(
        f"count(DISTINCT {c}) > count({c}) / 2 AND count({c}) >= {FEWEST_TEXTS}"
        f" AND avg((length({c}) - length(replace({c}, ' ', '')) > 4)::INTEGER) >= 0.1"
        for c in map(identifier, names)
    )
    row = connection.execute(f"SELECT {asked} FROM {tables.scan(table)}").fetchone()
    return {name for name, free in zip(names, row or (), strict=True) if free}


def known_properties(
    connection: Connection, tables: "Tables", reading: Reading
) -> dict[str, dict[str, str]]:
    """Stream → property → kind (`number`, `text`, `flag`): those that any of its rows can have.

    Those of `reading.py` are there only where the tables that they come from hold something. Raises
    ConfigError where `lead_time_zone` is no text column of the leads.
    """
    _check_time_zone(tables, reading.lead_time_zone)
    properties = {**LOCAL, **tables.manifest["properties"]}

    def filled_columns(name: str, columns: Iterable[str]) -> set[str]:
        return set(filled(connection, tables, columns, name))

    if filled_columns("interactions", ["contact_id"]):
        properties.setdefault("contact_id", "text")
        told = filled_columns("contacts", _present(tables, "contacts", ("role", *OF_CONTACTS)))
        for name, kind in OF_CONTACT.items():
            if name.removeprefix("contact_") in told:
                properties.setdefault(name, kind)
    listed = filled_columns("participants", ["contact_id", "attended"])
    roles = connection.execute(
        f"SELECT DISTINCT role FROM {tables.scan('contacts')} WHERE role IS NOT NULL"
    ).fetchall()
    decided = bool(reading.deciding(role for (role,) in roles))
    for name, kind in OF_PARTICIPANTS.items():
        by_table = "attended" if "attended" in name else "contact_id"
        if by_table in listed and (decided or not name.startswith("deciding")):
            properties.setdefault(name, kind)
    if reading.words and filled_columns("interactions", _present(tables, "interactions", ["text"])):
        for name in reading.words:
            properties.setdefault(MENTIONS + name, "number")
    known = _present(tables, "contacts", OF_CONTACTS)
    return {
        "interactions": properties,
        "stage_changes": {},
        "lead_changes": dict(OF_LEAD_CHANGES) if filled_columns("lead_changes", ["value"]) else {},
        "contacts": {name: OF_CONTACTS[name] for name in filled_columns("contacts", known)},
    }


def _present(tables: "Tables", table: str, columns: Iterable[str]) -> list[str]:
    there = tables.columns(table)
    return [name for name in columns if name in there]


def _check_time_zone(tables: "Tables", column: str | None) -> None:
    texts = [name for name, kind in tables.columns("leads").items() if kind == "VARCHAR"]
    if column is not None and column not in texts:
        raise ConfigError(
            f"scoring.toml: `project.lead_time_zone` names `{column}`, which is not a text of the "
            f"leads.{nearest(column, texts)}",
            "Name the column with each lead's time zone (Europe/Helsinki), or leave the key out.",
        )


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


def filled(
    connection: Connection, tables: "Tables", names: Iterable[str], table: str = "leads"
) -> list[str]:
    """Those columns of a table that hold any value."""
    names = list(names)
    if not names:
        return []
    counts = ", ".join(f"count({identifier(name)})" for name in names)
    row = connection.execute(f"SELECT {counts} FROM {tables.scan(table)}").fetchone()
    return [name for name, count in zip(names, row or (), strict=True) if count]


def _is_identifier(name: str) -> bool:
    lowered = name.lower()
    return lowered == "id" or lowered.startswith("id_") or lowered.endswith("_id")
