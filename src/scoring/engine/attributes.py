"""What stood in the lead's row at as_of.

A lead's row shows today's values; someone may have filled them after the sale. So a value is taken
from the field history as it stood at as_of. Where there is none yet it is the row's value, but only
if the attribute is declared known at creation, or the row was already landed before as_of.

A field history speaks of one record: what was inherited from a lead that was merged in says nothing
of the survivor's own fields.
"""

from collections.abc import Mapping, Set

from scoring.engine.connection import identifier, literal
from scoring.engine.landed import Landed


def attributes_sql(
    kinds: Mapping[str, str],
    *,
    known_at_creation: Set[str],
    tracked: Set[str],
    lead_changes: str,
    landed: Landed,
) -> str:
    """snap_id and one column per attribute, a number (DOUBLE) or a text; missing is not known.

    kinds     attribute → `number`, `text` or `flag`
    tracked   attributes with a field history in the source: that history alone counts, and before
              its first visible row nothing is known. (Taking today's value for leads that never
              changed would tell them from those that will.)
    Reads `snapshots` and `leads`. A history that the landing made by comparing nights begins with
    the value that was there before, which an attribute known at creation had from the start.
    """
    if not kinds:
        return "SELECT snap_id FROM snapshots"
    names = ", ".join(literal(name) for name in sorted(kinds))
    own = ", ".join(literal(name) for name in sorted(tracked)) or "NULL"
    columns = ", ".join(
        f"{_value(name, kind, name in known_at_creation, name in tracked)} AS {identifier(name)}"
        for name, kind in sorted(kinds.items())
    )
    seen = ", ".join(
        f"max(v) FILTER (field = {literal(n)}) AS {identifier('h ' + n)}" for n in sorted(kinds)
    )
    first = ", ".join(
        f"max(v) FILTER (field = {literal(n)}) AS {identifier('f ' + n)}" for n in sorted(kinds)
    )
    return f"""
WITH changes AS (
    SELECT * FROM {lead_changes} e
    WHERE field IN ({names}) AND NOT inherited AND {landed.condition("e")}
        AND (origin = 'source' OR field NOT IN ({own}) IS NOT FALSE)
), seen AS (
    SELECT s.snap_id, e.field, arg_max({{'value': e.value}}, e.seq) AS v
    FROM snapshots s JOIN changes e ON e.lead_key = s.lead_key
    WHERE e.changed_at < s.as_of AND e.known_at < s.as_of
    GROUP BY s.snap_id, e.field
), first AS (
    SELECT lead_key, field, arg_min({{'value': value}}, seq) AS v
    FROM changes WHERE origin = 'landing' GROUP BY lead_key, field
), seen_wide AS (SELECT snap_id, {seen} FROM seen GROUP BY snap_id),
first_wide AS (SELECT lead_key, {first} FROM first GROUP BY lead_key)
SELECT s.snap_id, {columns}
FROM snapshots s
JOIN leads l ON l.lead_key = s.lead_key
LEFT JOIN seen_wide h ON h.snap_id = s.snap_id
LEFT JOIN first_wide f ON f.lead_key = s.lead_key"""


def _value(name: str, kind: str, at_creation: bool, tracked: bool) -> str:
    row = f"CAST(l.{identifier(name)} AS VARCHAR)"
    history, first = f"h.{identifier('h ' + name)}", f"f.{identifier('f ' + name)}"
    text = f"CASE WHEN {history} IS NOT NULL THEN {history}.value "
    if not tracked:
        if at_creation:
            text += f"WHEN {first} IS NOT NULL THEN {first}.value ELSE {row} "
        else:
            text += f"WHEN {first} IS NULL AND l.first_landed < s.as_of THEN {row} "
    text += "END"
    if kind == "flag":
        return f"TRY_CAST(TRY_CAST({text} AS BOOLEAN) AS INTEGER)::DOUBLE"
    if kind == "number":
        # A history of texts has passed no contract: `inf` and `nan` are no numbers.
        return f"list_extract(list_filter([TRY_CAST({text} AS DOUBLE)], lambda v: isfinite(v)), 1)"
    return text
