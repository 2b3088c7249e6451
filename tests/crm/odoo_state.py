"""The records of an Odoo of our own: models, domains, orders, and what a lead's life leaves behind.

Behaves as Odoo 19 does where the adapter can notice: `active` hides, links read as [id, name],
False stands for what is empty, numbers are never empty, an unknown field is an error, tracked
fields leave values in a message, a merge moves messages and unlinks.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from loopback import ScaledClock

Record = dict[str, Any]
M2O = {
    "crm.lead": {
        "stage_id": "crm.stage",
        "lost_reason_id": "crm.lost.reason",
        "user_id": "res.users",
        "team_id": "crm.team",
        "partner_id": "res.partner",
        "source_id": "utm.source",
        "country_id": "res.country",
        "medium_id": "utm.source",
    },
    "res.users": {"partner_id": "res.partner"},
    "res.partner": {"commercial_partner_id": "res.partner"},
    "mail.message": {
        "author_id": "res.partner",
        "subtype_id": "mail.message.subtype",
        "parent_id": "mail.message",
        "mail_activity_type_id": "mail.activity.type",
    },
    "mail.tracking.value": {"field_id": "ir.model.fields", "mail_message_id": "mail.message"},
    "mail.activity": {"activity_type_id": "mail.activity.type", "user_id": "res.users"},
    "calendar.event": {"opportunity_id": "crm.lead", "user_id": "res.users"},
    "calendar.attendee": {"event_id": "calendar.event", "partner_id": "res.partner"},
}
LEAD = {
    **dict.fromkeys(("create_date", "write_date", "date_closed", "date_conversion"), "datetime"),
    "date_last_stage_update": "datetime",
    "date_deadline": "date",
    "active": "boolean",
    "type": "selection",
    "won_status": "selection",
    "priority": "selection",
    "expected_revenue": "monetary",
    "probability": "float",
    "name": "char",
    "function": "char",
    "recurring_revenue": "monetary",
    "id": "integer",
    **dict.fromkeys(M2O["crm.lead"], "many2one"),
}
SELECTIONS = {
    "type": [["lead", "Lead"], ["opportunity", "Opportunity"]],
    "won_status": [["won", "Won"], ["lost", "Lost"], ["pending", "Pending"]],
    "priority": [["0", "Low"], ["1", "Medium"], ["2", "High"], ["3", "Very High"]],
}
FINNISH = {"Won": "Voitettu", "Lost": "Hävitty", "Pending": "Avoinna"}
TRACKED = ("stage_id", "won_status", "active", "lost_reason_id", "user_id", "expected_revenue")
VALUES = ("integer", "float", "char", "text", "datetime")
COLUMNS = {
    "mail.message": "res_id model date message_type is_internal subject body message_id",
    "mail.tracking.value": " ".join(f"{s}_value_{k}" for s in ("old", "new") for k in VALUES),
    "mail.activity": "res_id res_model summary date_deadline date_done active automated",
    "calendar.event": "name start stop duration allday active",
    "calendar.attendee": "state",
    "res.users": "name share login",
    "res.partner": "name function",
    "ir.model.fields": "name model field_description ttype tracking copied state selection_ids "
    "model_id",
    "ir.model.fields.selection": "field_id value name sequence",
    "ir.model": "model name",
    "ir.model.data": "module name res_id",
    "ir.ui.view": "name model inherit_id arch_db priority",
    "mail.message.subtype": "name internal",
    "mail.activity.type": "name category",
    "crm.stage": "name sequence is_won",
    "crm.lost.reason": "name",
    "crm.team": "name",
    "utm.source": "name",
    "res.country": "name",
}


class Invalid(Exception):
    """What Odoo answers with 500 and the name of a Python error."""


class Missing(Exception):
    """A record is not there."""


class Store:
    """The records of a model. `bulk` are made when they are asked for."""

    def __init__(self, model: str, fields: Mapping[str, str]) -> None:
        self.model, self.fields = model, dict(fields)
        self.own: dict[int, Record] = {}
        self.ids: list[int] = []
        self.bulk: Callable[[int], Record] | None = None
        self.bulk_ids: range = range(0)
        self.by: dict[str, dict[int, list[int]]] = {}

    def get(self, key: int) -> Record | None:
        if key in self.own:
            return self.own[key]
        return self.bulk(key) if self.bulk and key in self.bulk_ids else None

    def add(self, record: Record) -> int:
        key = int(record.setdefault("id", max(self.ids[-1:] or [0]) + 1))
        self.own[key] = record
        self.ids.append(key)
        for column, index in self.by.items():
            index.setdefault(record[column], []).append(key)
        return key

    def fill(self, count: int, make: Callable[[int], Record]) -> None:
        first = (self.ids[-1] if self.ids else 0) + 1
        self.bulk, self.bulk_ids = make, range(first, first + count)
        self.ids += self.bulk_ids

    def remove(self, key: int) -> None:
        if self.own.pop(key, None) is None:
            raise Missing
        del self.ids[bisect_right(self.ids, key) - 1]

    def candidates(self, domain: Sequence[Any]) -> Iterable[int]:
        """A superset of what matches, by id."""
        leaves = [] if "|" in domain else [leaf for leaf in domain if not isinstance(leaf, str)]
        for column, operator, value in leaves:
            if column == "id" and operator == "in":
                return sorted(key for key in value if self.get(key) is not None)
            if operator == "in" and column in self.by:
                return sorted({k for v in value for k in self.by[column].get(v, ()) if self.get(k)})
        after = max([leaf[2] for leaf in leaves if leaf[:2] == ["id", ">"]], default=0)
        return self.ids[bisect_right(self.ids, after) :]


class State:
    def __init__(self, clock: ScaledClock) -> None:
        self.clock = clock
        self.stores = {"crm.lead": Store("crm.lead", LEAD)}
        for model, columns in COLUMNS.items():
            names = ["id", "create_date", "write_date", *columns.split(), *M2O.get(model, ())]
            self.stores[model] = Store(model, dict.fromkeys(names, "char"))
        self.stores["mail.tracking.value"].by["mail_message_id"] = {}
        self.stores["calendar.attendee"].by["event_id"] = {}
        self.hidden: set[int] = set()  # messages that the user may not see
        self.language = "en_US"  # of whoever changes something
        self.selections: dict[str, list[list[str]]] = {k: list(v) for k, v in SELECTIONS.items()}
        self._populate()

    def now(self) -> str:
        return f"{datetime.fromtimestamp(self.clock.time(), UTC):%Y-%m-%d %H:%M:%S}"

    def __getitem__(self, model: str) -> Store:
        return self.stores[model]

    def add(self, model: str, /, **values: Any) -> int:
        store, now = self.stores[model], self.now()
        unknown = set(values) - set(store.fields)
        if unknown:
            raise Invalid(f"Invalid field {unknown}")
        empty = dict.fromkeys(store.fields, False)
        empty.pop("id")
        return store.add({**empty, "create_date": now, "write_date": now, **values})

    # --- searching --------------------------------------------------------------------------

    def search(
        self,
        model: str,
        domain: Sequence[Any],
        limit: int | None = None,
        order: str | None = None,
        active_test: bool = True,
    ) -> list[Record]:
        store = self.stores[model]
        matches = self._predicate(store, list(domain))
        hides = active_test and "active" in store.fields
        keys = store.candidates(domain)
        # Odoo's own orders do not go by the id; the newest first is the usual one.
        if order != "id":
            keys = reversed(list(keys))
        found: list[Record] = []
        for key in keys:
            record = store.get(key)
            if record is None or (hides and not record["active"]) or not matches(record):
                continue
            found.append(record)
            if limit and len(found) >= limit:
                break
        if model == "mail.message":  # after the page was cut
            found = [record for record in found if record["id"] not in self.hidden]
        return found

    def _predicate(self, store: Store, domain: list[Any]) -> Callable[[Record], bool]:
        def one(position: int) -> tuple[Callable[[Record], bool], int]:
            term = domain[position]
            if term in ("|", "&"):
                left, after = one(position + 1)
                right, after = one(after)
                if term == "|":
                    return (lambda r: left(r) or right(r)), after
                return (lambda r: left(r) and right(r)), after
            return self._leaf(store, *term), position + 1

        tests, position = [], 0
        while position < len(domain):
            test, position = one(position)
            tests.append(test)
        return lambda record: all(test(record) for test in tests)

    def _leaf(self, store: Store, path: str, operator: str, value: Any) -> Callable[[Record], bool]:
        name, _, rest = path.partition(".")
        if name not in store.fields:
            raise Invalid(f"Invalid field {store.model}.{name}")
        if rest:
            target = self.stores[M2O[store.model][name]]
            inner = self._leaf(target, rest, operator, value)
            return lambda r: bool(r[name]) and inner(target.get(r[name]) or {rest: False})
        wanted = set(value) if operator in ("in", "not in") else value
        tests: dict[str, Callable[[Record], bool]] = {
            "=": lambda r: r[name] == wanted,
            "!=": lambda r: r[name] != wanted,
            "in": lambda r: r[name] in wanted,
            ">": lambda r: bool(r[name]) and r[name] > wanted,
            ">=": lambda r: bool(r[name]) and r[name] >= wanted,
            "<=": lambda r: bool(r[name]) and r[name] <= wanted,
        }
        return tests[operator]

    def read(self, model: str, record: Record, fields: Sequence[str]) -> Record:
        """As `search_read` gives it."""
        links = M2O.get(model, {})
        shown: Record = {"id": record["id"]}
        for name in fields:
            value = record.get(name, False)
            if name in links and value:
                target = self.stores[links[name]].get(value) or {}
                shown[name] = [value, target.get("name") or False]
            elif value is False and self.stores[model].fields[name] in ("integer", "float"):
                shown[name] = 0
            else:
                shown[name] = value
        return shown

    # --- a lead's life ------------------------------------------------------------------------

    def lead(self, **values: Any) -> int:
        now = self.now()
        usual = {
            "type": "opportunity",
            "active": True,
            "won_status": "pending",
            "stage_id": 1,
            "probability": 10.0,
            "priority": "0",
            "expected_revenue": 0.0,
            "user_id": 1,
            "date_last_stage_update": values.get("create_date", now),
            "team_id": 1,
        }
        made = self.add("crm.lead", **{**usual, "name": "A lead", **values})
        self.message(made, "notification", subtype_id=3, body="<p>Lead created</p>")
        return made

    def message(self, lead: int, kind: str = "comment", **values: Any) -> int:
        number = (self.stores["mail.message"].ids or [0])[-1] + 1
        usual = {
            "res_id": lead,
            "model": "crm.lead",
            "message_type": kind,
            "date": self.now(),
            "author_id": 1,
            "subtype_id": 1,
            "body": "<p>Hello</p>",
            "message_id": f"<{number}.17-openerp-{lead}-crm.lead@vm>",
        }
        return self.add("mail.message", **{**usual, **values})

    def write(self, lead: int, **values: Any) -> None:
        """Write as a person does: tracked fields leave their values in a message."""
        record = self.stores["crm.lead"].get(lead)
        if record is None:
            raise Missing
        for name, value in values.items():
            if name not in self.stores["crm.lead"].fields:
                raise Invalid(f"Invalid field {name} on crm.lead")
            if self.stores["crm.lead"].fields[name] == "selection":
                keys = [option[0] for option in self.selections[name]]
                if value is not False and value not in keys:
                    raise Invalid(f"Wrong value for crm.lead.{name}")
        changed = {n: v for n, v in values.items() if record[n] != v and self._is_tracked(n)}
        if "stage_id" in changed:
            values["date_last_stage_update"] = self.now()
        if changed:
            message = self.message(lead, "notification", subtype_id=3, body="")
            for name, value in changed.items():
                self._track(message, name, record[name], value)
        record.update(values, write_date=self.now())

    def win(self, lead: int) -> None:
        closed = {"won_status": "won", "probability": 100.0, "date_closed": self.now()}
        self.write(lead, stage_id=4, active=True, **closed)

    def lose(self, lead: int, reason: int | bool = 1) -> None:
        closed = {"won_status": "lost", "probability": 0.0, "date_closed": self.now()}
        self.write(lead, active=False, lost_reason_id=reason, **closed)

    def restore(self, lead: int) -> None:
        again = {"won_status": "pending", "lost_reason_id": False, "date_closed": False}
        self.write(lead, active=True, probability=10.0, **again)

    def merge(self, survivor: int, absorbed: int) -> None:
        now, name = self.now(), self.stores["crm.lead"].own[absorbed]["name"]
        for record in self.stores["mail.message"].own.values():
            if record["model"] == "crm.lead" and record["res_id"] == absorbed:
                record.update(res_id=survivor, subject=f"From {name}", write_date=now)
        for record in self.stores["mail.activity"].own.values():
            if record["res_id"] == absorbed:
                record.update(res_id=survivor, write_date=now)
        for record in self.stores["calendar.event"].own.values():
            if record["opportunity_id"] == absorbed:
                record.update(opportunity_id=survivor, write_date=now)
        self.message(survivor, "notification", subtype_id=2, body="<p>Merged</p>")
        self.stores["crm.lead"].remove(absorbed)

    def unlink(self, lead: int) -> None:
        for model, column in (("mail.message", "res_id"), ("mail.activity", "res_id")):
            store = self.stores[model]
            for key in [k for k, r in store.own.items() if r[column] == lead]:
                store.remove(key)
        for record in self.stores["calendar.event"].own.values():
            if record["opportunity_id"] == lead:
                record.update(opportunity_id=False, write_date=self.now())
        self.stores["crm.lead"].remove(lead)

    def _is_tracked(self, name: str) -> bool:
        return name in TRACKED or any(
            field["name"] == name and field["tracking"]
            for field in self.stores["ir.model.fields"].own.values()
        )

    def _track(self, message: int, name: str, old: Any, new: Any) -> None:
        kind = self.stores["crm.lead"].fields[name]
        values: Record = {"mail_message_id": message, "field_id": self.field_ids[name]}
        for side, value in (("old", old), ("new", new)):
            if kind == "many2one":
                target = self.stores[M2O["crm.lead"][name]].get(value) if value else None
                values[f"{side}_value_integer"] = value or 0
                values[f"{side}_value_char"] = target["name"] if target else ""
            elif kind == "selection":
                label = dict(map(tuple, self.selections[name])).get(value, "")
                finnish = self.language == "fi_FI"
                values[f"{side}_value_char"] = FINNISH.get(label, label) if finnish else label
            elif kind == "boolean":
                values[f"{side}_value_integer"] = int(value)
            else:
                values[f"{side}_value_float"] = value
        self.add("mail.tracking.value", **values)

    @property
    def field_ids(self) -> dict[str, int]:
        return {r["name"]: k for k, r in self.stores["ir.model.fields"].own.items()}

    def _populate(self) -> None:
        for name in ("New", "Qualified", "Proposition", "Won"):
            self.add("crm.stage", name=name, is_won=name == "Won")
        for name in ("Too expensive", "Spam"):
            self.add("crm.lost.reason", name=name)
        self.add("crm.team", name="Sales")
        self.add("utm.source", name="Website")
        self.add("res.country", name="Finland")
        self.add("res.partner", name="Seller")
        for number in (2, 3):
            self.add("res.partner", name=f"Customer {number}", commercial_partner_id=2)
        self.add("res.users", name="Seller", share=False, partner_id=1)
        for name in ("Discussions", "Note", "Stage Changed"):
            self.add("mail.message.subtype", name=name, internal=name == "Note")
        for name, category in (("To-Do", "default"), ("Email", "default"), ("Call", "phonecall")):
            self.add("mail.activity.type", name=name, category=category)
        for name, kind in LEAD.items():
            self.add("ir.model.fields", name=name, model="crm.lead", ttype=kind, state="base")
        self.add("ir.model", model="crm.lead", name="Lead")
        views = ("crm_lead_view_form", "crm_case_tree_view_oppor", "crm_case_tree_view_leads")
        for number, name in enumerate(views, 101):
            self.add("ir.model.data", module="crm", name=name, res_id=number)


def records(store: Store) -> Iterator[Record]:
    for key in store.ids:
        record = store.get(key)
        if record is not None:
            yield record
