"""An Odoo 19 of our own on the loopback interface: `POST /json/2/<model>/<method>`, stateful.

What it does as the real one does (tests/crm/test_real_odoo.py runs the same suite against that): a
call is a transaction, so a missing id or a refused value leaves nothing of it; archived records
are hidden unless one asks; errors are JSON with the class of the exception, 500 for Python's own;
of messages a page is cut before those are taken away that the user may not see.
"""

import re
from collections.abc import Callable
from copy import deepcopy
from email.utils import formatdate
from typing import Any

from loopback import Loopback, Request, Response, ScaledClock, Window
from odoo_state import FINNISH, M2O, Invalid, Missing, Record, State

ADMIN = frozenset({"write", "settings"})


class OdooServer(Loopback):
    """keys: API key → what its user may beside reading (write, settings).

    limit     calls a second, as Odoo Online has it; None: a server of one's own
    refuses   (id, values) → the class of an error that a rule of the company's raises
    """

    def __init__(self, clock: ScaledClock | None = None) -> None:
        self.keys: dict[str, frozenset[str]] = {"token": ADMIN}
        clock = clock or ScaledClock()
        self.state = State(clock)
        self.limit: Window | None = None
        self.refuses: Callable[[int, Record], str] = lambda _id, _values: ""
        self.languages = ["en_US"]
        self.written: list[int] = []
        super().__init__(clock)

    def answer(self, request: Request) -> Response:
        response = self._answer(request)
        response.headers["Date"] = formatdate(self.clock.time(), usegmt=True)
        return response

    def _answer(self, request: Request) -> Response:
        found = re.fullmatch(r"/json/2/([\w.]+)/(\w+)", request.path)
        if request.method != "POST" or not found:
            return error(404, "werkzeug.exceptions.NotFound")
        key = request.headers.get("authorization", "")[7:]
        if key not in self.keys:
            return error(401, "werkzeug.exceptions.Unauthorized")
        if self.limit and (wait := self.limit.take()) is not None:
            return Response(429, {"error": "too many"}, self.too_many(wait))
        model, method = found.groups()
        if model != "res.lang" and model not in self.state.stores:
            return error(404, "werkzeug.exceptions.NotFound")
        function = getattr(self, f"_m_{method}", None)
        if function is None:
            return error(404, "werkzeug.exceptions.NotFound")
        arguments = dict(request.body or {})
        context = arguments.pop("context", {})
        operation = {"search_read": "read", "search": "read", "search_count": "read"}.get(method)
        if operation and not self._may(key, model, operation):
            return error(403, "odoo.exceptions.AccessError")
        try:
            return Response(200, function(model, key, context, **arguments))
        except Invalid:
            return error(500, "builtins.ValueError")
        except Missing:
            return error(404, "odoo.exceptions.MissingError")
        except Forbidden:
            return error(403, "odoo.exceptions.AccessError")
        except Refusal as refusal:
            return error(422, str(refusal))

    def _may(self, key: str, model: str, operation: str) -> bool:
        rights = self.keys[key]
        if model in ("mail.tracking.value", "ir.model.fields", "ir.ui.view", "ir.model.data"):
            return "settings" in rights or f"{operation}:{model}" in rights
        return operation == "read" or "write" in rights

    # --- methods ------------------------------------------------------------------------------

    def _m_has_access(self, model: str, key: str, _: Any, operation: str) -> bool:
        return self._may(key, model, operation)

    def _m_get_installed(self, *_: Any) -> list[list[str]]:
        return [[code, code] for code in self.languages]

    def _m_fields_get(
        self,
        model: str,
        _key: str,
        context: Record,
        allfields: list[str] | None = None,
        attributes: list[str] | None = None,
    ) -> Record:
        told = {}
        for name, kind in self.state[model].fields.items():
            if allfields and name not in allfields:
                continue
            told[name] = {"type": kind, "readonly": False, "store": True, "string": name}
            if kind == "selection":
                finnish = context.get("lang") == "fi_FI"
                told[name]["selection"] = [
                    [k, FINNISH.get(label, label) if finnish else label]
                    for k, label in self.state.selections[name]
                ]
            if kind == "many2one":
                told[name]["relation"] = M2O[model][name]
            told[name] = {k: v for k, v in told[name].items() if k in (attributes or told[name])}
        return told

    def _m_search_read(
        self, model: str, _key: str, context: Record, domain: list[Any], **how: Any
    ) -> list[Record]:
        fields = how.pop("fields")
        for name in fields:
            if name not in self.state[model].fields:
                raise Invalid
        found = self.state.search(model, domain, active_test=_tests(context), **how)
        return [self.state.read(model, record, fields) for record in found]

    def _m_search(
        self, model: str, _key: str, context: Record, domain: list[Any], **how: Any
    ) -> list[int]:
        found = self.state.search(model, domain, active_test=_tests(context), **how)
        return [record["id"] for record in found]

    def _m_search_count(self, model: str, _key: str, context: Record, domain: list[Any]) -> int:
        return len(self.state.search(model, domain, active_test=_tests(context)))

    def _m_web_save_multi(
        self,
        model: str,
        key: str,
        _: Any,
        ids: list[int],
        vals_list: list[Record],
        specification: Record,  # noqa: ARG002
    ) -> list[Record]:
        if not self._may(key, model, "write"):
            raise Forbidden
        if len(ids) != len(vals_list):
            raise Invalid
        before = {i: deepcopy(r) for i in ids if (r := self.state[model].get(i)) is not None}
        try:
            for each, values in zip(ids, vals_list, strict=True):
                if refusal := self.refuses(each, values):
                    raise Forbidden if refusal == "AccessError" else Refusal(refusal)
                self.state.write(each, **values)
        except Exception:
            for each, record in before.items():
                if each in self.state[model].own:  # nobody else has deleted it meanwhile
                    self.state[model].own[each] = record
            raise
        self.written += ids
        return [{"id": each} for each in ids]

    def _m_create(self, model: str, key: str, _: Any, vals_list: list[Record]) -> list[int]:
        if not self._may(key, model, "create"):
            raise Forbidden
        if model == "ir.model.fields":
            return [self._new_field(values) for values in vals_list]
        made = [self.state.add(model, **values) for values in vals_list]
        if model == "ir.model.fields.selection":
            for values in vals_list:
                record = self.state["ir.model.fields"].own[values["field_id"]]
                self.state.selections[record["name"]].append([values["value"], values["name"]])
        return made

    def _m_write(self, model: str, key: str, _: Any, ids: list[int], vals: Record) -> bool:
        if not self._may(key, model, "write"):
            raise Forbidden
        for each in ids:
            record = self.state[model].get(each)
            if record is None:
                raise Missing
            record.update(vals)
        return True

    def _new_field(self, values: Record) -> int:
        name = values["name"]
        if not name.startswith("x_") or name in self.state["crm.lead"].fields:
            raise Refusal("odoo.exceptions.ValidationError")
        options = values.pop("selection_ids", [])
        values["model"] = "crm.lead"
        made = self.state.add("ir.model.fields", **values)
        self.state["crm.lead"].fields[name] = values["ttype"]
        self.state.selections[name] = [[o[2]["value"], o[2]["name"]] for o in options]
        for record in self.state["crm.lead"].own.values():
            record[name] = False
        return made


class Forbidden(Exception):
    pass


class Refusal(Exception):
    """Carries the class of Odoo's error."""


def _tests(context: Record) -> bool:
    return bool(context.get("active_test", True))


def error(status: int, name: str) -> Response:
    body = {
        "name": name,
        "message": "a text with personal data",
        "arguments": [],
        "context": {},
        "debug": "Traceback: secret",
    }
    return Response(status, body)
