"""Merged leads: Odoo deletes the absorbed one and keeps no record of it, but its log moves on.

A message that Odoo itself has written carries the lead that it was written to in its Message-Id
(`<…-openerp-<lead>-crm.lead@host>`), and a merge leaves that as it is. So a message whose lead is
another one than its Message-Id says, and is not there any more, tells who absorbed whom; when is
the time at which the message was written anew. A mail that came in has a Message-Id of its
sender's: it belongs to the lead of the message that it answers.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scoring.crm.odoo.calls import LEAD, Odoo
from scoring.crm.reading import Mark, Row

ORIGIN = re.compile(r"-openerp-([0-9]{1,18})-crm\.lead@")
SURVIVORS = 50


@dataclass(frozen=True)
class Merge:
    """at: Odoo's time, UTC"""

    absorbed: int
    survivor: int
    at: str


class Merges:
    def __init__(self, odoo: Odoo) -> None:
        self._odoo = odoo
        self._told: set[int] = set()

    def lead_of(self, messages: Sequence[Mapping[str, Any]]) -> dict[int, int]:
        """Message → the lead that it was written to, absorbed or not."""
        own = {m["id"]: _origin(m["message_id"]) for m in messages}
        unknown = sorted(
            {m["parent_id"][0] for m in messages if own[m["id"]] is None and m["parent_id"]}
        )
        parents = {}
        if unknown:
            domain = [["id", "in", unknown], ["model", "=", LEAD]]
            found = self._odoo.search_read("mail.message", domain, ["message_id"])
            parents = {m["id"]: _origin(m["message_id"]) for m in found}
        return {
            m["id"]: own[m["id"]]
            or (parents.get(m["parent_id"][0]) if m["parent_id"] else None)
            or m["res_id"]
            for m in messages
        }

    def found(
        self, messages: Sequence[Mapping[str, Any]], lead_of: Mapping[int, int]
    ) -> list[Merge]:
        """The merges that these messages tell of, each of them once."""
        moved: dict[int, Merge] = {}
        for message in messages:
            lead = lead_of[message["id"]]
            if lead != message["res_id"] and lead not in self._told:
                moved.setdefault(lead, Merge(lead, message["res_id"], message["write_date"]))
        if not moved:
            return []
        there = self._odoo.search_read(LEAD, [["id", "in", sorted(moved)]], ["id"])
        self._told |= set(moved)
        for lead in there:
            del moved[lead["id"]]
        return list(moved.values())

    def rows(self, merges: Sequence[Merge]) -> list[Row]:
        """What can still be said of leads that were absorbed before they were ever read: that they
        began with the first message of theirs, and when they ended in which other lead."""
        began: dict[int, str] = {}
        survivors = sorted({merge.survivor for merge in merges})
        asked = ["message_id", "date"]
        for first in range(0, len(survivors), SURVIVORS):
            some = survivors[first : first + SURVIVORS]
            domain = [["model", "=", LEAD], ["res_id", "in", some]]
            for message in self._odoo.search_read("mail.message", domain, asked):
                lead = _origin(message["message_id"])
                if lead is not None:
                    began[lead] = min(began.get(lead, message["date"]), message["date"])
        return [
            {
                "id": str(m.absorbed),
                "create_date": began.get(m.absorbed, m.at),
                "write_date": m.at,
                "merged_into": str(m.survivor),
                "merged_at": _with_offset(m.at),
            }
            for m in merges
        ]

    @staticmethod
    def marks(merges: Sequence[Merge]) -> list[Mark]:
        return [
            Mark("crm_lead", str(m.absorbed), _with_offset(m.at), str(m.survivor)) for m in merges
        ]


def _with_offset(time: str) -> str:
    return f"{time.replace(' ', 'T')}+00:00"


def _origin(message_id: Any) -> int | None:
    found = ORIGIN.search(message_id) if isinstance(message_id, str) else None
    return int(found[1]) if found else None
