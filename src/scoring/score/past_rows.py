"""The rows that a snapshot may see, as a source would deliver them.

What is visible is said here once more, on purpose: these conditions are written from the rules of
time in words and share no code with `engine`, so that a fault there cannot hide itself.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from scoring.build.featureset import FeatureSet
from scoring.check.tables import Tables
from scoring.config import ModelToml
from scoring.contracts import EARLIEST, schemas
from scoring.engine.connection import Connection, identifier, literal

if TYPE_CHECKING:
    import pandas as pd

AT = "audit_as_of"
# A table of outcomes may not be empty: one lead that nobody looks at has one.
NOBODY = "nobody"


@dataclass(frozen=True)
class Part:
    """Snapshots that share a feature set.

    rows       lead_id, as_of (naive UTC), lead_key, one snapshot a row; the index names it
    through    only what had landed by then; None: what is live now
    """

    name: str
    rows: "pd.DataFrame"
    features: FeatureSet
    settings: ModelToml
    through: datetime | None

    def pseudo_ids(self) -> list[str]:
        """Names of equal length, so that none is the beginning of another."""
        return [f"{self.name}-{number:08d}" for number in range(len(self.rows))]


def make_members(connection: Connection, tables: Tables, parts: Sequence[Part]) -> None:
    """Temporary table `members`: the leads whose histories each snapshot sees, itself first.

    part, snapshot (the pseudo-lead's ID), as_of, through, lead_id, lead_key (the original's),
    pseudo_id, and for absorbed leads merged_into (a pseudo_id) and merged_at. A lead comes along
    if every merge on its way happened before as_of and had landed by `through`.
    """
    import pandas as pd
    import pyarrow as pa

    wanted = pd.concat(
        [
            pd.DataFrame(
                {
                    "part": part.name,
                    "snapshot": part.pseudo_ids(),
                    "lead_id": part.rows["lead_id"].to_numpy(),
                    "as_of": part.rows["as_of"].to_numpy(),
                    "through": pd.Series(
                        _naive(part.through), index=range(len(part.rows)), dtype="datetime64[us]"
                    ),
                }
            )
            for part in parts
        ],
        ignore_index=True,
    )
    connection.register("wanted", pa.Table.from_pandas(wanted, preserve_index=False))
    connection.execute(f"""
CREATE TEMP TABLE members AS
WITH RECURSIVE merges AS (
    SELECT l.lead_id, l.lead_key, l.merged_into, l.merged_at,
        coalesce(min(c.first_landed), l.first_landed) AS landed
    FROM {tables.scan("leads")} l LEFT JOIN {tables.scan("lead_changes")} c
        ON c.lead_key = l.lead_key AND c.origin = 'landing' AND NOT c.inherited
        AND c.field = 'merged_into' AND c.value = l.merged_into
    WHERE l.merged_into IS NOT NULL
    GROUP BY l.lead_id, l.lead_key, l.merged_into, l.merged_at, l.first_landed
), reached AS (
    SELECT w.part, w.snapshot, w.as_of::TIMESTAMP AS as_of, w.through::TIMESTAMP AS through,
        l.lead_id, l.lead_key, w.snapshot AS pseudo_id,
        NULL::VARCHAR AS merged_into, NULL::TIMESTAMP AS merged_at
    FROM wanted w JOIN {tables.scan("leads")} l ON l.lead_id = w.lead_id
    UNION ALL
    SELECT r.part, r.snapshot, r.as_of, r.through, l.lead_id, l.lead_key,
        r.snapshot || '/' || l.lead_key, r.pseudo_id, l.merged_at
    FROM reached r JOIN merges l ON l.merged_into = r.lead_id
    WHERE l.merged_at < r.as_of AND (r.through IS NULL OR l.landed <= r.through)
)
SELECT * FROM reached""")
    connection.unregister("wanted")


def _naive(at: datetime | None) -> datetime | None:
    return at.astimezone(EARLIEST.tzinfo).replace(tzinfo=None) if at else None


LANDED = (
    "CASE WHEN m.through IS NULL THEN e.gone_landed IS NULL ELSE e.first_landed <= m.through"
    " AND (e.gone_landed IS NULL OR e.gone_landed > m.through) END"
)


def history_sql(tables: Tables, table: str, parts: Sequence[Part]) -> str:
    """The rows of a history table that happened and were recorded before as_of, as a source has
    them: with the pseudo-lead's ID, and IDs of their own in the same order."""
    schema = schemas(EARLIEST)[table]
    event = (schema.metadata or {})["event"]
    columns = list(schema.columns)
    if table == "participants":
        interactions = tables.scan("interactions")
        return f"""
SELECT p.* REPLACE (m.snapshot || '/' || p.interaction_id AS interaction_id,
    m.snapshot || '/' || p.contact_id AS contact_id)
FROM (
    SELECT {_listed(columns)} FROM {tables.scan(table)} p
    WHERE EXISTS (
        SELECT 1 FROM {interactions} e WHERE e.interaction_id = p.interaction_id
            AND NOT e.inherited AND p.first_landed <= e.first_landed
            AND (p.gone_landed IS NULL OR p.gone_landed > e.first_landed)
    )
) p
JOIN {interactions} e ON e.interaction_id = p.interaction_id
JOIN members m ON m.lead_key = e.lead_key WHERE {_past("e.occurred_at")}"""
    if table == "interactions":
        columns += tables.manifest["properties"]
    # Several snapshots of one lead share its contacts, which must not meet in the copy.
    replaced = {
        "lead_id": "m.pseudo_id",
        "interaction_id": "m.snapshot || '/' || e.interaction_id",
        "contact_id": "m.snapshot || '/' || e.contact_id",
    }
    if event is not None:
        # Where nothing tells when, the row was known since it landed, which is other in a copy.
        unknown = f"CASE WHEN e.{event} IS NULL THEN e.first_landed END"
        replaced["recorded_at"] = f"coalesce(e.recorded_at, {unknown})"
    made = ", ".join(f"{replaced.get(c, 'e.' + identifier(c))} AS {identifier(c)}" for c in columns)
    query = (
        f"SELECT {made} FROM {tables.scan(table)} e JOIN members m ON m.lead_key = e.lead_key"
        f" WHERE {_past(f'e.{event}')}"
    )
    if table == "lead_changes":
        # What the landing saw begins with the value that stood there before: no change.
        query += (
            f" AND NOT (e.origin = 'landing' AND (e.lead_key, e.seq) IN (SELECT lead_key,"
            f" min(seq) FROM {tables.scan(table)} WHERE origin = 'landing' AND NOT inherited"
            " GROUP BY lead_key, field))"
        )
        # Where the source has a field's history, what the landing saw of it does not count.
        query += "".join(
            f" AND NOT (m.part = {literal(part.name)} AND e.origin = 'landing'"
            f" AND list_contains([{_texts(part.features.tracked)}]::VARCHAR[], e.field))"
            for part in parts
        )
    if table == "outcomes":
        query += (
            f" UNION ALL BY NAME SELECT {literal(NOBODY)} AS lead_id, 'lost' AS outcome,"
            " min(as_of) AS decided_at FROM members"
        )
    return query


def _past(event: str) -> str:
    happened = f"coalesce({event}, e.first_landed)"
    return (
        f"NOT e.inherited AND {happened} < m.as_of"
        f" AND coalesce(e.recorded_at, {happened}) < m.as_of AND {LANDED}"
    )


def not_past(event: str) -> str:
    """The live rows of a member that its snapshot must not see."""
    happened = f"coalesce({event}, e.first_landed)"
    return (
        f"NOT e.inherited AND e.gone_landed IS NULL AND ({happened} >= m.as_of"
        f" OR coalesce(e.recorded_at, {happened}) >= m.as_of)"
    )


def leads_sql(tables: Tables, parts: Sequence[Part]) -> str:
    """The leads' rows as they may have stood at as_of.

    An attribute with a history of its own stands nowhere else. One that is known at creation is
    the row's value, before the first change that the landing saw; any other is the value that
    landed first, once it had landed.
    """
    selects = [_pseudo_leads(tables, part) for part in parts]
    selects.append(
        "SELECT m.pseudo_id AS lead_id, l.created_at, m.merged_into, m.merged_at"
        f" FROM members m JOIN {tables.scan('leads')} l ON l.lead_key = m.lead_key"
        " WHERE m.merged_into IS NOT NULL"
    )
    selects.append(f"SELECT {literal(NOBODY)} AS lead_id, min(as_of) AS created_at FROM members")
    return " UNION ALL BY NAME ".join(f"({query})" for query in selects)


def _pseudo_leads(tables: Tables, part: Part) -> str:
    features = part.features
    types = tables.columns("leads")
    values = []
    for name in sorted(features.attributes):
        column = identifier(name)
        first = f"f.firsts[{literal(name)}]"
        changed = f"coalesce(map_contains(f.firsts, {literal(name)}), false)"
        if name in features.tracked:
            value = "NULL"
        elif name in features.known_at_creation:
            then = f"TRY_CAST({first}.value AS {types[name]})"
            value = f"CASE WHEN {changed} THEN {then} ELSE l.{column} END"
        else:
            stood = (
                f"CASE WHEN {first}.at < m.as_of THEN TRY_CAST({first}.value AS {types[name]}) END"
            )
            value = (
                f"CASE WHEN {changed} THEN {stood}"
                f" WHEN l.first_landed < m.as_of THEN l.{column} END"
            )
        values.append(f", CAST({value} AS {types[name]}) AS {column}")
    return f"""
SELECT m.pseudo_id AS lead_id, l.created_at, l.person_id, l.company_id,
    m.as_of AS {AT}{"".join(values)}
FROM members m JOIN {tables.scan("leads")} l ON l.lead_key = m.lead_key
LEFT JOIN (
    SELECT pseudo_id, map(list(field), list(v)) AS firsts FROM (
        SELECT m.pseudo_id, e.field, arg_min({{'value': e.value, 'at': e.known_at}}, e.seq) AS v
        FROM {tables.scan("lead_changes")} e JOIN members m ON m.lead_key = e.lead_key
        WHERE e.origin = 'landing' AND NOT e.inherited AND {LANDED}
        GROUP BY m.pseudo_id, e.field
    ) GROUP BY pseudo_id
) f ON f.pseudo_id = m.pseudo_id
WHERE m.part = {literal(part.name)} AND m.merged_into IS NULL"""


def _texts(values: Iterable[str]) -> str:
    return ", ".join(literal(v) for v in sorted(values))


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(identifier(c) for c in columns)
