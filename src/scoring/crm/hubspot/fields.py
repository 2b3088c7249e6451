"""Our columns as HubSpot's properties: types, options, and values as its interface takes them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from scoring.crm.hubspot.tables import OURS
from scoring.crm.port import Field, Option, Value
from scoring.errors import ConfigError

# Kind → type and field type of the property (docs/crm/hubspot.md).
TYPES = {
    "integer": ("number", "number"),
    "real": ("number", "number"),
    "share": ("number", "number"),
    "choice": ("enumeration", "select"),
    "text": ("string", "textarea"),
    "date": ("date", "date"),
    "flag": ("bool", "booleancheckbox"),
}
YES_NO = (Option("true", "✓"), Option("false", "–"))


def definition(field: Field, number: int) -> dict[str, Any]:
    kind, shown = TYPES[field.kind]
    body: dict[str, Any] = {
        "name": field.name,
        "label": field.label or field.name,
        "groupName": OURS,
        "type": kind,
        "fieldType": shown,
        "formField": False,
        "hasUniqueValue": False,
        "displayOrder": number,
    }
    options = YES_NO if field.kind == "flag" else field.options
    if options:
        body["options"] = options_body(options)
    return body


def options_body(options: Sequence[Option], first: int = 0) -> list[dict[str, Any]]:
    return [
        {"label": o.label or o.key, "value": o.key, "displayOrder": first + i, "hidden": False}
        for i, o in enumerate(options)
    ]


def lacking_options(field: Field, there: Mapping[str, Any]) -> list[Option]:
    """Options that the property lacks. Raises ConfigError where its type is another one."""
    kind, _ = TYPES[field.kind]
    if there.get("type") != kind:
        raise ConfigError(
            f'The property "{field.name}" has the type {there.get("type")}, our values need '
            f"{kind}.",
            "Delete it in HubSpot, or set `emit.prefix` so that ours get other names.",
        )
    has = {str(o.get("value")) for o in there.get("options") or [] if not o.get("hidden")}
    return [o for o in field.options if o.key not in has]


def step(field: Field, kind: str) -> str:
    shown = TYPES[field.kind][1]
    listed = f" with the options {', '.join(o.key for o in field.options)}" if field.options else ""
    return (
        f"{kind}: create the property {field.name} ({shown}, not in forms), label "
        f'"{field.label or field.name}"{listed}'
    )


def text_of(value: Value) -> str:
    """A value as HubSpot's interface takes it; the empty text clears."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def value_of(field: Field, given: Any) -> Value:
    """The value that a text of HubSpot stands for; the text itself where it stands for none."""
    if given is None or given == "":
        return None
    text = str(given)
    try:
        if field.kind == "integer":
            number = float(text)
            return int(number) if number.is_integer() else number
        if field.kind in ("real", "share"):
            return float(text)
        if field.kind == "flag":
            return text == "true"
        if field.kind == "date":
            if text.isdigit():  # midnight, UTC, in milliseconds
                return datetime.fromtimestamp(int(text) / 1000, UTC).date()
            return date.fromisoformat(text[:10])
    except (ValueError, OverflowError):
        pass
    return text
