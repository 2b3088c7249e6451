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
        people = tables.scan("participants")
        counted = _participants(taking, interactions, people, contacts, deciding)
        joins += f" LEFT JOIN ({counted}) p ON p.seq = e.seq"
        columns |= {name: f"p.{name}" for name in taking}
    if told := [name for name in OF_CONTACT if name in wanted]:
        # Of several rows of one contact, such as those of two leads that a merge united, the one
        # that was known last counts. Most contacts have one row, and need no choice.
        rows = (
            f"SELECT *, count(*) OVER (PARTITION BY lead_key, contact_id) AS rows FROM {contacts}"
        )
        chosen = (
            f"SELECT c.*, e.seq AS place FROM {interactions} e JOIN ({rows}) c"
            f" ON c.contact_id = e.contact_id AND {_KNOWN} WHERE c.rows > 1 QUALIFY"
            " row_number() OVER (PARTITION BY e.seq ORDER BY c.known_at DESC, c.seq DESC) = 1"
        )
        joins += (
            f" LEFT JOIN (FROM ({rows}) WHERE rows = 1) c"
            f" ON c.contact_id = e.contact_id AND {_KNOWN}"
            f" LEFT JOIN ({chosen}) o ON o.place = e.seq"
        )
        own = {name: name.removeprefix("contact_") for name in told}
        if "domain" not in tables.columns("contacts"):
            own.pop("contact_domain", None)
        columns |= dict.fromkeys(told, "NULL::VARCHAR")
        columns |= {name: f"coalesce(c.{column}, o.{column})" for name, column in own.items()}
        if "contact_domain" in own:
            columns["contact_domain"] = f"lower({columns['contact_domain']})"
    return joins, columns


def _participants(
    wanted: Collection[str],
    interactions: str,
    participants: str,
    contacts: str,
    deciding: Sequence[str],
) -> str:
    """Counts per interaction; missing where nobody is listed, nobody's attendance is told, or,
    of those who decide, nobody's role was known. Who came uninvited counts as attending only.
    """
    roles = ", ".join(literal(role) for role in deciding) or "NULL"
    came, invited = "p.attended", "coalesce(p.invited, true)"
    told, known = "count(p.attended) > 0", "count(c.role) > 0"
    decided = any(name.startswith("deciding") for name in wanted)
    # A contact may stand in two leads that a merge united, so people are counted, not rows.
    one = "DISTINCT p.contact_id" if decided else "*"

    def people(condition: str) -> str:
        return f"count({one}) FILTER (WHERE {condition})"

    decides = f"c.role IN ({roles})"
    said = {
        "invited_count": people(invited),
        "attended_count": f"CASE WHEN {told} THEN {people(came)} END",
        "deciding_invited": f"CASE WHEN {known} THEN {people(f'{invited} AND {decides}')} END",
        "deciding_attended": (
            f"CASE WHEN {told} AND {known} THEN {people(f'{came} AND {decides}')} END"
        ),
    }
    columns = "".join(f", {said[name]} AS {name}" for name in wanted)
    roles_of = f" LEFT JOIN {contacts} c ON c.contact_id = p.contact_id AND {_KNOWN}"
    return (
        f"SELECT e.seq{columns}"
        f" FROM {interactions} e JOIN {participants} p ON p.interaction_id = e.interaction_id"
        f" AND {_THEN.format('p')}{roles_of if decided else ''} GROUP BY e.seq"
    )
