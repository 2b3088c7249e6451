"""Tables of sales and effort: sources, channels, touches, deals, cards, hours.

Each function gives the SELECT of one table, over what `analytics.make_base` made. What the columns
mean is said once, in `scoring.analytics.catalogue`.
"""

from collections.abc import Mapping, Sequence

from scoring.engine.analytics import IDENTITIES
from scoring.engine.analytics_asked import Asked, days
from scoring.engine.analytics_stages import MONEY, average, share
from scoring.engine.connection import Connection, identifier
from scoring.engine.snapshots import moment

ALL = "all"
BANDS = ("0-2", "3-5", "6 or more")
# Microseconds since 1970 of the first and the last moment, and the money.
Period = tuple[str, int, int, float]


def sources_sql(asked: Asked) -> str:
    closed = "count(*) FILTER (ended_at IS NOT NULL)"
    won = "count(*) FILTER (won)"
    hours = "sum(CAST(seconds AS DECIMAL(18, 3)))::DOUBLE / 3600"
    return f"""
WITH told AS (
    SELECT l.*, coalesce(w.seconds, 0) AS seconds, coalesce(l.source, 'unknown') AS named
    FROM pipeline l
    LEFT JOIN (SELECT lead_key, sum(CAST(seconds AS DECIMAL(18, 3)))::DOUBLE AS seconds
        FROM work GROUP BY lead_key) w ON w.lead_key = l.lead_key
    WHERE l.created_at >= {moment(asked.since)}
)
SELECT * FROM (
SELECT CASE WHEN grouping(source_kind) = 1 THEN '{ALL}' ELSE source_kind END AS source_kind,
    CASE WHEN grouping(named) = 1 THEN '{ALL}' ELSE named END AS source,
    count(*) AS leads, count(*) FILTER (ended_at IS NULL) AS open, {closed} AS closed,
    {won} AS won, {share(won, closed)} AS conversion, {average("amount", "won")} AS average_deal,
    median({days("created_at", "ended_at")}) FILTER (won) AS cycle_days,
    {hours} AS hours, {hours} / nullif({won}, 0) AS hours_per_won
FROM told GROUP BY GROUPING SETS ((source_kind, named), (source_kind), ())
HAVING count(*) > 0
) ORDER BY source_kind = '{ALL}', source_kind, source = '{ALL}', source"""


def make_spend(connection: Connection, periods: Sequence[Period]) -> None:
    """Temporary table `spend`: source, first_us, until_us, amount of each period that has begun."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE spend"
        f" (source VARCHAR, first_us BIGINT, until_us BIGINT, amount {MONEY})"
    )
    if periods:
        rows = [list(period) for period in periods]
        connection.executemany("INSERT INTO spend VALUES (?, ?, ?, ?)", rows)


def channels_sql(asked: Asked) -> str:
    """Where money was entered for a source, and where leads themselves have a `cost`."""
    per = "cost / nullif(leads, 0) AS cost_per_lead, cost / nullif(won, 0) AS cost_per_won"
    by_lead = ""
    if asked.fields.get("cost") == "number":
        by_lead = f"""
UNION ALL
SELECT coalesce(l.source, 'unknown'), 'lead', sum(CAST(c.cost AS {MONEY}))::DOUBLE AS cost,
    count(*) AS leads, count(*) FILTER (l.won) AS won
FROM pipeline l JOIN card c ON c.snap_id = l.snap_id
WHERE c.cost IS NOT NULL AND l.created_at >= {moment(asked.since)}
GROUP BY 1"""
    return f"""
WITH told AS (
    SELECT p.source, 'spend' AS basis, p.cost, count(l.lead_key) AS leads,
        count(*) FILTER (l.won) AS won
    FROM (SELECT source, sum(amount)::DOUBLE AS cost FROM spend GROUP BY source) p
    LEFT JOIN pipeline l ON l.source = p.source AND EXISTS (
        SELECT 1 FROM spend s WHERE s.source = l.source
            AND epoch_us(l.created_at) >= s.first_us AND epoch_us(l.created_at) < s.until_us)
    GROUP BY p.source, p.cost{by_lead}
)
SELECT source, basis, cost, leads, won, {per} FROM told ORDER BY source, basis"""


def touches_sql(asked: Asked) -> str:
    """Of leads won since `since` that are the first sale of their person."""
    cycle = days("created_at", "ended_at")
    return f"""
WITH first AS (
    SELECT * FROM pipeline WHERE won
    QUALIFY row_number() OVER (PARTITION BY group_id ORDER BY ended_at, lead_key) = 1
), told AS (
    SELECT f.*, coalesce(w.ours, 0) AS ours, coalesce(w.theirs, 0) AS theirs
    FROM first f LEFT JOIN (
        SELECT lead_key, sum(ours) AS ours, sum(theirs) AS theirs FROM work GROUP BY lead_key
    ) w ON w.lead_key = f.lead_key
    WHERE f.ended_at >= {moment(asked.since)}
)
SELECT * FROM (
SELECT CASE WHEN grouping(source_kind) = 1 THEN '{ALL}' ELSE source_kind END AS source_kind,
    count(*) AS sales, median(ours) AS touches, quantile_cont(ours, 0.25) AS touches_p25,
    quantile_cont(ours, 0.75) AS touches_p75, quantile_cont(ours, 0.9) AS touches_p90,
    median(theirs) AS answers, median({cycle}) AS days
FROM told GROUP BY GROUPING SETS ((source_kind), ())
HAVING count(*) > 0
) ORDER BY source_kind = '{ALL}', source_kind"""


def deals_sql(asked: Asked) -> str:
    money = f"CAST(amount AS {MONEY})"
    return f"""
SELECT * FROM (
SELECT CASE WHEN grouping(source_kind) = 1 THEN '{ALL}' ELSE source_kind END AS source_kind,
    count(*) AS won, count(amount) AS with_amount, {average("amount", "true")} AS average_deal,
    median(amount) AS median_deal, quantile_cont(amount, 0.9) AS p90_deal,
    sum({money})::DOUBLE AS total
FROM pipeline WHERE won AND ended_at >= {moment(asked.since)}
GROUP BY GROUPING SETS ((source_kind), ())
HAVING count(*) > 0
) ORDER BY source_kind = '{ALL}', source_kind"""


def _filled(fields: Mapping[str, str]) -> dict[str, str]:
    """Field of the card → SQL of whether it is filled, over `card` c and `leads` l."""
    told = {name: f"l.{identifier(name)} IS NOT NULL" for name in IDENTITIES}
    told["expected_close_on"] = "l.expected_close_on IS NOT NULL"
    for name, kind in {**fields, "source": "text", "owner_id": "text", "amount": "number"}.items():
        empty = f"nullif(trim(c.{identifier(name)}), '')" if kind == "text" else None
        told[name] = f"{empty or f'c.{identifier(name)}'} IS NOT NULL"
    return told


def completeness_sql(asked: Asked, present: Sequence[str]) -> str:
    """`present`: the fields that any lead has filled."""
    filled = {name: sql for name, sql in _filled(asked.fields).items() if name in present}
    groups = {"open": "p.ended_at IS NULL", "won": f"p.won AND p.ended_at >= {moment(asked.since)}"}
    groups["ended"] = f"NOT p.won AND p.ended_at >= {moment(asked.since)}"
    # A field may be called like a column of ours.
    columns = ", ".join(
        f"({sql})::INTEGER AS {identifier(f'f {name}')}" for name, sql in sorted(filled.items())
    )
    counts = []
    for group, rule in groups.items():
        leads = f"count(*) FILTER ({rule})"
        held = share(f"sum(is_filled) FILTER ({rule})", leads)
        counts.append(f"{leads} AS {group}, {held} AS {group}_filled")
    if not filled:
        none = ", ".join(f"0::BIGINT AS {g}, 0::DOUBLE AS {g}_filled" for g in groups)
        return f"SELECT ''::VARCHAR AS field, {none} WHERE false"
    return f"""
WITH wide AS (
    SELECT p.ended_at, p.won, {columns}
    FROM pipeline p JOIN card c ON c.snap_id = p.snap_id JOIN leads l ON l.lead_key = p.lead_key
), long AS (
    UNPIVOT wide ON COLUMNS(* EXCLUDE (ended_at, won)) INTO NAME field VALUE is_filled
)
SELECT substr(field, 3) AS field, {", ".join(counts)} FROM long p GROUP BY ALL
ORDER BY open_filled DESC NULLS LAST, field"""


def cards_sql(asked: Asked) -> str:
    """By how many fields of the card are filled."""
    number = " + ".join(f"({sql})::INTEGER" for sql in _filled(asked.fields).values())
    closed = f"count(*) FILTER (ended_at >= {moment(asked.since)})"
    won = f"count(*) FILTER (won AND ended_at >= {moment(asked.since)})"
    return f"""
WITH told AS (
    SELECT p.ended_at, p.won, {number} AS filled
    FROM pipeline p JOIN card c ON c.snap_id = p.snap_id JOIN leads l ON l.lead_key = p.lead_key
    WHERE p.ended_at IS NULL OR p.ended_at >= {moment(asked.since)}
)
SELECT CASE WHEN filled <= 2 THEN '{BANDS[0]}' WHEN filled <= 5 THEN '{BANDS[1]}'
    ELSE '{BANDS[2]}' END AS fields_filled,
    count(*) FILTER (ended_at IS NULL) AS open, {closed} AS closed, {won} AS won,
    {share(won, closed)} AS conversion
FROM told GROUP BY fields_filled ORDER BY fields_filled"""


def _hours(condition: str = "true") -> str:
    chosen = f"FILTER ({condition})"
    return f"coalesce(sum(CAST(w.seconds AS DECIMAL(18, 3))) {chosen}, 0)::DOUBLE / 3600"


def effort_sql() -> str:
    """By what is said of the lead tonight (`attention`) and its kind of source."""
    stuck = "m.never_moved"
    return f"""
WITH told AS (
    SELECT l.lead_key, l.source_kind, CASE WHEN l.ended_at IS NOT NULL THEN 'ended'
        ELSE coalesce(t.attention, 'not_scored') END AS attention
    FROM pipeline l LEFT JOIN tonight t ON t.lead_id = l.lead_id
)
SELECT * FROM (
SELECT CASE WHEN grouping(t.attention) = 1 THEN '{ALL}' ELSE t.attention END AS attention,
    CASE WHEN grouping(t.source_kind) = 1 THEN '{ALL}' ELSE t.source_kind END AS source_kind,
    count(DISTINCT w.lead_key) AS leads, {_hours()} AS hours,
    count(DISTINCT w.lead_key) FILTER ({stuck}) AS never_moved_leads,
    {_hours(stuck)} AS never_moved_hours,
    {share(_hours(stuck), _hours())} AS never_moved_share
FROM work w JOIN told t ON t.lead_key = w.lead_key LEFT JOIN moved m ON m.lead_key = w.lead_key
WHERE w.timed + w.untimed > 0
GROUP BY GROUPING SETS ((t.attention, t.source_kind), (t.attention), (t.source_kind), ())
HAVING count(*) > 0
) ORDER BY attention = '{ALL}', attention, source_kind = '{ALL}', source_kind"""


def effort_types_sql() -> str:
    """By type of interaction."""
    stuck = "m.never_moved"
    return f"""
SELECT * FROM (
SELECT CASE WHEN grouping(w.type) = 1 THEN '{ALL}' ELSE w.type END AS type,
    sum(w.timed)::BIGINT AS timed, sum(w.untimed)::BIGINT AS untimed, {_hours()} AS hours,
    {_hours(stuck)} AS never_moved_hours, {share(_hours(stuck), _hours())} AS never_moved_share
FROM work w LEFT JOIN moved m ON m.lead_key = w.lead_key
WHERE w.timed + w.untimed > 0
GROUP BY GROUPING SETS ((w.type), ())
HAVING count(*) > 0
) ORDER BY type = '{ALL}', hours DESC, type"""
