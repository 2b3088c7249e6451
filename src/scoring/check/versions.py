"""Which of several rows with one key stands: duplicates, newer versions, vanished rows.

Rows that one run delivered with the same key are duplicates: the one with the latest update wins
(then the greatest content hash), so that the order of a file never matters; the others go to
quarantine. A row that a later run delivered replaces the older version, which stays in history
tables with the moment (`gone_landed`) from which it is not visible any more.
"""

from scoring.check.rows import Rows
from scoring.engine.connection import identifier


def resolved(rows: Rows, relation: str) -> str:
    """SELECT of the good rows of `relation` (columns of `rows.query` and content_hash) with

    gone_landed   also set where a newer version came
    standing      'current', 'superseded' (an older version or a vanished row), 'stale' (a duplicate
                  that nobody delivers any more) or 'duplicate'
    """
    key = ", ".join(identifier(c) for c in rows.key)
    updated = [c for c in ("updated_at", "recorded_at") if c in rows.kinds]
    latest = "".join(f"{identifier(c)} DESC NULLS LAST, " for c in updated)
    return f"""
        WITH placed AS (
            SELECT *, row_number() OVER (
                PARTITION BY {key}, version_time
                ORDER BY {latest}content_hash DESC, first_landed DESC, from_source,
                    gone_landed DESC NULLS FIRST) AS place,
                max(version_time) OVER (PARTITION BY {key}) AS newest_version
            FROM {relation}
        ), versions AS (
            SELECT * EXCLUDE (next_landed) REPLACE (CASE WHEN next_landed IS NULL THEN gone_landed
                ELSE least(gone_landed, greatest(first_landed, next_landed)) END AS gone_landed)
            FROM (SELECT *, lead(first_landed) OVER (
                PARTITION BY {key} ORDER BY version_time, first_landed) AS next_landed
                FROM placed WHERE place = 1)
        )
        SELECT * EXCLUDE (place, newest_version),
            CASE WHEN gone_landed IS NULL THEN 'current' ELSE 'superseded' END AS standing
        FROM versions
        UNION ALL BY NAME
        SELECT * EXCLUDE (place, newest_version),
            CASE WHEN gone_landed IS NULL AND version_time = newest_version
                THEN 'duplicate' ELSE 'stale' END AS standing
        FROM placed WHERE place > 1"""


def keys(rows: Rows, where: str = "true") -> str:
    """SELECT of the engine's hash of every row's key (for this run only: the hash is not stable
    across engine versions)."""
    return f"SELECT {key_hash(rows)} AS key_hash FROM ({rows.query}) WHERE {where}"


def repeated(keys: str) -> str:
    """SELECT of the hashes that stand in more than one row."""
    return f"SELECT key_hash FROM ({keys}) GROUP BY 1 HAVING count(*) > 1"


def key_hash(rows: Rows) -> str:
    return f"hash({', '.join(identifier(c) for c in rows.key)})"


def not_replaced(rows: Rows, bad: str, good: str) -> str:
    """SELECT of the rows of `bad` that are still delivered and that no good row of `good` with the
    same key and a later landing has replaced: those are in quarantine."""
    same = " AND ".join(f"good.{identifier(c)} = bad.{identifier(c)}" for c in rows.key)
    return (
        f"SELECT * FROM {bad} AS bad WHERE gone_landed IS NULL AND NOT EXISTS (SELECT 1 "
        f"FROM {good} AS good WHERE {same} AND good.version_time > bad.version_time)"
    )
