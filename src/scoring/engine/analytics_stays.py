"""Which stages leads were in and for how long, as the pipeline tables read it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from scoring.engine.analytics_asked import FEWEST_BUYERS, UNKNOWN, Asked, days, seen
from scoring.engine.arrays import DAY
from scoring.engine.connection import Connection, literal
from scoring.engine.snapshots import moment

if TYPE_CHECKING:
    from scoring.build.columns import StageOrder


def make_positions(connection: Connection, orders: "Sequence[StageOrder]") -> None:
    """stage, position (from 1), valid_from and valid_until of each order, microseconds."""
    rows = []
    for place, order in enumerate(orders):
        until = orders[place + 1].valid_from if place + 1 < len(orders) else None
        for position, stage in enumerate(order.stages, start=1):
            rows.append([stage, position, order.valid_from, until])
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE positions"
        " (stage VARCHAR, position INTEGER, valid_from BIGINT, valid_until BIGINT)"
    )
    if rows:
        connection.executemany("INSERT INTO positions VALUES (?, ?, ?, ?)", rows)


def stays_sql(stage_changes: str, asked: Asked) -> str:
    """lead_key, seq, stage, position, entered_at, left_at, micros, still, next_stage.

    A row that names the stage again ends no stay, and what comes after the lead's end is none. A
    stage outside of the order that was valid then is "unknown", without a position. left_at is
    NULL, and micros go on until the logical date, while the lead is open and in its last stage.
    """
    named = "e.stage"
    if asked.orders:
        named = f"CASE WHEN p.position IS NULL THEN {literal(UNKNOWN)} ELSE e.stage END"
    return f"""
WITH rows AS (
    SELECT e.lead_key, e.changed_at, e.seq, l.ended_at, {named} AS stage, p.position
    FROM {stage_changes} e
    JOIN pipeline l ON l.lead_key = e.lead_key
    LEFT JOIN positions p ON p.stage = e.stage
        AND (p.valid_from IS NULL OR epoch_us(e.changed_at) >= p.valid_from)
        AND (p.valid_until IS NULL OR epoch_us(e.changed_at) < p.valid_until)
    WHERE {seen("e", "changed_at", asked)} AND (l.ended_at IS NULL OR e.changed_at <= l.ended_at)
), marked AS (
    SELECT *, lag(stage) OVER (PARTITION BY lead_key ORDER BY changed_at, seq) AS before FROM rows
), entered AS (
    SELECT *, lead(changed_at) OVER later AS next_at, lead(stage) OVER later AS next_stage
    FROM marked WHERE before IS DISTINCT FROM stage
    WINDOW later AS (PARTITION BY lead_key ORDER BY changed_at, seq)
)
SELECT lead_key, stage, position, changed_at AS entered_at, seq,
    coalesce(next_at, ended_at) AS left_at, next_stage,
    next_at IS NULL AND ended_at IS NULL AS still,
    epoch_us(coalesce(next_at, ended_at, {moment(asked.as_of)})) - epoch_us(changed_at) AS micros
FROM entered"""


def visits_sql(asked: Asked) -> str:
    """lead_key, stage, position, entered_at (first), days (all stays together), still, advanced,
    ended_here (the lead ended in it, without a sale).

    advanced: a stage further on was reached later, or the lead was won. Without an order of stages
    every move is one further on.
    """
    further = "max(position) OVER later > position" if asked.orders else "next_stage IS NOT NULL"
    return f"""
WITH told AS (
    SELECT *, coalesce({further}, false) AS further, next_stage IS NULL AS last
    FROM stays WINDOW later AS (
        PARTITION BY lead_key ORDER BY entered_at, seq
        ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)
)
SELECT t.lead_key, t.stage, max(t.position) AS position, min(t.entered_at) AS entered_at,
    sum(t.micros)::DOUBLE / {DAY} AS days, bool_or(t.still) AS still,
    bool_or(t.further OR l.won) AS advanced,
    bool_or(t.last AND l.ended_at IS NOT NULL AND NOT l.won) AS ended_here
FROM told t JOIN pipeline l ON l.lead_key = t.lead_key
GROUP BY t.lead_key, t.stage"""


def moved_sql(asked: Asked) -> str:
    """lead_key, first_moved_at, never_moved.

    A lead moved when it reached a stage further on than its first one, or was won. It never moved
    if it ended without, or is open and older than three of four won leads were when they first
    moved. NULL: there is no stage of it, or it is too young to tell.
    """
    further = "s.position > f.position" if asked.orders else "true"
    age = days("l.created_at", moment(asked.as_of))
    return f"""
WITH first AS (
    SELECT lead_key, arg_min(position, (entered_at, seq)) AS position,
        min((entered_at, seq)) AS at FROM stays GROUP BY lead_key
), moves AS (
    SELECT f.lead_key, min(s.entered_at) FILTER ({further} AND (s.entered_at, s.seq) > f.at)
        AS first_moved_at
    FROM first f JOIN stays s ON s.lead_key = f.lead_key GROUP BY f.lead_key
), usual AS (
    SELECT CASE WHEN count(*) >= {FEWEST_BUYERS} THEN
        quantile_cont({days("l.created_at", "m.first_moved_at")}, 0.75) END AS days
    FROM moves m JOIN pipeline l ON l.lead_key = m.lead_key
    WHERE l.won AND m.first_moved_at IS NOT NULL
)
SELECT m.lead_key, m.first_moved_at,
    CASE WHEN l.won OR m.first_moved_at IS NOT NULL THEN false
        WHEN l.ended_at IS NOT NULL OR {age} > u.days THEN true END AS never_moved
FROM moves m JOIN pipeline l ON l.lead_key = m.lead_key CROSS JOIN usual u"""
