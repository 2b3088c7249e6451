"""Columns of a table: which types hold our values, how they are added, and the key's exact cast."""

import re
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import ExecutableDDLElement
from sqlalchemy.sql.compiler import DDLCompiler

from scoring.crm.port import Field, Option
from scoring.errors import ConfigError

CREATED: dict[str, Callable[[Field], sa.types.TypeEngine[Any]]] = {
    "integer": lambda _: sa.Integer(),
    "real": lambda _: sa.Double(),
    "share": lambda _: sa.Double(),
    "choice": lambda field: sa.String(max(40, field.length)),
    "text": lambda _: sa.Text(),
    "date": lambda _: sa.Date(),
    "flag": lambda _: sa.Boolean(),
}
ACCEPTED: dict[str, tuple[type[sa.types.TypeEngine[Any]], ...]] = {
    "integer": (sa.Integer, sa.Numeric),
    "real": (sa.Numeric, sa.Float),
    "share": (sa.Numeric, sa.Float),
    "choice": (sa.String,),
    "text": (sa.String,),
    "date": (sa.Date,),
    "flag": (sa.Boolean,),
}
INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")


class AddColumn(ExecutableDDLElement):
    def __init__(self, table: sa.Table, column: sa.Column[Any]) -> None:
        self.added_to = table
        self.column = column


@compiles(AddColumn)
def _add_column(element: AddColumn, compiler: DDLCompiler, **_: Any) -> str:
    table = compiler.preparer.format_table(element.added_to)
    return f"ALTER TABLE {table} ADD COLUMN {compiler.get_column_specification(element.column)}"


def key_column(
    name: str, kind: sa.types.TypeEngine[Any]
) -> tuple[sa.Column[Any], Callable[[str], Any]]:
    """The key's column and the exact cast of a lead_id to it; None where no key has that text."""
    if isinstance(kind, sa.Integer | sa.Numeric):
        return sa.Column(name, sa.BigInteger), _exact_integer
    if isinstance(kind, sa.Uuid):
        return sa.Column(name, sa.Uuid), _exact_uuid
    if isinstance(kind, sa.String):
        return sa.Column(name, kind), str
    raise ConfigError(
        f'The key column "{name}" (emit.key) has the type {kind}.',
        "It must hold text, whole numbers or UUIDs.",
    )


def _exact_integer(lead_id: str) -> int | None:
    if not INTEGER.fullmatch(lead_id) or not -(2**63) <= int(lead_id) < 2**63:
        return None
    return int(lead_id)


def _exact_uuid(lead_id: str) -> uuid.UUID | None:
    try:
        key = uuid.UUID(lead_id)
    except ValueError:
        return None
    return key if str(key) == lead_id else None


def check_type(table: str, field: Field, kind: sa.types.TypeEngine[Any]) -> None:
    length = getattr(kind, "length", None)
    short = isinstance(length, int) and length < field.length and not isinstance(kind, sa.Enum)
    if isinstance(kind, ACCEPTED[field.kind]) and not short:
        return
    raise ConfigError(
        f'The column "{field.name}" of the table "{table}" has the type {kind}, our values need '
        f"{CREATED[field.kind](field)}" + (f" ({field.length} characters)." if short else "."),
        "Change its type, or set `emit.prefix` so that our columns get other names.",
    )


def unknown_keys(field: Field, kind: sa.types.TypeEngine[Any]) -> tuple[Option, ...]:
    """The keys that an enumeration of the database does not have."""
    if not isinstance(kind, sa.Enum):
        return ()
    return tuple(option for option in field.options if option.key not in kind.enums)


def added_keys(
    kind: sa.types.TypeEngine[Any], keys: Sequence[str], dialect: sa.Dialect
) -> list[str]:
    """The statements that add them. Only PostgreSQL has enumerations that are types by name; with
    others the column's own check has to be changed, by people."""
    if dialect.name != "postgresql" or not isinstance(kind, sa.Enum) or not kind.name:
        return []
    preparer = dialect.identifier_preparer
    name = preparer.quote(kind.name)
    if kind.schema:
        name = f"{preparer.quote_schema(kind.schema)}.{name}"
    quoted = [key.replace("'", "''") for key in keys]
    return [f"ALTER TYPE {name} ADD VALUE '{key}';" for key in quoted]
