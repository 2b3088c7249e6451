"""What Odoo's log tells of a lead's fields: tracked changes, with the values that they had.

A tracked value is stored as people saw it: a link with the name it had then, a selection by its
label in the language of whoever changed it. Stages and selections are turned back into what is
stable: the stage's present name, and the selection's key.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from scoring.crm.odoo.calls import LEAD, PAGE, Odoo, text_of
from scoring.crm.odoo.tables import Fields
from scoring.crm.reading import Row

TRACKED = "mail.tracking.value"
VALUES = ("integer", "float", "char", "text", "datetime")
# Which of the five holds a value of a type.
STORED = {
    **dict.fromkeys(("integer", "boolean"), "integer"),
    **dict.fromkeys(("float", "monetary"), "float"),
    **dict.fromkeys(("date", "datetime"), "datetime"),
    "text": "text",
}
# A closing and the lead's `date_closed` are stamped one after the other.
SAME_SECONDS = 300
TIME = "%Y-%m-%d %H:%M:%S"


class History:
    """Tracked changes of leads. Making it asks for fields, stages and labels."""

    def __init__(self, odoo: Odoo, fields: Fields) -> None:
        self._odoo = odoo
        self._fields = fields
        found = odoo.search_read("ir.model.fields", [["model", "=", LEAD]], ["name"])
        self._names = {f["id"]: str(f["name"]) for f in found}
        stages = odoo.search_read("crm.stage", [], ["name"])
        self._stages = {s["id"]: str(s["name"]) for s in stages}
        self._keys = _keys_of_labels(odoo, fields)

    def rows(
        self, messages: Sequence[Mapping[str, Any]], lead_of: Mapping[int, int]
    ) -> Sequence[Row]:
        """The changes that these messages tell of. lead_of: message → lead that it was written to.

        is_current   true for the closing that the lead itself still shows, so that nobody counts
                     it twice
        """
        messages_by_id = {m["id"]: m for m in messages}
        asked = ["mail_message_id", "field_id"]
        asked += [f"{side}_value_{kind}" for side in ("old", "new") for kind in VALUES]
        told = [m["id"] for m in messages if m["message_type"] == "notification"]
        rows: list[dict[str, Any]] = []
        for value in self._tracked([["mail_message_id", "in", told]], asked) if told else ():
            name = self._names.get(value["field_id"][0] if value["field_id"] else 0, "")
            if name in self._fields:
                message = messages_by_id[value["mail_message_id"][0]]
                rows.append(self._row(name, value, lead_of[message["id"]], message))
        return self._with_current(rows)

    def first_stages(self, leads: Sequence[int]) -> dict[int, str]:
        """Lead → the stage it was in before the first change of stage that its log tells of."""
        stage = next((i for i, name in self._names.items() if name == "stage_id"), 0)
        domain = [
            ["field_id", "=", stage],
            ["mail_message_id.model", "=", LEAD],
            ["mail_message_id.res_id", "in", list(leads)],
        ]
        asked = ["mail_message_id", "old_value_integer", "old_value_char"]
        firsts: dict[int, tuple[int, str | None]] = {}
        found = list(self._tracked(domain, asked))
        messages = sorted({value["mail_message_id"][0] for value in found})
        of: dict[int, int] = {}
        for some in self._odoo.pages("mail.message", [["id", "in", messages]], ["res_id"]):
            of |= {m["id"]: m["res_id"] for m in some}
        for value in found:
            old = self._stage(value["old_value_integer"], value["old_value_char"])
            firsts.setdefault(of.get(value["mail_message_id"][0], 0), (value["id"], old))
        return {lead: name for lead, (_, name) in firsts.items() if name and lead}

    def _tracked(self, domain: list[Any], asked: list[str]) -> Iterable[Mapping[str, Any]]:
        for page in self._odoo.pages(TRACKED, domain, asked, size=5 * PAGE):
            yield from page

    def _row(
        self, name: str, value: Mapping[str, Any], lead: int, message: Mapping[str, Any]
    ) -> dict[str, Any]:
        kind = str(self._fields[name]["type"])
        row: dict[str, Any] = {
            "lead_id": str(lead),
            "field": name,
            "changed_at": message["date"],
            "author_id": text_of(message["author_id"], "many2one"),
            "value_id": str(value["id"]),
        }
        for side in ("old", "new"):
            stored = value[f"{side}_value_{STORED.get(kind, 'char')}"]
            link = value[f"{side}_value_integer"] if kind == "many2one" else None
            row[f"{side}_value"] = self._value(name, kind, link, stored)
            row[f"{side}_id"] = str(link) if link else None
        return row

    def _value(self, name: str, kind: str, link: Any, stored: Any) -> str | None:
        if kind == "boolean":
            return "true" if stored else "false"
        if kind == "selection":
            return text_of(self._keys.get((name, str(stored)), stored or None), "char")
        if name == "stage_id":
            return self._stage(link, stored)
        if kind == "date" and stored:
            return str(stored)[:10]
        return text_of(None if stored == "" else stored, "char")

    def _stage(self, stage: Any, then: Any) -> str | None:
        return self._stages.get(stage) or (str(then) if then else None)

    def _with_current(self, rows: list[dict[str, Any]]) -> Sequence[Row]:
        closings = [r for r in rows if r["field"] == "won_status" and r["new_value"] != "pending"]
        if not closings:
            return rows
        leads = sorted({int(row["lead_id"]) for row in closings})
        asked = ["won_status", "date_closed"]
        found = self._odoo.search_read(LEAD, [["id", "in", leads]], asked)
        now = {str(lead["id"]): lead for lead in found}
        for row in closings:
            lead = now.get(row["lead_id"])
            if lead and lead["won_status"] == row["new_value"] and lead["date_closed"]:
                apart = _time(lead["date_closed"]) - _time(row["changed_at"])
                if abs(apart.total_seconds()) <= SAME_SECONDS:
                    row["is_current"] = "true"
        return rows


def _keys_of_labels(odoo: Odoo, fields: Fields) -> dict[tuple[str, str], str]:
    """(field, label in any language of the database) → key."""
    keys: dict[tuple[str, str], str] = {}
    languages = [code for code, _ in odoo.call("res.lang", "get_installed")]
    for language in languages:
        context = {"lang": language}
        said = odoo.call(LEAD, "fields_get", attributes=["type", "selection"], context=context)
        for name in fields:
            options = said.get(name, {}).get("selection") or ()
            keys |= {(name, label): key for key, label in options}
    return keys


def _time(text: str) -> datetime:
    return datetime.strptime(text, TIME)
