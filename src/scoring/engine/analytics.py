"""What the pipeline tables are made of: leads, their stays in stages and what was done with them.

Everything is as it was known as of the logical date: what happened or was recorded at or after it,
or landed after the run, is not seen. Temporary tables, one pass over each history:

    pipeline   a row for each lead that was not merged away: status, when it ended, attributes
    stays      a row for each stay of a lead in a stage
    visits     a row for each lead and stage
    work       a row for each lead and type of interaction: how often, and how long it took us
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from scoring.engine.analytics_asked import OTHER, UNKNOWN, Asked, seen
from scoring.engine.analytics_stays import make_positions, moved_sql, stays_sql, visits_sql
from scoring.engine.attributes import attributes_sql
from scoring.engine.connection import Connection, identifier, literal
from scoring.engine.snapshots import (
    activity_sql,
    decisions_sql,
    leads_sql,
    moment,
    open_sql,
    silence_sql,
)

if TYPE_CHECKING:
    from scoring.check.tables import Tables

# Columns of `leads` that every history may have, beside its attributes.
DESCRIBING = {"source": "text", "owner_id": "text", "amount": "number"}
IDENTITIES = ("person_id", "company_id")


def make_base(connection: Connection, tables: "Tables", asked: Asked) -> None:
    """Make the temporary tables that `docs/analytics.md` explains."""

    def make(name: str, query: str) -> None:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")

    changes = tables.scan("lead_changes")
    scans = {
        name: tables.scan(name) for name in ("interactions", "stage_changes", "outcomes", "leads")
    }
    make("leads", leads_sql(scans["leads"], changes, asked.landed, "true"))
    make("decisions", decisions_sql(scans["outcomes"], asked.landed))
    make("activity", activity_sql(scans["interactions"], scans["stage_changes"], asked.landed))
    make("silence", silence_sql(asked.close_after_days))
    connection.execute("DROP TABLE activity")
    candidates = f"SELECT lead_key, {moment(asked.as_of)} AS as_of FROM leads"
    make("opened", open_sql(candidates, decided="greatest(decided_at, known_at)"))
    make("snapshots", _standing_sql(asked.as_of))
    kinds = {**DESCRIBING, **asked.fields}
    make(
        "card",
        attributes_sql(
            kinds,
            known_at_creation=kinds.keys(),
            tracked=asked.tracked,
            lead_changes=changes,
            landed=asked.landed,
        ),
    )
    _pairs(connection, "source_kinds", "source", "kind", asked.source_kinds)
    make("pipeline", _pipeline_sql(asked))
    make_positions(connection, asked.orders)
    make("stays", stays_sql(scans["stage_changes"], asked))
    make("visits", visits_sql(asked))
    _pairs(connection, "minutes", "type", "each", {t: str(m) for t, m in asked.minutes.items()})
    make("work", _work_sql(scans["interactions"], tables.manifest["kinds"], asked))
    make("moved", moved_sql(asked))


def sources_ever_sql(tables: "Tables") -> str:
    """Every source that a lead has or had."""
    return (
        f"SELECT source FROM {tables.scan('leads')} WHERE source IS NOT NULL UNION"
        f" SELECT value FROM {tables.scan('lead_changes')}"
        " WHERE field = 'source' AND value IS NOT NULL ORDER BY 1"
    )


def _pairs(
    connection: Connection, name: str, key: str, value: str, pairs: Mapping[str, str]
) -> None:
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} ({key} VARCHAR, {value} VARCHAR)")
    if pairs:
        connection.executemany(
            f"INSERT INTO {name} VALUES (?, ?)", [list(p) for p in pairs.items()]
        )


def _standing_sql(as_of: datetime) -> str:
    """Leads that are there and were not merged away, as `attributes_sql` asks for them."""
    at = moment(as_of)
    return f"""
SELECT row_number() OVER (ORDER BY lead_key)::INTEGER AS snap_id, lead_key,
    {at} AS as_of, root_lead_key AS root_key
FROM leads
WHERE NOT held AND created_at <= {at} AND (merged_at IS NULL OR merged_at >= {at})"""


def _pipeline_sql(asked: Asked) -> str:
    """status: the outcome that closed the lead, `open`, `deleted` or `silent`; ended_at: when, NULL
    while open. The lead's own outcomes speak before those that it inherited."""
    at = moment(asked.as_of)
    own = ", ".join(f"c.{identifier(name)}" for name in DESCRIBING)
    return f"""
WITH closing AS (
    SELECT lead_key, arg_min(outcome, (inherited, decided_at, outcome)) AS outcome,
        arg_min(CASE WHEN inherited THEN greatest(decided_at, known_at) ELSE decided_at END,
            (inherited, decided_at, outcome)) AS ended_at
    FROM decisions
    WHERE outcome <> 'recycled' AND decided_at < {at} AND known_at < {at}
    GROUP BY lead_key
)
SELECT *, status = {literal(asked.won)} AS won FROM (
SELECT s.snap_id, s.lead_key, l.lead_id, l.group_id, l.created_at, {own},
    CASE WHEN c.source IS NULL THEN {literal(UNKNOWN)}
        ELSE coalesce(k.kind, {literal(OTHER)}) END AS source_kind,
    CASE WHEN d.outcome IS NOT NULL THEN d.outcome WHEN o.lead_key IS NOT NULL THEN 'open'
        WHEN l.deleted_at < {at} THEN 'deleted' ELSE 'silent' END AS status,
    CASE WHEN d.outcome IS NOT NULL THEN d.ended_at WHEN o.lead_key IS NOT NULL THEN NULL
        WHEN l.deleted_at < {at} THEN least(l.deleted_at, q.silent_at)
        ELSE q.silent_at END AS ended_at
FROM snapshots s
JOIN leads l ON l.lead_key = s.lead_key
JOIN card c ON c.snap_id = s.snap_id
JOIN silence q ON q.lead_key = s.lead_key
LEFT JOIN closing d ON d.lead_key = s.lead_key
LEFT JOIN opened o ON o.lead_key = s.lead_key
LEFT JOIN source_kinds k ON k.source = c.source)"""


def _work_sql(interactions: str, kinds: Sequence[Mapping[str, object]], asked: Asked) -> str:
    """lead_key, type, ours, theirs, last_theirs_at, and of our time since `since`: seconds, timed
    and untimed (interactions with and without a known duration). Until the lead's end.

    ours     outbound interactions; all of them where the history tells no direction
    Our time is in what is outbound, and in what comes in but is also done by us (calls, meetings):
    that is a conversation. What only the customer does (a trial used, a page read) takes us none.
    """
    told = any(kind["direction"] for kind in kinds)
    both = {kind["type"] for kind in kinds if kind["direction"] == "outbound"}

    def one_of(ids: list[object]) -> str:
        return f"e.kind_id IN ({', '.join(map(str, ids)) or 'NULL'})"

    ours = one_of([k["id"] for k in kinds if k["direction"] == "outbound"]) if told else "true"
    theirs = one_of([k["id"] for k in kinds if k["direction"] == "inbound"]) if told else "false"
    talked = one_of([k["id"] for k in kinds if k["type"] in both]) if told else "true"
    each = "CAST(m.each AS DOUBLE) * 60"
    if asked.duration is not None:
        name, unit = asked.duration
        each = f"coalesce(e.{identifier(name)} * {unit}, {each})"
    recent = f"({talked}) AND e.occurred_at >= {moment(asked.since)}"
    # Whole milliseconds: sums of floats depend on the order of the rows.
    return f"""
SELECT e.lead_key, e.type, count(*) FILTER ({ours}) AS ours, count(*) FILTER ({theirs}) AS theirs,
    max(e.occurred_at) FILTER ({theirs}) AS last_theirs_at,
    coalesce(sum(round({each} * 1000)::BIGINT) FILTER ({recent}), 0) / 1000.0 AS seconds,
    count({each}) FILTER ({recent}) AS timed,
    count(*) FILTER (({recent}) AND ({each}) IS NULL) AS untimed
FROM {interactions} e
JOIN pipeline l ON l.lead_key = e.lead_key
LEFT JOIN minutes m ON m.type = e.type
WHERE {seen("e", "occurred_at", asked)} AND (l.ended_at IS NULL OR e.occurred_at <= l.ended_at)
GROUP BY e.lead_key, e.type"""
