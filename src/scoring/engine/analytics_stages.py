"""Tables of the stages: conversion, dwell against usual, bottlenecks, and velocity by month.

Each function gives the SELECT of one table, over what `analytics.make_base` made. What the columns
mean is said once, in `scoring.analytics.catalogue`.
"""

from scoring.engine.analytics_asked import FEWEST_BUYERS, Asked, days
from scoring.engine.connection import literal
from scoring.engine.snapshots import moment

# Money is summed exactly: sums of floats depend on the order of the rows.
MONEY = "DECIMAL(18, 4)"


def average(amount: str, condition: str) -> str:
    """The mean of an amount over the rows of a condition; NULL without any."""
    chosen = f"FILTER ({condition} AND {amount} IS NOT NULL)"
    return f"sum(CAST({amount} AS {MONEY})) {chosen}::DOUBLE / nullif(count(*) {chosen}, 0)"


def share(part: str, whole: str) -> str:
    return f"({part})::DOUBLE / nullif({whole}, 0)"


def _recent(asked: Asked) -> str:
    return f"v.entered_at >= {moment(asked.since)}"


def stages_sql(asked: Asked) -> str:
    undecided = "count(*) FILTER (NOT v.advanced AND l.ended_at IS NULL)"
    closed = "count(*) FILTER (l.ended_at IS NOT NULL)"
    won = "count(*) FILTER (l.won)"
    return f"""
SELECT v.position, v.stage, count(*) AS reached, count(*) FILTER (v.advanced) AS advanced,
    count(*) FILTER (v.ended_here) AS ended_here, {undecided} AS undecided,
    count(*) FILTER (v.still) AS here_now,
    {share("count(*) FILTER (v.advanced)", f"count(*) - {undecided}")} AS conversion,
    {won} AS won, {closed} AS closed, {share(won, closed)} AS win_rate
FROM visits v JOIN pipeline l ON l.lead_key = v.lead_key
WHERE {_recent(asked)}
GROUP BY v.position, v.stage ORDER BY v.position NULLS LAST, v.stage"""


def usual_sql(asked: Asked) -> str:
    """stage, buyers, usual_days (median) and slow_days (three of four had left by then) of the
    leads won since `since`, where there are enough of them."""
    enough = f"CASE WHEN count(*) >= {FEWEST_BUYERS} THEN"
    return f"""
SELECT v.stage, count(*) AS buyers, {enough} median(v.days) END AS usual_days,
    {enough} quantile_cont(v.days, 0.75) END AS slow_days
FROM visits v JOIN pipeline l ON l.lead_key = v.lead_key
WHERE l.won AND l.ended_at >= {moment(asked.since)}
GROUP BY v.stage"""


def dwell_sql(asked: Asked) -> str:
    slow = "count(*) FILTER (v.still AND v.days > u.slow_days)"
    now = "count(*) FILTER (v.still)"
    return f"""
SELECT max(v.position) AS position, v.stage, coalesce(any_value(u.buyers), 0) AS buyers,
    any_value(u.usual_days) AS usual_days, any_value(u.slow_days) AS slow_days,
    {now} AS here_now, median(v.days) FILTER (v.still) AS here_now_days,
    CASE WHEN any_value(u.slow_days) IS NOT NULL THEN {slow} END AS slow_now,
    CASE WHEN any_value(u.slow_days) IS NOT NULL THEN {share(slow, now)} END AS slow_share
FROM visits v LEFT JOIN ({usual_sql(asked)}) u ON u.stage = v.stage
WHERE v.still OR {_recent(asked)}
GROUP BY v.stage ORDER BY position NULLS LAST, v.stage"""


def bottlenecks_sql(asked: Asked) -> str:
    return f"""
WITH held AS (
    SELECT v.stage, max(v.position) AS position,
        count(*) FILTER (v.still) AS here_now,
        count(*) FILTER (v.still AND v.days > u.slow_days) AS slow_now,
        coalesce(sum(CAST(v.days - u.usual_days AS DECIMAL(18, 6)))
            FILTER (v.still AND v.days > u.slow_days), 0)::DOUBLE AS days_over,
        count(*) FILTER (v.ended_here AND l.ended_at >= {moment(asked.since)}) AS ended_here
    FROM visits v JOIN pipeline l ON l.lead_key = v.lead_key
    LEFT JOIN ({usual_sql(asked)}) u ON u.stage = v.stage
    GROUP BY v.stage
), shares AS (
    SELECT *, {share("days_over", "sum(days_over) OVER ()")} AS share_of_days_over,
        {share("ended_here", "sum(ended_here) OVER ()")} AS share_of_ends
    FROM held
)
SELECT row_number() OVER ranked AS rank, position, stage, here_now, slow_now, days_over,
    share_of_days_over, ended_here, share_of_ends
FROM shares WHERE slow_now > 0 OR ended_here > 0
WINDOW ranked AS (
    ORDER BY coalesce(share_of_days_over, 0) + coalesce(share_of_ends, 0) DESC,
        position NULLS LAST, stage)
ORDER BY rank"""


def velocity_sql(asked: Asked) -> str:
    """A row for each month of the project's zone, from that of `since` on, whole, to that of the
    logical date, which may lack its end."""
    zone = literal(asked.zone)

    def month(at: str) -> str:
        return f"date_trunc('month', timezone({zone}, timezone('UTC', {at})))"

    start = f"timezone('UTC', timezone({zone}, m.month))"
    until = f"timezone('UTC', timezone({zone}, m.month + INTERVAL 1 MONTH))"
    last = f"{moment(asked.as_of)} - INTERVAL 1 MICROSECOND"
    deal = average("l.amount", "l.won")
    cycle = f"median({days('l.created_at', 'l.ended_at')}) FILTER (l.won)"
    return f"""
WITH months AS (
    SELECT unnest(generate_series(
        greatest({month(moment(asked.since))}, (SELECT min({month("created_at")}) FROM pipeline)),
        {month(last)}, INTERVAL 1 MONTH)) AS month
    WHERE EXISTS (SELECT 1 FROM pipeline)
), ended AS (
    SELECT m.month, count(*) AS closed, count(*) FILTER (l.won) AS won,
        {deal} AS average_deal, {cycle} AS cycle_days
    FROM months m JOIN pipeline l ON l.ended_at >= {start} AND l.ended_at < {until}
    GROUP BY m.month
), begun AS (
    SELECT m.month, count(*) FILTER (l.created_at >= {start}) AS created,
        count(*) FILTER (l.created_at < {start}
            AND (l.ended_at IS NULL OR l.ended_at >= {start})) AS open_at_start
    FROM months m JOIN pipeline l ON l.created_at < {until}
    GROUP BY m.month
)
SELECT strftime(m.month, '%Y-%m') AS month, {until} <= {moment(asked.as_of)} AS complete,
    coalesce(b.created, 0) AS created, coalesce(b.open_at_start, 0) AS open_at_start,
    coalesce(e.closed, 0) AS closed, coalesce(e.won, 0) AS won,
    {share("e.won", "e.closed")} AS win_rate, e.average_deal, e.cycle_days,
    b.open_at_start * {share("e.won", "e.closed")} * e.average_deal / nullif(e.cycle_days, 0)
        AS velocity_per_day
FROM months m LEFT JOIN ended e ON e.month = m.month LEFT JOIN begun b ON b.month = m.month
ORDER BY m.month"""
