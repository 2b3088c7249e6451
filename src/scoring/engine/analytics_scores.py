"""Tables that hold tonight's scores and sellers' verdicts against the history.

Read over what `analytics.make_base` made and the relations

    tonight   the scores of the logical date: lead_id, score, probability, probability_low,
              probability_high, grade, attention, tire_kicker
    said      scores of earlier nights: lead_id, as_of (naive UTC), probability, grade

Verdicts are looked at here and nowhere become a label or a feature.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from scoring.engine.analytics_asked import Asked, days, seen
from scoring.engine.analytics_stages import share
from scoring.engine.connection import Connection, literal, parquet
from scoring.engine.snapshots import moment

if TYPE_CHECKING:
    import pandas as pd

    from scoring.check.tables import Tables

BEST = "A"
TONIGHT = (
    "lead_id", "score", "probability", "probability_low", "probability_high", "grade", "attention",
    "tire_kicker",
)  # fmt: skip
# Verdicts that say how the lead will end, and what bears them out.
BORNE_OUT = {"too_high": "NOT won", "too_low": "won", "not_a_tire_kicker": "won"}


def make_tonight(connection: Connection, scores: "pd.DataFrame") -> None:
    connection.register("tonight_rows", scores[list(TONIGHT)])
    connection.execute("CREATE OR REPLACE TEMP TABLE tonight AS SELECT * FROM tonight_rows")
    connection.unregister("tonight_rows")


def make_verdicts(connection: Connection, tables: "Tables", asked: Asked) -> None:
    """Temporary table `verdicts`: lead_key, given_at, given_by, verdict of the leads of `pipeline`
    since `since`; what was said of a lead that was merged counts with the survivor."""
    connection.execute(f"""
CREATE OR REPLACE TEMP TABLE verdicts AS
SELECT e.lead_key, l.lead_id, e.given_at, coalesce(e.given_by, 'unknown') AS given_by, e.verdict
FROM {tables.scan("feedback")} e JOIN pipeline l ON l.lead_key = e.lead_key
WHERE {seen("e", "given_at", asked)} AND e.given_at >= {moment(asked.since)}""")


def verdict_times(connection: Connection) -> list[int]:
    """When verdicts were given, microseconds since 1970, each moment once, ascending."""
    found = connection.execute(
        "SELECT DISTINCT epoch_us(given_at) FROM verdicts ORDER BY 1"
    ).fetchall()
    return [int(at) for (at,) in found]


def make_said(connection: Connection, files: list[Path]) -> None:
    """Temporary table `judged`: `verdicts` with what the newest of the score files before each
    verdict said, and how the lead has ended since."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE said"
        " (lead_id VARCHAR, as_of TIMESTAMP, probability DOUBLE, grade VARCHAR)"
    )
    if files:
        connection.execute(
            "INSERT INTO said SELECT lead_id, as_of::TIMESTAMP, probability, grade"
            f" FROM {parquet(files)} WHERE lead_id IN (SELECT lead_id FROM verdicts)"
        )
    connection.execute("""
CREATE OR REPLACE TEMP TABLE judged AS
WITH before AS (
    SELECT v.*, s.probability, s.grade FROM verdicts v
    ASOF LEFT JOIN said s ON s.lead_id = v.lead_id AND s.as_of <= v.given_at
), placed AS (
    SELECT b.*, t.stage FROM before b
    ASOF LEFT JOIN (SELECT * FROM stays WHERE left_at IS NULL OR left_at > entered_at) t
        ON t.lead_key = b.lead_key AND t.entered_at <= b.given_at
)
SELECT p.*, l.source_kind, l.ended_at IS NOT NULL AND l.ended_at >= p.given_at AS ended_since,
    ended_since AND l.won AS won
FROM placed p JOIN pipeline l ON l.lead_key = p.lead_key""")


def _lead_list(asked: Asked, condition: str) -> str:
    return f"""
WITH work_of AS (
    SELECT lead_key, sum(ours)::BIGINT AS ours, sum(theirs)::BIGINT AS theirs,
        max(last_theirs_at) AS last_theirs_at,
        sum(CAST(seconds AS DECIMAL(18, 3)))::DOUBLE / 3600 AS hours
    FROM work GROUP BY lead_key
), told AS (
    SELECT l.lead_id, l.owner_id, l.source_kind,
        (SELECT any_value(s.stage) FROM stays s WHERE s.lead_key = l.lead_key AND s.still) AS stage,
        t.score, t.grade, t.probability, t.attention, l.created_at,
        {days("l.created_at", moment(asked.as_of))} AS age_days,
        coalesce(w.ours, 0) AS ours, coalesce(w.theirs, 0) AS theirs, w.last_theirs_at,
        coalesce(w.hours, 0) AS hours
    FROM tonight t JOIN pipeline l ON l.lead_id = t.lead_id
    LEFT JOIN work_of w ON w.lead_key = l.lead_key
    WHERE t.grade = '{BEST}'
)
SELECT * FROM told WHERE {condition} ORDER BY score DESC, probability DESC, lead_id"""


def unworked_sql(asked: Asked) -> str:
    """Leads of the best grade that nobody has tried to reach."""
    return _lead_list(asked, "ours = 0")


def silent_sql(asked: Asked, *, directions_known: bool) -> str:
    """Leads of the best grade that never did anything themselves."""
    return _lead_list(asked, "theirs = 0" if directions_known else "false")


def open_amounts_sql() -> str:
    """lead_id, source_kind, amount of tonight's scored leads, with what was said of them."""
    return """
SELECT l.lead_id, l.source_kind, l.amount, t.probability, t.probability_low, t.probability_high,
    t.tire_kicker
FROM tonight t JOIN pipeline l ON l.lead_id = t.lead_id ORDER BY l.lead_id"""


def _counts() -> str:
    told = ", ".join(
        f"count(*) FILTER (verdict = '{verdict}') AS {verdict}"
        for verdict in ("agree", "too_high", "too_low", "not_a_tire_kicker")
    )
    agreed = share("count(*) FILTER (verdict = 'agree')", "count(*)")
    return f"count(*) AS verdicts, {told}, {agreed} AS agreement"


def _borne_out() -> str:
    ended = f"ended_since AND verdict IN ({', '.join(map(literal, BORNE_OUT))})"
    right = " OR ".join(f"(verdict = '{v}' AND {rule})" for v, rule in BORNE_OUT.items())
    count = f"count(*) FILTER ({ended})"
    return (
        f"{count} AS ended_since, count(*) FILTER ({ended} AND ({right})) AS borne_out,"
        f" {share(f'count(*) FILTER ({ended} AND ({right}))', count)} AS borne_out_share"
    )


def feedback_sellers_sql() -> str:
    return f"""
SELECT given_by, {_counts()}, {_borne_out()} FROM judged
GROUP BY given_by ORDER BY verdicts DESC, given_by"""


def feedback_segments_sql() -> str:
    segments = {"source_kind": "source_kind", "grade": "grade", "stage": "stage"}
    parts = [
        f"SELECT '{name}' AS segment_by, coalesce({column}, 'unknown') AS segment, {_counts()},"
        f" {_borne_out()} FROM judged GROUP BY 2"
        for name, column in segments.items()
    ]
    return f"SELECT * FROM ({' UNION ALL '.join(parts)}) ORDER BY segment_by, segment"


def feedback_outcomes_sql() -> str:
    """Verdicts against what happened later."""
    ended, won = "count(*) FILTER (ended_since)", "count(*) FILTER (won)"
    return f"""
SELECT verdict, count(*) AS given, count(*) - {ended} AS open, {ended} AS ended_since, {won} AS won,
    {share(won, ended)} AS won_share,
    sum(CAST(probability AS DECIMAL(18, 12)))::DOUBLE / nullif(count(probability), 0)
        AS probability_then
FROM judged GROUP BY verdict ORDER BY verdict"""
