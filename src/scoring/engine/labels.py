"""FUTURE: the only code that looks at what happened at or after as_of.

Whoever wants to know where the future is read finds this module, and nothing else.
"""

from collections.abc import Sequence
from datetime import datetime

from scoring.config import QuestionSection
from scoring.engine.connection import literal
from scoring.engine.landed import Landed
from scoring.engine.snapshots import moment


def labels_sql(question: QuestionSection, *, data_end: datetime) -> str:
    """snap_id, label, matured_at, label_known_at of the snapshots with a known label.

    label        1 if the first outcome inside the window is the asked one, 0 if it is another or
                 there is none
    matured_at   when the label became known: the window's end, or the decision
    label_known_at   when the outcome behind the label was recorded, which may be later; NULL where
                 there is none
    data_end     what was recorded later is not known

    `within_horizon`: the window is [as_of + gap, as_of + gap + horizon) and has to be over.
    `at_decision`: the outcome that closes the lead; it has to be decided and recorded.
    A snapshot whose first outcome in the window is censored has no label.
    Reads `snapshots` (snap_id, root_key, as_of), `all_decisions` and `held_roots`: an absorbed lead
    carries the outcome of the lead that survived, and has no label where any outcome of those that
    were merged into one is in quarantine. A question about an event reads `asked_events`, too.
    """
    if question.event:
        return _events_sql(question, data_end)
    asked = literal(question.outcome)
    censored = _listed(question.censor)
    if question.label == "at_decision":
        return f"""
WITH firsts AS (
    SELECT s.snap_id,
        arg_min(o.outcome, (o.decided_at, o.outcome)) AS outcome,
        arg_min(greatest(o.decided_at, o.known_at), (o.decided_at, o.outcome)) AS matured_at
    FROM snapshots s JOIN all_decisions o ON o.lead_key = s.root_key
    WHERE o.decided_at >= s.as_of AND o.outcome <> 'recycled'
        AND s.root_key NOT IN (SELECT root_key FROM held_roots)
    GROUP BY s.snap_id
)
SELECT snap_id, (outcome = {asked})::INTEGER AS label, matured_at, matured_at AS label_known_at
FROM firsts
WHERE outcome NOT IN ({censored}) IS NOT FALSE AND matured_at < {moment(data_end)}"""
    gap, horizon = question.gap_days, question.horizon_days
    return f"""
WITH firsts AS (
    SELECT s.snap_id, arg_min(o.outcome, (o.decided_at, o.outcome)) AS outcome,
        arg_min(greatest(o.decided_at, o.known_at), (o.decided_at, o.outcome)) AS label_known_at
    FROM snapshots s JOIN all_decisions o ON o.lead_key = s.root_key
    WHERE o.decided_at >= s.as_of + INTERVAL {gap} DAY
        AND o.decided_at < s.as_of + INTERVAL {gap + horizon} DAY
        AND o.known_at < {moment(data_end)}
    GROUP BY s.snap_id
)
SELECT s.snap_id, coalesce((f.outcome = {asked})::INTEGER, 0) AS label,
    s.as_of + INTERVAL {gap + horizon} DAY AS matured_at, f.label_known_at
FROM snapshots s LEFT JOIN firsts f ON f.snap_id = s.snap_id
WHERE (f.outcome IS NULL OR f.outcome NOT IN ({censored}) IS NOT FALSE)
    AND s.root_key NOT IN (SELECT root_key FROM held_roots)
    AND s.as_of + INTERVAL {gap + horizon} DAY <= {moment(data_end)}"""


def _events_sql(question: QuestionSection, data_end: datetime) -> str:
    """`labels_sql` of a question about an event: 1 if one happens in the window while the lead is
    open.

    Every outcome but `recycled` closes the lead: what happens after it is no answer any more, also
    where it fell into the gap. An event at the moment of the decision came before it. A censored
    outcome before the event takes the label away. Leads stay open after the event.
    """
    start = f"s.as_of + INTERVAL {question.gap_days} DAY"
    end = f"s.as_of + INTERVAL {question.gap_days + question.horizon_days} DAY"
    return f"""
WITH marks AS (
    SELECT root_key, occurred_at AS at, known_at, '' AS outcome FROM asked_events
    UNION ALL
    SELECT lead_key, decided_at, known_at, outcome FROM all_decisions
    WHERE outcome <> 'recycled' OR outcome IN ({_listed(question.censor)})
), firsts AS (
    SELECT s.snap_id, arg_min(m.outcome, (m.at, m.outcome)) AS outcome,
        arg_min(greatest(m.at, m.known_at), (m.at, m.outcome)) AS label_known_at
    FROM snapshots s JOIN marks m ON m.root_key = s.root_key
    WHERE m.at >= CASE m.outcome WHEN '' THEN {start} ELSE s.as_of END
        AND m.at < {end} AND m.known_at < {moment(data_end)}
    GROUP BY s.snap_id
)
SELECT s.snap_id, coalesce((f.outcome = '')::INTEGER, 0) AS label,
    {end} AS matured_at, f.label_known_at
FROM snapshots s LEFT JOIN firsts f ON f.snap_id = s.snap_id
WHERE (f.outcome IS NULL OR f.outcome NOT IN ({_listed(question.censor)}) IS NOT FALSE)
    AND s.root_key NOT IN (SELECT root_key FROM held_roots)
    AND {end} <= {moment(data_end)}"""


def asked_events_sql(interactions: str, leads: str, event: Sequence[str], landed: Landed) -> str:
    """root_key, occurred_at, known_at of the interactions that a question asks for.

    Those of every lead that was merged into the root, each as it was recorded then. `leads` is a
    relation with lead_key and root_lead_key.
    """
    return (
        "SELECT l.root_lead_key AS root_key, e.occurred_at, e.known_at"
        f" FROM {interactions} e JOIN {leads} l ON l.lead_key = e.lead_key"
        f" WHERE e.type IN ({_listed(event)}) AND NOT e.inherited AND {landed.condition('e')}"
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(literal(name) for name in names) or "NULL"


def closings_sql(question: QuestionSection, *, data_end: datetime) -> str:
    """snap_id, closed_at, converted: what became of each labelled snapshot's lead, and when.

    closed_at   when the CRM knew that the lead was closed: by an outcome, else by its deletion or
                for want of any event; NULL while it was open at `data_end`, or censored
    converted   whether that outcome was the asked one
    Reads what `labels_sql` reads, `labels`, `leads` and `silence`. What features learn from other
    leads is learned from this (`train/learned.py`), each time from what had been known before: of
    sales, whatever the question asks for.
    """
    censored = _listed(question.sale_censor)
    end = moment(data_end)
    return f"""
WITH firsts AS (
    SELECT lead_key AS root_key, arg_min(outcome, (decided_at, outcome)) AS outcome,
        arg_min(greatest(decided_at, known_at), (decided_at, outcome)) AS closed_at
    FROM all_decisions WHERE outcome <> 'recycled' AND known_at < {end}
    GROUP BY lead_key
), ends AS (
    SELECT lead_key, least(silence.silent_at, l.deleted_at) AS left_at
    FROM leads l JOIN silence USING (lead_key) WHERE l.lead_key = l.root_lead_key
)
SELECT s.snap_id, coalesce(f.outcome = {literal(question.outcome)}, false) AS converted,
    CASE WHEN f.outcome IS NULL THEN nullif(least(e.left_at, {end}), {end})
        WHEN f.outcome NOT IN ({censored}) IS NOT FALSE THEN f.closed_at END AS closed_at
FROM snapshots s JOIN labels USING (snap_id)
LEFT JOIN firsts f ON f.root_key = s.root_key
LEFT JOIN ends e ON e.lead_key = s.lead_key"""


def speaking_sql() -> str:
    """The rows of `outcome_rows` that labels go by.

    A lead that others were merged into speaks for itself; only where it has no outcome of its own,
    ever, do the inherited ones count.
    """
    return """
SELECT * EXCLUDE (alone) FROM (
    SELECT *, min(inherited::INTEGER) OVER (PARTITION BY lead_key) AS alone FROM outcome_rows
) WHERE inherited::INTEGER = alone"""


def settling_sql(*, data_end: datetime) -> str:
    """day, labelled, undecided: snapshots by the date (UTC) of as_of, for `at_decision`.

    labelled    the label is known by `data_end`
    undecided   no outcome is known by `data_end`, and one can still come: the lead is not deleted
                and did not fall silent. Whoever closed without an outcome holds nothing up.
    Reads what `labels_sql` reads, `labels`, `leads` and `silence`.
    """
    end = moment(data_end)
    return f"""
WITH decided AS (
    SELECT DISTINCT s.snap_id FROM snapshots s JOIN all_decisions o ON o.lead_key = s.root_key
    WHERE o.decided_at >= s.as_of AND o.outcome <> 'recycled'
        AND greatest(o.decided_at, o.known_at) < {end}
), states AS (
    SELECT s.as_of::DATE AS day, s.snap_id IN (SELECT snap_id FROM labels) AS labelled,
        s.snap_id NOT IN (SELECT snap_id FROM decided) AND l.deleted_at IS NULL
            AND silence.silent_at >= {end}
            AND s.root_key NOT IN (SELECT root_key FROM held_roots) AS undecided
    FROM snapshots s
    JOIN leads l ON l.lead_key = s.lead_key
    JOIN silence ON silence.lead_key = s.lead_key
)
SELECT day, count(*) FILTER (labelled) AS labelled, count(*) FILTER (undecided) AS undecided
FROM states WHERE labelled OR undecided GROUP BY day ORDER BY day"""
