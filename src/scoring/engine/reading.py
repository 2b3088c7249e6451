"""What a project says about reading its history, and the properties that are computed on reading.

    local_day, local_hour, local_weekday     when it was for the lead: days since 1970, 0 to 23,
                                             0 (Monday) to 6
    invited_count, attended_count            people of `participants`
    deciding_invited, deciding_attended      those of them whose role decides
    contact_role, contact_seniority,         of the contact that the interaction names
    contact_domain
    mentions_<list>                          1 where the text of the interaction has a word of the
                                             list, 0 where not; nothing else of a text is ever read

A property of the CRM's own with one of these names is taken as it is.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

Kind = Literal["number", "text"]

# Roles that decide about buying, in the languages of the product; patterns of roles in small
# letters, `_` for everything that is neither letter nor digit.
DECIDING_ROLES = (
    "*decision*maker*", "decider", "*economic_buyer*", "*budget*", "*owner*", "founder", "ceo",
    "cfo", "coo", "cto", "cio", "cmo", "chief_*", "*director*", "president", "*päättäjä*",
    "*johtaja*", "omistaja", "*otsustaja*", "*juhataja*", "omanik", "лпр", "*директор*",
    "*принимающ*_решени*", "владелец",
)  # fmt: skip

LOCAL: Mapping[str, Kind] = {
    "local_day": "number",
    "local_hour": "number",
    "local_weekday": "number",
}
OF_PARTICIPANTS: Mapping[str, Kind] = {
    "invited_count": "number",
    "attended_count": "number",
    "deciding_invited": "number",
    "deciding_attended": "number",
}
OF_CONTACT: Mapping[str, Kind] = {
    "contact_role": "text",
    "contact_seniority": "text",
    "contact_domain": "text",
}
COMPUTED: Mapping[str, Kind] = {**LOCAL, **OF_PARTICIPANTS, **OF_CONTACT}
OF_LEAD_CHANGES: Mapping[str, Kind] = {"value": "text", "number": "number"}
OF_CONTACTS: Mapping[str, Kind] = {"contact_id": "text", "seniority": "text", "domain": "text"}
UNKNOWN_ROLE = "unknown"
# What stands before the name of a list of words.
MENTIONS = "mentions_"
# Changes of these end a lead and say nothing about it while it is open.
CLOSING_FIELDS = ("merged_into", "merged_at", "deleted_at")


@dataclass(frozen=True)
class Reading:
    """What decides how history rows are read; a champion keeps its own.

    zone             time zone of a lead that has none of its own
    lead_time_zone   column of leads with the lead's own time zone (IANA name), or None. Its value
                     is the one that landed first
    deciding_roles   patterns of contacts' roles, compared as `normal` writes them
    words            list → words to look for in texts, as `words.py` reads them
    """

    zone: str = "UTC"
    lead_time_zone: str | None = None
    deciding_roles: tuple[str, ...] = DECIDING_ROLES
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def deciding(self, roles: Iterable[str]) -> list[str]:
        """Those of the roles that decide."""
        patterns = [p.strip().lower().replace(" ", "_") for p in self.deciding_roles]
        return [r for r in roles if any(fnmatchcase(normal(r), p) for p in patterns)]

    def to_json(self) -> dict[str, Any]:
        return {
            "zone": self.zone,
            "lead_time_zone": self.lead_time_zone,
            "deciding_roles": list(self.deciding_roles),
            "words": {name: list(words) for name, words in self.words.items()},
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "Reading":
        return Reading(
            zone=value["zone"],
            lead_time_zone=value["lead_time_zone"],
            deciding_roles=tuple(value["deciding_roles"]),
            words={name: tuple(words) for name, words in value.get("words", {}).items()},
        )


def whole(patterns: Iterable[str]) -> str:
    """A regular expression of whole texts in small letters that are like one of the patterns: `*`
    is any letters, `?` is one."""
    said = [
        "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in pattern) for pattern in patterns
    ]
    return f"(?s)^(?:{'|'.join(said)})$"


def normal(role: str) -> str:
    """`Decision Maker` → `decision_maker`."""
    return re.sub(r"\W+", "_", role.strip().lower()).strip("_")
