"""Score columns in a table that exists already, in any database that SQLAlchemy speaks to.

Names of tables and columns come from the settings and are only ever looked up in what the
database says it has; SQLAlchemy quotes them, and every value is a bound parameter.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from scoring.crm.database import about_a_record, address, code_of, connectable, passes, refused
from scoring.crm.port import (
    Answer,
    Change,
    Cost,
    Field,
    FieldPlan,
    Outcome,
    Room,
    Value,
)
from scoring.crm.sql_columns import (
    CREATED,
    AddColumn,
    added_keys,
    check_type,
    key_column,
    unknown_keys,
)
from scoring.errors import ConfigError, nearest

if TYPE_CHECKING:
    from scoring.project import Project


class SqlSink:
    """One row for a lead in `settings.table`, found by `settings.key`; columns by name."""

    batch_size = 1000  # databases allow between 1,000 and 65,535 values in a list
    reads_back = True

    def __init__(self, project: "Project", question: str, as_of: datetime) -> None:  # noqa: ARG002
        settings, root = project.settings.emit.of_question(question), project.root
        url = address(settings, root, os.environ)
        host = url.host or url.query.get("host", "")
        # A file inside the project stays the same place when the project is moved.
        place = f"{host}:{url.port or ''}/{str(url.database).removeprefix(f'{root}/')}"
        self.target = f"{url.get_backend_name()}:{place}:{settings.table}.{settings.key}"
        self._settings = settings
        self._engine = connectable(url)
        self._table = sa.Table("", sa.MetaData())
        self._key = sa.Column[Any]()
        self._key_of: Callable[[str], Any] = str
        self._theirs: dict[str, sa.types.TypeEngine[Any]] = {}

    def close(self) -> None:
        self._engine.dispose()

    # --- fields -----------------------------------------------------------------------------

    def ensure_fields(self, fields: Sequence[Field], *, apply: bool = False) -> FieldPlan:
        with self._speaking():
            with self._engine.connect() as connection:
                plan = self._look(connection, fields)
            if apply and plan.steps:
                with self._engine.begin() as connection:
                    for step in plan.steps:
                        connection.exec_driver_sql(step)
                with self._engine.connect() as connection:
                    plan = self._look(connection, fields)
        return plan

    def _look(self, connection: Connection, fields: Sequence[Field]) -> FieldPlan:
        """Find the table, the key and our columns, and what of them is not there."""
        inspector = sa.inspect(connection)
        schema, name = self._find_table(inspector)
        there = {c["name"]: c["type"] for c in inspector.get_columns(name, schema=schema)}
        key = self._settings.key
        if key not in there:
            raise ConfigError(
                f'The table "{name}" has no key column "{key}" (emit.key).{nearest(key, there)}'
            )
        self._key, self._key_of = key_column(key, there[key])
        found = [f for f in fields if f.name in there]
        for field in found:
            check_type(name, field, there[field.name])
        columns = [sa.Column(f.name, there[f.name]) for f in found if not f.theirs]
        self._theirs = {f.name: there[f.name] for f in found if f.theirs}
        self._table = sa.Table(name, sa.MetaData(), self._key, *columns, schema=schema)
        missing = tuple(f for f in fields if f.name not in there)
        adds = (AddColumn(self._table, sa.Column(f.name, CREATED[f.kind](f))) for f in missing)
        steps = [f"{str(add.compile(self._engine)).strip()};" for add in adds]
        incomplete = []
        for field in found:
            if unknown := unknown_keys(field, there[field.name]):
                incomplete.append(replace(field, options=unknown))
                keys = [option.key for option in unknown]
                steps += added_keys(there[field.name], keys, self._engine.dialect)
        return FieldPlan(missing, tuple(steps), tuple(incomplete))

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

    def room(self) -> Room:
        return Room()

    def cost(self, records: int) -> Cost:
        """For each batch: what stands there, the update, and the sample that is read again."""
        return Cost(3 * -(-records // self.batch_size))

    def answers(self, field: Field) -> Iterator[Answer]:
        known = {option.key for option in field.options}
        column = sa.Column(field.name, self._theirs[field.name])
        table = sa.Table(
            self._table.name, sa.MetaData(), sa.Column(self._key.name, self._key.type), column,
            schema=self._table.schema,
        )  # fmt: skip
        with self._speaking(), self._engine.connect() as connection:
            query = sa.select(table).where(column.is_not(None))
            for key, value in connection.execute(query).yield_per(self.batch_size):
                if value.strip() in known:
                    yield Answer(self._lead_id(key), value.strip())

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


def _plain(value: Any) -> Value:
    """A value as JSON and comparisons take it."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value
