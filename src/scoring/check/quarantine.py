"""Rows that break a contract: kept with their reasons, counted, and a gate when there are too many.

    tables/<version>/quarantine/<table>.parquet    source, table, columns, reasons, row (JSON text)
    held/<table>.parquet                           the same, when the gate held

The row itself may hold personal data: it stays in the store. Messages, logs and the manifest carry
reasons, column names and counts.
"""

from collections.abc import Mapping
from pathlib import Path

from scoring.engine.connection import Connection, copy_to_parquet, literal, parquet
from scoring.errors import Held
from scoring.project import Project
from scoring.store import publish

FUTURE = "lies in the future"


def from_faults(relation: str, table: str) -> str:
    """SELECT of a quarantine file's rows from bad rows with `faults` and `row_json`."""
    return (
        f'SELECT from_source AS source, {literal(table)} AS "table", '
        'list_transform(faults, lambda f: f."column") AS columns, '
        'list_transform(faults, lambda f: f.reason) AS reasons, row_json AS "row" '
        f"FROM {relation}"
    )


def from_reason(relation: str, table: str, column: str, reason: str) -> str:
    """The same for rows that one reason bars; they are shown as they were read."""
    return (
        f'SELECT from_source AS source, {literal(table)} AS "table", [{literal(column)}] AS '
        f'columns, [{literal(reason)}] AS reasons, CAST(to_json(bad) AS VARCHAR) AS "row" '
        f"FROM {relation} AS bad"
    )


def write(connection: Connection, selects: list[str], path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return copy_to_parquet(connection, " UNION ALL BY NAME ".join(selects), path)


def reasons(connection: Connection, path: Path) -> dict[str, int]:
    """Reason → rows that have it; a row with two reasons counts in both."""
    found = connection.execute(
        f"SELECT reason, count(*) FROM (SELECT unnest(reasons) AS reason FROM {parquet([path])}) "
        "GROUP BY 1 ORDER BY 2 DESC, 1"
    ).fetchall()
    return {reason: int(n) for reason, n in found}


def hold_if_too_many(
    project: Project, table: str, counts: Mapping[str, int], why: Mapping[str, int], file: Path
) -> None:
    """Raise Held if more than `limits.quarantine_share` of the delivered rows are in quarantine."""
    limit = project.settings.limits.quarantine_share
    delivered = counts["rows_in"] - counts["superseded"]
    barred = counts["quarantined"]
    if not delivered or barred / delivered <= limit:
        return
    kept = project.store / "held" / f"{table}.parquet"
    publish.write_bytes(kept, file.read_bytes())
    top = "; ".join(f"{reason}: {n:,}" for reason, n in list(why.items())[:3])
    raise Held(
        f"{table}: {barred:,} of {delivered:,} rows break the contract, more than "
        f"limits.quarantine_share = {limit:g} allows ({top}). Nothing was published.",
        f"The rows are in {kept.relative_to(project.root)}; correct the export or its staging SQL.",
    )


def has_future(summary: Mapping[str, Mapping[str, int]]) -> bool:
    """Whether rows wait in quarantine that time alone may make plausible."""
    return any(FUTURE in reason for table in summary.values() for reason in table)
