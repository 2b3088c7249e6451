"""Our fields of crm.lead: what is there, how they are made, and how their values are written.

Odoo's numbers and flags have no empty value: what is empty reads as 0 or false. So a record of
which every other field of ours is empty has no score, and the views hide the 0 there.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from scoring.crm.odoo.calls import LEAD, Odoo
from scoring.crm.odoo.views import make_views
from scoring.crm.port import Field, FieldPlan, Value
from scoring.errors import ConfigError

TYPES = {
    "integer": "integer",
    "real": "float",
    "share": "float",
    "choice": "selection",
    "text": "text",
    "date": "date",
    "flag": "boolean",
}
NEVER_EMPTY = ("integer", "real", "share", "flag")
WHERE = "Settings, Technical, Database Structure, Fields"
ADMINISTRATES = (
    "Creating fields needs the group Settings: set an API key of an administrator in "
    "`admin_token` for this one run."
)


class Columns:
    """The fields of a question.

    ours   those that are written; theirs are sellers'
    """

    def __init__(self, fields: Sequence[Field]) -> None:
        self._fields = tuple(fields)
        self.ours = tuple(f for f in fields if not f.theirs)
        self._telling = [f for f in self.ours if f.kind not in NEVER_EMPTY]
        if self.ours and not self._telling:
            raise ConfigError(
                "`emit.columns` has numbers only, which Odoo cannot keep empty: a lead without a "
                "score would look like one of score 0.",
                "Add `score_updated_on` to `emit.columns`.",
            )

    @staticmethod
    def name(field: Field) -> str:
        """Odoo wants fields that are not its own to begin with x_; ls_ tells whose they are."""
        return f"x_ls_{field.name.removeprefix('ls_')}".lower()

    def compared(self, odoo: Odoo) -> FieldPlan:
        """What Odoo lacks. Raises ConfigError where a field is there and of another type."""
        names = [self.name(field) for field in self._fields]
        asked = ["type", "selection", "readonly", "store"]
        there = odoo.call(LEAD, "fields_get", allfields=names, attributes=asked)
        missing, incomplete, steps = [], [], []
        for field in self._fields:
            name, own = self.name(field), TYPES[field.kind]
            found = there.get(name)
            if found is None:
                missing.append(field)
                steps.append(_step(field, name, own))
            elif found["type"] != own or found["readonly"] or not found["store"]:
                kind = "" if found["store"] else "computed "
                raise ConfigError(
                    f"The field {name} of Odoo's leads is a {kind}{found['type']}"
                    f"{' that nobody may write' if found['readonly'] else ''}, and our values "
                    f"need a {own}.",
                    "Remove it, or set `emit.prefix` so that our fields get other names.",
                )
            elif lacks := _lacking(field, found.get("selection") or ()):
                keys = ", ".join(option.key for option in lacks)
                incomplete.append(field)
                steps.append(f"{WHERE}: add to the options of {name}: {keys}.")
        return FieldPlan(tuple(missing), tuple(steps), tuple(incomplete))

    def make(self, odoo: Odoo, plan: FieldPlan) -> None:
        """Make what is missing, and show all of it in Odoo's form and lists."""
        odoo.require("ir.model.fields", "create", ADMINISTRATES)
        if plan.missing:
            model = odoo.call("ir.model", "search", domain=[["model", "=", LEAD]])
            values = [self._definition(field, model[0]) for field in plan.missing]
            odoo.call("ir.model.fields", "create", vals_list=values, again=False)
        for field in plan.incomplete:
            self._add_options(odoo, field)
        make_views(odoo, [(field, self.name(field)) for field in self._fields])

    def written(self, values: Mapping[str, Value]) -> dict[str, Any]:
        """Values as Odoo takes them; False takes a value out."""
        by_name = {field.name: field for field in self.ours}
        return {
            self.name(by_name[name]): _to_odoo(by_name[name], value)
            for name, value in values.items()
        }

    def read(self, row: Mapping[str, Any]) -> dict[str, Value]:
        """Values as they were written, of a record as Odoo has it."""
        empty = all(row[self.name(field)] is False for field in self._telling)
        return {
            field.name: None if empty else _from_odoo(field, row[self.name(field)])
            for field in self.ours
        }

    def _definition(self, field: Field, model: int) -> dict[str, Any]:
        made: dict[str, Any] = {
            "name": self.name(field),
            "field_description": field.label or field.column,
            "model_id": model,
            "ttype": TYPES[field.kind],
            "state": "manual",
            "copied": False,  # a copied lead is another one
            # A change of a score is no event in a lead's log; a seller's answer is one.
            "tracking": 100 if field.theirs else 0,
        }
        if field.kind == "choice":
            made["selection_ids"] = [
                [0, 0, {"value": option.key, "name": option.label, "sequence": place}]
                for place, option in enumerate(field.options)
            ]
        return made

    def _add_options(self, odoo: Odoo, field: Field) -> None:
        name = self.name(field)
        domain = [["model", "=", LEAD], ["name", "=", name]]
        found = odoo.call("ir.model.fields", "search", domain=domain)
        selection = odoo.call(LEAD, "fields_get", allfields=[name], attributes=["selection"])
        lacks = _lacking(field, selection[name]["selection"])
        values = [
            {"field_id": found[0], "value": option.key, "name": option.label, "sequence": 100 + n}
            for n, option in enumerate(lacks)
        ]
        odoo.call("ir.model.fields.selection", "create", vals_list=values, again=False)


def _lacking(field: Field, selection: Sequence[Sequence[str]]) -> list[Any]:
    there = {option[0] for option in selection}
    return [option for option in field.options if option.key not in there]


def _step(field: Field, name: str, kind: str) -> str:
    options = ", ".join(f"{option.key} ({option.label})" for option in field.options)
    return (
        f"{WHERE}: create {name} on the model {LEAD}, label {field.label or field.column}, type "
        f"{kind}{f', with the options {options}' if options else ''}."
    )


def _to_odoo(field: Field, value: Value) -> Any:
    if value is None:
        return False
    if field.kind == "share" and isinstance(value, int | float):
        return round(100 * value, 2)  # Odoo's percents go from 0 to 100
    if isinstance(value, date):
        return value.isoformat()
    return value


def _from_odoo(field: Field, value: Any) -> Value:
    if field.kind == "flag":
        return bool(value)
    if value is False:
        return 0 if field.kind in NEVER_EMPTY else None
    if field.kind == "share":
        return float(value) / 100
    if field.kind == "date":
        return date.fromisoformat(value)
    return value
