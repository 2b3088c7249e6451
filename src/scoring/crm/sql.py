"""Score columns in a table that exists already, in any database that SQLAlchemy speaks to.

Names of tables and columns come from the settings and are only ever looked up in what the
database says it has; SQLAlchemy quotes them, and every value is a bound parameter.
"""

import os
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import ExecutableDDLElement
from sqlalchemy.sql.compiler import DDLCompiler

from scoring.config import EmitSection
from scoring.crm.database import about_a_record, address, code_of, connectable, passes, refused
from scoring.crm.port import Change, Field, FieldPlan, Outcome, Value
from scoring.errors import ConfigError, nearest

CREATED: dict[str, Callable[[], sa.types.TypeEngine[Any]]] = {
    "integer": sa.Integer,
    "real": sa.Double,
    "choice": lambda: sa.String(40),
    "text": sa.Text,
    "date": sa.Date,
    "flag": sa.Boolean,
}
ACCEPTED: dict[str, tuple[type[sa.types.TypeEngine[Any]], ...]] = {
    "integer": (sa.Integer, sa.Numeric),
    "real": (sa.Numeric, sa.Float),
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


class SqlSink:
    """One row for a lead in `settings.table`, found by `settings.key`; columns by name."""

    batch_size = 1000  # databases allow between 1,000 and 65,535 values in a list
    reads_back = True

    def __init__(
        self, settings: EmitSection, root: Path, environ: Mapping[str, str] = os.environ
    ) -> None:
        url = address(settings, root, environ)
        host = url.host or url.query.get("host", "")
        # A file inside the project stays the same place when the project is moved.
        place = f"{host}:{url.port or ''}/{str(url.database).removeprefix(f'{root}/')}"
        self.target = f"{url.get_backend_name()}:{place}:{settings.table}.{settings.key}"
        self._settings = settings
        self._engine = connectable(url)
        self._table = sa.Table("", sa.MetaData())
        self._key = sa.Column[Any]()
        self._key_of: Callable[[str], Any] = str

    def close(self) -> None:
        self._engine.dispose()

    # --- fields -----------------------------------------------------------------------------

    def ensure_fields(self, fields: Sequence[Field], *, apply: bool = False) -> FieldPlan:
        with self._speaking():
            with self._engine.connect() as connection:
                missing = self._look(connection, fields)
            made = [sa.Column(f.name, CREATED[f.kind]()) for f in missing]
            adds = [AddColumn(self._table, column) for column in made]
            if apply and adds:
                with self._engine.begin() as connection:
                    for add in adds:
                        connection.execute(add)
                with self._engine.connect() as connection:
                    missing = self._look(connection, fields)
                adds = []
            steps = tuple(f"{str(add.compile(self._engine)).strip()};" for add in adds)
        return FieldPlan(tuple(missing), steps)

    def _look(self, connection: Connection, fields: Sequence[Field]) -> list[Field]:
        """Find the table, the key and our columns; returns the fields that are not there."""
        inspector = sa.inspect(connection)
        schema, name = self._find_table(inspector)
        there = {c["name"]: c["type"] for c in inspector.get_columns(name, schema=schema)}
        key = self._settings.key
        if key not in there:
            raise ConfigError(
                f'The table "{name}" has no key column "{key}" (emit.key).{nearest(key, there)}'
            )
        self._key, self._key_of = _key(key, there[key])
        ours = [f for f in fields if f.name in there]
        for field in ours:
            _check_type(name, field, there[field.name])
        columns = [sa.Column(f.name, there[f.name]) for f in ours]
        self._table = sa.Table(name, sa.MetaData(), self._key, *columns, schema=schema)
        return [f for f in fields if f.name not in there]

    def _find_table(self, inspector: sa.Inspector) -> tuple[str | None, str]:
        asked = self._settings.table
        tables = inspector.get_table_names()
        if asked in tables:
            return None, asked
        schema, dot, name = asked.partition(".")
        if dot and schema in inspector.get_schema_names():
            tables = inspector.get_table_names(schema=schema)
            if name in tables:
                return schema, name
        raise ConfigError(
            f'The database has no table "{asked}" (emit.table).{nearest(name or asked, tables)}',
            "Name an existing table, as `table` or `schema.table`.",
        )

    # --- records ----------------------------------------------------------------------------

    def read_back(self, lead_ids: Sequence[str]) -> dict[str, dict[str, Value]]:
        with self._speaking(), self._engine.connect() as connection:
            query = sa.select(self._table).where(self._key.in_(self._keys(lead_ids)))
            rows = connection.execute(query).mappings().all()
        return {
            self._lead_id(row[self._key]): {
                c.name: _plain(row[c]) for c in self._table.c if c is not self._key
            }
            for row in rows
        }

    def write(self, changes: Sequence[Change]) -> list[Outcome]:
        """One transaction for a part; a part that a record spoils is cut in two and tried again."""
        outcomes: list[Outcome] = []
        waiting = [list(changes)]
        while waiting:
            part = waiting.pop()
            try:
                with self._engine.begin() as connection:
                    written = self._update(connection, part)
                outcomes += written
            except DBAPIError as error:
                code = code_of(error)
                if about_a_record(error) and len(part) == 1:
                    outcomes.append(Outcome(part[0].lead_id, "rejected", code))
                elif about_a_record(error):
                    half = len(part) // 2
                    waiting += [part[half:], part[:half]]
                elif passes(error):
                    left = [part, *waiting]
                    return outcomes + [Outcome(c.lead_id, "retry", code) for p in left for c in p]
                else:
                    raise refused(error) from None
        return outcomes

    def _update(self, connection: Connection, changes: list[Change]) -> list[Outcome]:
        """Update the rows that are there. They are locked in the order of the key, so that two
        writers cannot wait for each other."""
        keys = self._keys([c.lead_id for c in changes])
        query = sa.select(self._key).where(self._key.in_(keys)).order_by(self._key)
        rows = connection.execute(query.with_for_update()).scalars()
        found = Counter(self._lead_id(key) for key in rows)
        known = [c for c in changes if found[c.lead_id] == 1]
        if known:
            # A bound parameter may not have a column's own name in an UPDATE.
            ours = [c for c in self._table.c if c is not self._key]
            values = {c.name: sa.bindparam(f"v{i}", type_=c.type) for i, c in enumerate(ours)}
            update = sa.update(self._table).where(self._key == sa.bindparam("k")).values(values)
            parameters = [
                {"k": self._key_of(c.lead_id)}
                | {f"v{i}": c.values[column.name] for i, column in enumerate(ours)}
                for c in known
            ]
            connection.execute(update, parameters)
        outcomes = []
        for change in changes:
            match found[change.lead_id]:
                case 0:
                    outcomes.append(Outcome(change.lead_id, "skipped", "no_such_record"))
                case 1:
                    outcomes.append(Outcome(change.lead_id, "sent"))
                case _:
                    outcomes.append(Outcome(change.lead_id, "rejected", "key_not_unique"))
        return outcomes

    def _keys(self, lead_ids: Sequence[str]) -> list[Any]:
        return [key for lead_id in lead_ids if (key := self._key_of(lead_id)) is not None]

    def _lead_id(self, key: Any) -> str:
        return str(int(key)) if isinstance(key, Decimal) else str(key)

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise refused(error) from None
        except ValueError:
            raise ConfigError(
                f'Our columns of the table "{self._table.name}" hold values that are not of the '
                "columns' types.",
                "Empty them, or set `emit.prefix` so that our columns get other names.",
            ) from None


def _key(name: str, kind: sa.types.TypeEngine[Any]) -> tuple[sa.Column[Any], Callable[[str], Any]]:
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


def _check_type(table: str, field: Field, kind: sa.types.TypeEngine[Any]) -> None:
    length = getattr(kind, "length", None)
    short = isinstance(length, int) and length < field.length and not isinstance(kind, sa.Enum)
    if isinstance(kind, ACCEPTED[field.kind]) and not short:
        return
    raise ConfigError(
        f'The column "{field.name}" of the table "{table}" has the type {kind}, our values need '
        f"{CREATED[field.kind]()}" + (f" ({field.length} characters)." if short else "."),
        "Change its type, or set `emit.prefix` so that our columns get other names.",
    )


def _plain(value: Any) -> Value:
    """A value as JSON and comparisons take it."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value
