"""The leads: one current row each, their partition and key, merges followed.

Three relations stay in the connection for the other tables:
    lead_versions   every good row of leads with its standing
    lead_index      lead_id, created_at, part, lead_key of every lead
    lead_steps      source_key → survivor_id, survivor_key, part, known_from, landed_from: whose
                    history a survivor sees, from when, and which run brought the last merge
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from scoring.check import quarantine, versions
from scoring.check.merges import Paths, follow
from scoring.check.rows import Rows, content_hash
from scoring.check.tables import first_key, partition_of
from scoring.engine.connection import Connection, identifier, scalar
from scoring.errors import Held

CIRCLE = "merged_into forms a circle"


@dataclass(frozen=True)
class Leads:
    """What the run needs to know of the leads; the rows are in the connection."""

    counts: dict[str, int]
    paths: Paths
    ranges: list[tuple[int, int]]


def settle(
    connection: Connection, rows: Rows, partitions: int, seen_until: str | None, bad_file: Path
) -> Leads:
    """Find each lead's current row and its key; write the rows that cannot stand to `bad_file`.

    seen_until   newest first_landed of the last publication (ISO, naive UTC) or None
    """
    connection.execute(f"CREATE TABLE lead_rows AS {rows.query}")
    connection.execute("CREATE VIEW good_leads AS SELECT * FROM lead_rows WHERE faults IS NULL")
    connection.execute("CREATE VIEW bad_leads AS SELECT * FROM lead_rows WHERE faults IS NOT NULL")
    rows_in = int(scalar(connection, "SELECT count(*) FROM lead_rows"))
    _versions(connection, rows)
    paths, landings = _follow(connection)
    _register(connection, "circle", pa.table({"lead_id": pa.array(sorted(paths.circles), "str")}))
    _register(connection, "adrift", pa.table({"lead_id": pa.array(sorted(paths.unknown), "str")}))
    quarantined = _quarantine(connection, rows, bad_file)
    connection.execute("DELETE FROM lead_now WHERE lead_id IN (SELECT lead_id FROM circle)")
    if not rows_in:
        raise Held("leads has no rows.", "Look at the source's file and its staging SQL.")
    if not scalar(connection, "SELECT count(*) FROM lead_now"):
        raise Held("No row of leads keeps its contract.", "Look at the source and its staging SQL.")
    ranges = _index(connection, partitions)
    _steps(connection, paths, landings)
    live = "standing = 'current' AND lead_id NOT IN (SELECT lead_id FROM circle)"
    since = f"first_landed <= TIMESTAMP '{seen_until}'" if seen_until else "false"
    found = connection.execute(
        f"SELECT count(*), count(*) FILTER ({since}) FROM lead_versions WHERE {live}"
    ).fetchone()
    standing, unchanged = (int(n) for n in found or (0, 0))
    counts = {
        "rows_in": rows_in,
        "accepted": standing - unchanged,
        "unchanged": unchanged,
        "superseded": rows_in - standing - quarantined,
        "quarantined": quarantined,
    }
    return Leads(counts, paths, ranges)


def _versions(connection: Connection, rows: Rows) -> None:
    """Make `lead_versions` and `lead_now`, each lead's newest version. Most leads have one row:
    only the others are compared with each other."""
    connection.execute(
        "CREATE TABLE several AS SELECT lead_id FROM good_leads GROUP BY 1 HAVING count(*) > 1"
    )
    hashed = (
        f"(SELECT *, {content_hash(rows)} AS content_hash FROM good_leads "
        "SEMI JOIN several USING (lead_id))"
    )
    single = (
        "SELECT *, NULL::VARCHAR AS content_hash, CASE WHEN gone_landed IS NULL THEN 'current' "
        "ELSE 'superseded' END AS standing FROM good_leads ANTI JOIN several USING (lead_id)"
    )
    connection.execute(
        f"CREATE TABLE lead_versions AS FROM ({versions.resolved(rows, hashed)}) "
        f"UNION ALL BY NAME {single}"
    )
    newest = (
        "SELECT * FROM lead_versions SEMI JOIN several USING (lead_id) "
        "WHERE standing IN ('current', 'superseded') "
        "QUALIFY row_number() OVER (PARTITION BY lead_id ORDER BY version_time DESC, "
        "first_landed DESC) = 1"
    )
    connection.execute(
        f"CREATE TABLE lead_now AS FROM ({newest}) UNION ALL BY NAME "
        "SELECT * FROM lead_versions ANTI JOIN several USING (lead_id)"
    )


def _follow(connection: Connection) -> tuple[Paths, list[datetime]]:
    """Merges of the current rows, and when each of the steps had landed.

    Without merged_at a merge is known since its row says so.
    """
    found = connection.execute(
        "SELECT n.lead_id, n.merged_into, "
        "coalesce(any_value(n.merged_at), any_value(n.updated_at), any_value(n.first_landed)), "
        "min(v.first_landed) FROM lead_now n JOIN lead_versions v ON v.lead_id = n.lead_id "
        "AND v.merged_into = n.merged_into GROUP BY n.lead_id, n.merged_into"
    ).fetchall()
    merges = {lead: (into, at) for lead, into, at, _ in found}
    landed = {lead: (into, at) for lead, into, _, at in found}
    _register(
        connection,
        "survivors",
        pa.table({"lead_id": pa.array(sorted({into for into, _ in merges.values()}), "str")}),
    )
    rows = connection.execute(
        "SELECT lead_id FROM lead_now WHERE lead_id IN (SELECT lead_id FROM survivors)"
    ).fetchall()
    exist = {row[0] for row in rows}
    return follow(merges, exist), [at for _, _, at in follow(landed, exist).steps]


def _quarantine(connection: Connection, rows: Rows, bad_file: Path) -> int:
    connection.execute(
        "CREATE TABLE barred_leads AS " + versions.not_replaced(rows, "bad_leads", "lead_versions")
    )
    connection.execute(
        "CREATE VIEW twice_leads AS SELECT * FROM lead_versions WHERE standing = 'duplicate'"
    )
    connection.execute(
        "CREATE VIEW circle_leads AS SELECT * FROM lead_versions WHERE standing = 'current' "
        "AND lead_id IN (SELECT lead_id FROM circle)"
    )
    return quarantine.write(
        connection,
        [
            quarantine.from_faults("barred_leads", "leads"),
            quarantine.from_reason("twice_leads", "leads", "lead_id", "duplicate lead_id"),
            quarantine.from_reason("circle_leads", "leads", "merged_into", CIRCLE),
        ],
        bad_file,
    )


def _index(connection: Connection, partitions: int) -> list[tuple[int, int]]:
    # The first key of the partition before the next one's: what `first_key` says, in SQL.
    each = first_key(1, partitions)
    connection.execute(
        "CREATE TABLE lead_index AS SELECT lead_id, created_at, part, "
        f"CAST(part * {each} + row_number() OVER (PARTITION BY part ORDER BY since, lead_id) - 1 "
        "AS INTEGER) AS lead_key "
        f"FROM (SELECT lead_id, created_at, since, {partition_of('lead_id', partitions)} AS part "
        "FROM lead_now JOIN (SELECT lead_id, min(first_landed) AS since FROM lead_versions "
        "GROUP BY 1) USING (lead_id))"
    )
    found = connection.execute(
        "SELECT part, count(*) FROM lead_index GROUP BY 1 ORDER BY 1"
    ).fetchall()
    sizes = dict(found)
    firsts = [first_key(part, partitions) for part in range(partitions)]
    return [(first, first + int(sizes.get(part, 0)) - 1) for part, first in enumerate(firsts)]


def _steps(connection: Connection, paths: Paths, landings: list[datetime]) -> None:
    _register(
        connection,
        "steps",
        pa.table(
            {
                "lead_id": pa.array([s[0] for s in paths.steps], "str"),
                "survivor_id": pa.array([s[1] for s in paths.steps], "str"),
                "known_from": pa.array([s[2] for s in paths.steps], pa.timestamp("us")),
                "landed_from": pa.array(landings, pa.timestamp("us")),
            }
        ),
    )
    connection.execute(
        "CREATE TABLE lead_steps AS SELECT a.lead_key AS source_key, s.survivor_id, "
        "b.lead_key AS survivor_key, b.part, s.known_from, s.landed_from FROM steps s "
        "JOIN lead_index a ON a.lead_id = s.lead_id JOIN lead_index b ON b.lead_id = s.survivor_id"
    )
    _register(
        connection,
        "roots",
        pa.table(
            {
                "lead_id": pa.array(list(paths.roots), "str"),
                "root_lead_id": pa.array(list(paths.roots.values()), "str"),
            }
        ),
    )


def _register(connection: Connection, name: str, table: pa.Table) -> None:
    """Copy a small table into the engine."""
    connection.register("handed_over", table)
    connection.execute(f"CREATE TABLE {identifier(name)} AS SELECT * FROM handed_over")
    connection.unregister("handed_over")


def part_query(part: int) -> str:
    """SELECT of the canonical leads of a partition, by lead_key."""
    return f"SELECT * EXCLUDE (part) FROM canonical_leads WHERE part = {part} ORDER BY lead_key"


def finish(connection: Connection, rows: Rows) -> None:
    """Make `canonical_leads` of the current rows; `held_leads` must exist.

    first_landed is when the lead landed first, in whatever version. A lead that is gone from a full
    source counts as deleted from then on, one whose survivor is unknown from its merging on.
    """
    merged_at = (
        "CASE WHEN n.merged_into IS NOT NULL "
        "THEN coalesce(n.merged_at, n.updated_at, n.first_landed) END"
    )
    replaced = {
        "merged_at": merged_at,
        "deleted_at": f"least(n.deleted_at, n.gone_landed, CASE WHEN a.lead_id IS NOT NULL "
        f"THEN {merged_at} END)",
    }
    columns = ", ".join(
        f"{replaced.get(c, 'n.' + identifier(c))} AS {identifier(c)}" for c in rows.kinds
    )
    connection.execute(f"""
        CREATE TABLE canonical_leads AS SELECT i.lead_key, {columns},
            coalesce(r.root_lead_id, n.lead_id) AS root_lead_id,
            coalesce(ri.lead_key, i.lead_key) AS root_lead_key,
            coalesce(rn.person_id, n.person_id_own, r.root_lead_id, n.lead_id) AS group_id,
            f.first_landed, h.lead_id IS NOT NULL AS held, i.part
        FROM (SELECT *, CASE WHEN lead_id NOT IN (SELECT lead_id FROM roots) THEN person_id END
            AS person_id_own FROM lead_now) n
        JOIN lead_index i ON i.lead_id = n.lead_id
        JOIN (SELECT lead_id, min(first_landed) AS first_landed FROM lead_versions GROUP BY 1) f
            ON f.lead_id = n.lead_id
        LEFT JOIN roots r ON r.lead_id = n.lead_id
        LEFT JOIN lead_index ri ON ri.lead_id = r.root_lead_id
        LEFT JOIN lead_now rn ON rn.lead_id = r.root_lead_id
        LEFT JOIN adrift a ON a.lead_id = n.lead_id
        LEFT JOIN held_leads h ON h.lead_id = n.lead_id""")
