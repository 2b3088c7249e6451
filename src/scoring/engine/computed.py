"""SQL of the properties of interactions that come from `participants` and `contacts`.

What was recorded with an interaction is what stood in the store when the interaction landed:
later corrections of who took part, and roles that became known later, do not change it. So the
value of a row never changes, and a snapshot that sees the row may see the value.

Rows of `contacts` count from the later of joined_at and known_at, which must not be after the
moment at which the interaction itself was known.
"""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from scoring.engine.connection import literal
from scoring.engine.reading import OF_CONTACT, OF_PARTICIPANTS

if TYPE_CHECKING:
    from scoring.check.tables import Tables

_THEN = (
    "{0}.first_landed <= e.first_landed"
    " AND ({0}.gone_landed IS NULL OR {0}.gone_landed > e.first_landed)"
)
_KNOWN = (
    "c.lead_key = e.lead_key"
    " AND greatest(c.known_at, c.joined_at) <= greatest(e.known_at, e.occurred_at)"
    f" AND {_THEN.format('c')}"
)


def joined_sql(
    wanted: Collection[str],
    interactions: str,
    tables: "Tables",
    partition: int,
    deciding: Sequence[str],
) -> tuple[str, dict[str, str]]:
    """JOINs to put behind `interactions e`, and the SQL of each wanted property that they bring.

    interactions   relation of the rows that are read, with seq, lead_key, interaction_id,
                   contact_id, occurred_at, known_at and first_landed
    deciding       the roles that decide, as they are written in `contacts`
    """
    contacts = tables.scan("contacts", partition)
    joins = ""
    columns: dict[str, str] = {}
    if taking := [name for name in OF_PARTICIPANTS if name in wanted]:
        counted = _participants(interactions, tables.scan("participants"), contacts, deciding)
        joins += f" LEFT JOIN ({counted}) p ON p.seq = e.seq"
        columns |= {name: f"p.{name}" for name in taking}
    if told := [name for name in OF_CONTACT if name in wanted]:
        domain = "lower(c.domain)" if "domain" in tables.columns("contacts") else "NULL::VARCHAR"
        joins += f" LEFT JOIN ({_contacts(interactions, contacts, domain)}) o ON o.seq = e.seq"
        columns |= {name: f"o.c.{name}" for name in told}
    return joins, columns


def _participants(
    interactions: str, participants: str, contacts: str, deciding: Sequence[str]
) -> str:
    """Counts per interaction; missing where nobody is listed, nobody's attendance is told, or,
    of those who decide, nobody's role was known. Who came uninvited counts as attending only.
    """
    roles = ", ".join(literal(role) for role in deciding) or "NULL"
    came, invited = "p.attended", "coalesce(p.invited, true)"
    decides = f"c.role IN ({roles})"
    told, known = "count(p.attended) > 0", "count(c.role) > 0"

    def people(condition: str) -> str:
        return f"count(DISTINCT p.contact_id) FILTER (WHERE {condition})"

    return (
        f"SELECT e.seq, {people(invited)} AS invited_count,"
        f" CASE WHEN {told} THEN {people(came)} END AS attended_count,"
        f" CASE WHEN {known} THEN {people(f'{invited} AND {decides}')} END AS deciding_invited,"
        f" CASE WHEN {told} AND {known} THEN {people(f'{came} AND {decides}')} END"
        " AS deciding_attended"
        f" FROM {interactions} e JOIN {participants} p ON p.interaction_id = e.interaction_id"
        f" AND {_THEN.format('p')}"
        f" LEFT JOIN {contacts} c ON c.contact_id = p.contact_id AND {_KNOWN}"
        " GROUP BY e.seq"
    )


def _contacts(interactions: str, contacts: str, domain: str) -> str:
    """Of two leads' contacts with one ID, united by a merge, the one that was known last counts."""
    return (
        "SELECT e.seq, arg_max({'contact_role': c.role, 'contact_seniority': c.seniority,"
        f" 'contact_domain': {domain}}}, (c.known_at, c.seq)) AS c"
        f" FROM {interactions} e JOIN {contacts} c ON c.contact_id = e.contact_id AND {_KNOWN}"
        " GROUP BY e.seq"
    )
