"""What the question about meetings can ask of a company's data.

Every history of leads has sales to ask for. Whether a lead agrees to the next encounter can only be
asked where encounters are in the history.
"""

import re
from collections import Counter

from scoring.init.proposal import Part, Proposal

# An encounter that was agreed on, in the languages of the product, as types of interactions say it.
_ENCOUNTER = re.compile(r"meeting|demo(?!graph)|visit|tapaami|kohtumi|встреч", re.IGNORECASE)
_AGREED = re.compile(r"book|schedul|agreed|varattu|sovittu|broneer|назнач", re.IGNORECASE)
_NOT_AGREED = re.compile(
    r"cancel|resched|moved|postpon|declin|no.?show|page|site|web|peru|siirr|tühis|lükka"
    r"|отмен|перен",
    re.IGNORECASE,
)


def encounters(proposal: Proposal) -> list[str]:
    """The types of interactions that say that a lead agreed to meet, the most frequent first:
    those that name the agreement where there are any, else the encounters themselves."""
    seen: Counter[str] = Counter()
    for part in proposal.parts.get("interactions", []):
        for name, rows in _types(part).items():
            seen[name] += rows
    names = sorted(seen, key=lambda name: (-seen[name], name))
    meeting = [n for n in names if _ENCOUNTER.search(n) and not _NOT_AGREED.search(n)]
    return [n for n in meeting if _AGREED.search(n)] or meeting


def _types(part: Part) -> dict[str, int]:
    """Type, as the staging SQL of the part will say it → rows."""
    header = part.header("type")
    if header is None:
        return {part.type_word: part.profile.rows} if part.type_word else {}
    column = part.profile.columns[header]
    values = {} if column.free_text else column.values
    if part.identity or all(v.replace("_", "").isalnum() and v == v.lower() for v in values):
        return dict(values)
    found: Counter[str] = Counter()
    for name, rows in values.items():
        found[re.sub(r"[\W_]+", "_", name.strip().lower()).strip("_")] += rows
    return dict(found)
