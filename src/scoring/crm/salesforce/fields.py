"""Our columns as Salesforce's custom fields: types, the administrator's steps, and values.

An administrator creates the fields: Salesforce's data interface cannot.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

from scoring.crm.port import Field, Option, Value
from scoring.crm.salesforce.tables import SUFFIX
from scoring.errors import ConfigError

# Kind → what `describe` calls its type, and what Setup calls it. `why` is multi-line text, which no
# list view can filter: that is why the main reason is a picklist.
TYPES = {
    "integer": ("double", "Number(3, 0)"),
    "real": ("double", "Number(12, 6)"),
    "share": ("percent", "Percent(5, 2)"),
    "choice": ("picklist", "Picklist"),
    "text": ("textarea", "Long Text Area(1,000)"),
    "date": ("date", "Date"),
    "flag": ("boolean", "Checkbox, unchecked by default"),
}


def api_name(field: Field) -> str:
    return field.name + SUFFIX


def step(field: Field, kind: str) -> str:
    """What the administrator does in Setup → Object Manager → `kind` → Fields & Relationships."""
    shown = TYPES[field.kind][1]
    parts = [f'{kind}: New → {shown}, label "{field.label or field.name}", name {field.name}']
    if field.options:
        listed = ", ".join(f"{o.key} = {o.label or o.key}" for o in field.options)
        parts.append(f"values (API name = label) {listed}")
    if field.theirs:
        parts.append("sellers may edit it; Set History Tracking on it")
    else:
        parts.append("only the integration user may edit it")
    return "; ".join(parts)


def missing_options(field: Field, there: Mapping[str, Any]) -> tuple[Option, ...]:
    if field.kind != "choice":
        return ()
    active = {str(v["value"]) for v in there.get("picklistValues") or [] if v.get("active")}
    return tuple(option for option in field.options if option.key not in active)


def check(field: Field, there: Mapping[str, Any], kind: str) -> None:
    """Raises ConfigError where the type, the length or the user's permission does not fit."""
    wanted, shown = TYPES[field.kind]
    found = str(there.get("type"))
    name = api_name(field)
    digits = int(there.get("precision") or 0) - int(there.get("scale") or 0)
    short = wanted == "textarea" and int(there.get("length") or 0) < field.length
    small = field.kind == "integer" and digits < 3
    if found != wanted or short or small:
        size = f" ({there.get('length')} characters)" if short else ""
        raise ConfigError(
            f'The field "{name}" of {kind} has the type {found}{size}, our values need {shown}.',
            "Change its type in Setup, or set `emit.prefix` so that our fields get other names.",
        )
    if not field.theirs and not there.get("updateable"):
        raise ConfigError(
            f'The user may not edit the field "{name}" of {kind}.',
            "Give the integration user's permission set Edit on it (field-level security).",
        )


def stored(field: Field, value: Value) -> Any:
    """A value as JSON takes it; None clears."""
    if field.kind == "flag":
        return bool(value)  # a checkbox is never empty
    if value == "":
        return None  # there is no empty text
    if isinstance(value, date):
        return value.isoformat()
    if field.kind == "share" and isinstance(value, int | float):
        return round(value * 100, 2)  # a percent field holds 12.5 for 12.5 %
    return value


def csv_cell(field: Field, value: Value) -> str:
    """A value as the bulk interface takes it: an empty cell would leave what stands there."""
    given = stored(field, value)
    if given is None or given == "":
        return "#N/A"
    return str(given).lower() if isinstance(given, bool) else str(given)


def value_of(field: Field, given: Any) -> Value:
    """The value that an answer stands for."""
    if given is None or given == "":
        return None
    if field.kind == "integer" and isinstance(given, float) and given.is_integer():
        return int(given)
    if field.kind == "share" and isinstance(given, int | float):
        return given / 100
    if field.kind == "date":
        return date.fromisoformat(str(given)[:10])
    return given if isinstance(given, bool | int | float) else str(given)
