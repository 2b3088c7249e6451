"""Field history that the source does not keep, from comparing what landed at different times.

A lead that landed with other values than before has changed in between. For every field that ever
differs between two versions one row says the value of the first version, known from its landing,
and one row each says the next value: from `updated_at` where the source moved it on after the
older version had landed, else from the landing of the newer one. A field without any row has had
the lead's present value since the lead landed first.
"""

from collections.abc import Sequence

from scoring.engine.connection import identifier, literal

NOT_COMPARED = {"lead_id", "updated_at"}


def lead_changes(versions: str, fields: Sequence[str]) -> str:
    """SELECT (lead_id, changed_at, recorded_at, field, value, first_landed) of all changes.

    versions   relation of lead versions: lead_id, updated_at, first_landed, version_time, fields

    value is text, NULL where the field was emptied.
    """
    compared = [f for f in fields if f not in NOT_COMPARED]
    if not compared:
        return (
            "SELECT NULL::VARCHAR AS lead_id, NULL::TIMESTAMP AS changed_at, NULL::TIMESTAMP AS "
            "recorded_at, NULL::VARCHAR AS field, NULL::VARCHAR AS value, "
            "NULL::TIMESTAMP AS first_landed WHERE false"
        )
    listed = ", ".join(
        f"{{'field': {literal(f)}, 'value': CAST({identifier(f)} AS VARCHAR)}}" for f in compared
    )
    by_lead = "(PARTITION BY lead_id ORDER BY version_time, first_landed)"
    by_field = "(PARTITION BY lead_id, field ORDER BY version_time, first_landed)"
    return f"""
        WITH several AS (
            SELECT *, lag(first_landed) OVER {by_lead} AS landed_before
            FROM {versions}
            QUALIFY count(*) OVER (PARTITION BY lead_id) > 1
        ), long AS (
            SELECT lead_id, version_time, first_landed, said.field AS field, said.value AS value,
                CASE WHEN updated_at > landed_before AND updated_at <= first_landed
                    THEN updated_at ELSE first_landed END AS changed_at
            FROM (SELECT *, unnest([{listed}]) AS said FROM several)
        ), moved AS (
            SELECT *, row_number() OVER {by_field} AS place,
                value IS DISTINCT FROM lag(value) OVER {by_field} AS differs
            FROM long
        )
        SELECT lead_id, changed_at, changed_at AS recorded_at, field, value, first_landed
        FROM moved
        WHERE place = 1 OR differs
        QUALIFY count(*) OVER (PARTITION BY lead_id, field) > 1"""
