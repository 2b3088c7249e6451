"""Who is looked at, as of when: snapshots of leads while they are open.

Reads `leads`, `decisions` and `activity` (see `open_leads_sql`) of one partition.
"""

from datetime import UTC, datetime

from scoring.config import SnapshotsSection
from scoring.engine.arrays import DAY
from scoring.engine.connection import identifier, literal
from scoring.engine.landed import Landed


def moment(at: datetime) -> str:
    """An aware moment as SQL text: naive timestamps of the store are UTC."""
    return f"TIMESTAMP {literal(at.astimezone(UTC).strftime('%Y-%m-%d %H:%M:%S.%f'))}"


def leads_sql(leads: str, lead_changes: str, landed: Landed, condition: str) -> str:
    """The leads that had landed, as open or closed as the landing knew them to be.

    A merge or a deletion that landed after the moment of `landed` had not closed the lead then,
    whenever it is said to have happened.
    """
    if landed.through is None:
        return f"SELECT * FROM {leads} WHERE {condition}"
    through = f"TIMESTAMP {literal(landed.through)}"
    return f"""
WITH known AS (
    SELECT lead_key, field, arg_max({{'value': value}}, (first_landed, seq)) AS said
    FROM {lead_changes}
    WHERE field IN ('merged_into', 'deleted_at') AND origin = 'landing' AND NOT inherited
        AND first_landed <= {through}
    GROUP BY ALL
)
SELECT l.* REPLACE (
    CASE WHEN m.said IS NULL OR m.said.value IS NOT NULL THEN l.merged_at END AS merged_at,
    CASE WHEN d.said IS NULL THEN l.deleted_at ELSE CAST(d.said.value AS TIMESTAMP) END
        AS deleted_at)
FROM {leads} l
LEFT JOIN known m ON m.lead_key = l.lead_key AND m.field = 'merged_into'
LEFT JOIN known d ON d.lead_key = l.lead_key AND d.field = 'deleted_at'
WHERE l.first_landed <= {through} AND {condition}"""


def activity_sql(interactions: str, stage_changes: str, landed: Landed) -> str:
    """lead_key, seen_at: when the CRM came to know that something happened with a lead.

    An event that was recorded late cannot have kept a lead open before it was known.
    """
    happened = seen_sql(interactions, "occurred_at", landed)
    return f"{happened} UNION ALL {seen_sql(stage_changes, 'changed_at', landed)}"


def seen_sql(scan: str, time: str, landed: Landed) -> str:
    """The part of `activity_sql` that one history has; `time` is when its rows happened."""
    return (
        f"SELECT lead_key, greatest({time}, known_at) AS seen_at FROM {scan} e"
        f" WHERE {landed.condition('e')}"
    )


def silence_sql(close_after_days: int) -> str:
    """lead_key, silent_at: when a lead closed for want of any event, if it ever did.

    Reads `leads` and `activity`. Only leads whose known history is longer than the limit can have
    closed and gone on; the others close, if at all, `close_after_days` after their last event.
    """
    limit = f"INTERVAL {close_after_days} DAY"
    return f"""
WITH heard AS (
    SELECT lead_key, max(seen_at) AS last_at FROM activity GROUP BY lead_key
), last AS (
    SELECT l.lead_key, l.created_at, h.last_at
    FROM leads l LEFT JOIN heard h ON h.lead_key = l.lead_key
), long AS (
    SELECT lead_key, created_at FROM last WHERE last_at > created_at + {limit}
), steps AS (
    SELECT a.lead_key, a.seen_at,
        lag(a.seen_at, 1, l.created_at) OVER (
            PARTITION BY a.lead_key ORDER BY a.seen_at) AS previous_at
    FROM activity a JOIN long l ON l.lead_key = a.lead_key WHERE a.seen_at >= l.created_at
), broken AS (
    SELECT lead_key, min(previous_at + {limit}) AS silent_at FROM steps
    WHERE seen_at > previous_at + {limit} GROUP BY lead_key
)
SELECT last.lead_key,
    coalesce(b.silent_at, greatest(last.last_at, last.created_at) + {limit}) AS silent_at
FROM last LEFT JOIN broken b ON b.lead_key = last.lead_key"""


def decisions_sql(outcomes: str, landed: Landed) -> str:
    """lead_key, outcome, decided_at, known_at, inherited of every lead's outcomes."""
    return (
        "SELECT lead_key, outcome, decided_at, known_at, inherited"
        f" FROM {outcomes} e WHERE {landed.condition('e')}"
    )


def candidates_sql(
    snapshots: SnapshotsSection,
    *,
    until: datetime,
    rhythm: list[datetime],
) -> str:
    """lead_key, as_of: every moment at which the question looks at a lead, up to `until`.

    rhythm   the midnights of `every_days`, oldest first
    """
    last = moment(until)
    if snapshots.at_age_days:
        ages = ", ".join(f"({days})" for days in sorted(set(snapshots.at_age_days)))
        moments = (
            "SELECT lead_key, created_at + to_days(age) AS as_of"
            f" FROM leads, (VALUES {ages}) ages(age)"
        )
    elif snapshots.every_days:
        listed = ", ".join(f"({moment(at)})" for at in rhythm) or "(NULL::TIMESTAMP)"
        moments = f"SELECT lead_key, as_of FROM leads, (VALUES {listed}) rhythm(as_of)"
    else:
        moments = " UNION ".join(
            f"SELECT lead_key, {identifier(column)} AS as_of FROM leads" for column in snapshots.at
        )
    return f"SELECT lead_key, as_of FROM ({moments}) WHERE as_of IS NOT NULL AND as_of <= {last}"


def open_sql(candidates: str, *, decided: str) -> str:
    """The candidates at which the lead is there and open.

    decided   when an outcome closes a lead: `decided_at` for training (what a lead became before
              as_of is no question any more, recorded or not), or `greatest(decided_at, known_at)`
              for scoring (what the CRM knew). An inherited outcome closes from the merge on
    Reads `leads`, `decisions`, `silence`. Closed means: decided, deleted, merged away, or silent
    for too long, strictly before as_of. A lead whose outcome is in quarantine is left out.
    """
    return f"""
WITH closing AS (
    SELECT lead_key,
        min(CASE WHEN inherited THEN greatest(decided_at, known_at) ELSE {decided} END) AS closed_at
    FROM decisions
    WHERE outcome <> 'recycled' GROUP BY lead_key
)
SELECT c.lead_key, c.as_of
FROM ({candidates}) c
JOIN leads l ON l.lead_key = c.lead_key
LEFT JOIN closing ON closing.lead_key = c.lead_key
JOIN silence ON silence.lead_key = c.lead_key
WHERE NOT l.held AND l.created_at <= c.as_of
    AND (closing.closed_at IS NULL OR closing.closed_at >= c.as_of)
    AND (l.deleted_at IS NULL OR l.deleted_at >= c.as_of)
    AND (l.merged_at IS NULL OR l.merged_at >= c.as_of)
    AND silence.silent_at >= c.as_of"""


def age_days(column: str) -> str:
    return f"(epoch_us(s.as_of) - epoch_us({column})) / {DAY}"
