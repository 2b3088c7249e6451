"""What a source calls its tables and columns, turned into the canonical names.

`data/staging/<source>/<table>.sql` is one SELECT over the source's raw tables. Where the file is
absent and a raw table has the canonical name, the table is taken as it is. The SELECT is parsed
before it runs: it may rename, unite, join and compute row by row, and it may read nothing but the
raw tables. Which run brought a row travels along in three columns (`first_landed`, `gone_landed`,
`landed_batch`); where a SELECT does not pass them through they are added from the first table of
its FROM.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp

from scoring.config import FileSettings, Source
from scoring.contracts import TABLES
from scoring.engine.connection import (
    Connection,
    EngineError,
    columns_of,
    function_names,
    identifier,
    unsteady_functions,
)
from scoring.errors import ConfigError, nearest
from scoring.project import Project

LANDED = ("first_landed", "gone_landed", "landed_batch")
# Beside the functions that the engine itself calls unsteady: words for the present without
# parentheses, and what reads the machine or runs text as a query.
NOT_ROW_WISE = frozenset(
    {"current_timestamp", "current_time", "localtime", "localtimestamp"}
    | {"current_localtime", "current_localtimestamp", "getenv", "query", "query_table"}
)

_FUNCTIONS: list[tuple[frozenset[str], frozenset[str]]] = []


@dataclass(frozen=True)
class Staged:
    """A canonical table as one source has it, names settled and values not yet judged.

    relation   name of a view; columns: name → engine type, the three of the landing included
    settings   how the first raw table that it reads is to be understood
    typed      the values come from Parquet with their types; otherwise all of them are text
    where      what to call it in a message
    raw        the raw tables that it reads
    row_wise   every row comes from one raw row, so that more raw rows only add rows to it
    """

    source: str
    table: str
    relation: str
    columns: dict[str, str]
    settings: FileSettings
    typed: bool
    where: str
    raw: tuple[str, ...]
    row_wise: bool


def staging_files(project: Project, source: str) -> dict[str, Path]:
    """Canonical table → its staging file. Raises ConfigError on a name that is no table's."""
    found = {}
    for path in sorted((project.root / "data" / "staging" / source).glob("*.sql")):
        if path.stem not in TABLES:
            raise ConfigError(
                f"data/staging/{source}/{path.name} is not named after a canonical table."
                f"{nearest(path.stem, TABLES)}",
                f"The tables are {', '.join(TABLES)}.",
            )
        found[path.stem] = path
    return found


def stage(
    connection: Connection, project: Project, name: str, source: Source, schema: str | None = None
) -> list[Staged]:
    """The canonical tables of one source as views; its raw tables are in `schema`, which is
    `schema_of(name)` where it is not named."""
    schema = schema or schema_of(name)
    files = staging_files(project, name)
    staged = []
    for table in TABLES:
        if table in files:
            where = f"data/staging/{name}/{table}.sql"
            text = files[table].read_text(encoding="utf-8")
        elif table in source.tables:
            where = f"{table} of the source {name}"
            text = f"SELECT * FROM {identifier(table)}"
        else:
            continue
        query, raw = rewritten(connection, text, name, source, where, schema)
        settings = _settings(source, raw, where)
        relation = identifier(f"staged_{schema}_{table}")
        columns = _bind(connection, relation, query, name, source, where)
        parquet = all(source.tables[r].file.lower().endswith(".parquet") for r in raw)
        typed = parquet and not source.is_crm  # a CRM's drops hold texts only
        made = (tuple(raw), _is_row_wise(query))
        staged.append(Staged(name, table, relation, columns, settings, typed, where, *made))
    return staged


def schema_of(source: str) -> str:
    """The engine's schema that holds the raw tables of a source."""
    return f"source_{source}"


def rewritten(
    connection: Connection, text: str, name: str, source: Source, where: str, schema: str
) -> tuple[exp.Query, list[str]]:
    """The checked SELECT with the landing's columns, and the raw tables it reads, in order."""
    try:
        statements = [s for s in sqlglot.parse(text, read="duckdb") if s is not None]
    except sqlglot.errors.SqlglotError as error:
        first = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).splitlines()[0]
        raise ConfigError(f"{where} is not readable as SQL: {first}") from None
    if len(statements) != 1 or not isinstance(statements[0], exp.Select | exp.SetOperation):
        raise ConfigError(f"{where} must be exactly one SELECT.")
    query = statements[0]
    _refuse_beyond_rows(connection, query, where)
    _carry_landed(query, where)
    return query, _only_raw_tables(query, name, source, where, schema)


def _functions(connection: Connection) -> tuple[frozenset[str], frozenset[str]]:
    """Aggregates, and what gives something else on every run; asked for once in a process, since
    the engine is slow to list what it has."""
    if not _FUNCTIONS:
        unsteady = unsteady_functions(connection) | NOT_ROW_WISE
        _FUNCTIONS.append((function_names(connection, "aggregate"), unsteady))
    return _FUNCTIONS[0]


def _refuse_beyond_rows(connection: Connection, query: exp.Query, where: str) -> None:
    aggregates, unsteady = _functions(connection)
    for node in query.find_all(exp.Window, exp.Group, exp.AggFunc, exp.Func):
        called = node.name if isinstance(node, exp.Anonymous) else ""
        if isinstance(node, exp.Func) and not called:
            called = node.sql_name()
        called = called.lower()
        if isinstance(node, exp.Window | exp.Group | exp.AggFunc) or called in aggregates:
            raise ConfigError(
                f"{where} uses an aggregate or a window ({called or type(node).__name__.lower()}).",
                "Staging maps rows one by one; what is counted over time belongs into features/.",
            )
        # The parser has names of its own: what the engine will be asked is what counts.
        rendered = node.sql(dialect="duckdb").split("(")[0].strip().lower()
        of_today = rendered == "age" and len(node.expressions) == 1
        if called in unsteady or rendered in unsteady or of_today:
            raise ConfigError(
                f"{where} calls {called}(), which gives something else on every run.",
                "Staging SQL may depend on the source's rows only.",
            )


def _is_row_wise(query: Any) -> bool:
    """Whether the SELECT reads one table row by row, or unites such SELECTs keeping equal rows."""
    used = {name for name, value in query.args.items() if value}
    if isinstance(query, exp.Union):
        arms = (query.left, query.right)
        return used <= {"this", "expression", "by_name"} and all(_is_row_wise(a) for a in arms)
    if not isinstance(query, exp.Select) or not used <= {"expressions", "from", "from_", "where"}:
        return False
    table = (query.args.get("from_") or query.args["from"]).this
    if not isinstance(table, exp.Table) or sum(1 for _ in query.find_all(exp.Query)) > 1:
        return False
    if not {name for name, value in table.args.items() if value} <= {"this", "alias", "db"}:
        return False
    stars = [star.parent for star in query.find_all(exp.Star)]
    if any((s.parent if isinstance(s, exp.Column) else s) is not query for s in stars):
        return False
    # When a row landed may pass through; what is computed from it changes when the row goes.
    for column in query.find_all(exp.Column):
        name = column.name.lower()
        alone = column.parent if isinstance(column.parent, exp.Alias) else column
        passed = alone.parent is query and alone.alias_or_name.lower() == name
        if name == table.alias_or_name.lower() or (name in LANDED and not passed):
            return False
    return not any(
        alias.alias.lower() in LANDED
        and not (isinstance(alias.this, exp.Column) and alias.this.name.lower() in LANDED)
        for alias in query.find_all(exp.Alias)
    )


def _only_raw_tables(
    query: exp.Query, name: str, source: Source, where: str, schema: str
) -> list[str]:
    """Point every table at the source's schema; refuse everything else that could be read."""
    common = {cte.alias_or_name.lower() for cte in query.find_all(exp.CTE)}
    known = {raw.lower(): raw for raw in source.tables}
    read: list[str] = []
    for table in query.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier) or table.db or table.catalog:
            raise ConfigError(
                f"{where} reads something else than the raw tables of the source {name}.",
                f"It may read {', '.join(source.tables)}.",
            )
        called = table.name.lower()
        if called in common:
            continue
        if called not in known:
            raise ConfigError(
                f'{where} reads "{table.name}", which is not a raw table of the source {name}.'
                f"{nearest(table.name, source.tables)}",
                f"data/sources.toml declares {', '.join(source.tables)}.",
            )
        if not table.alias:
            table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name, quoted=True)))
        table.set("this", exp.to_identifier(known[called], quoted=True))
        table.set("db", exp.to_identifier(schema, quoted=True))
        if known[called] not in read:
            read.append(known[called])
    if not read:
        raise ConfigError(f"{where} reads no raw table of the source {name}.")
    return read


def _carry_landed(query: Any, where: str) -> None:
    if isinstance(query, exp.SetOperation):
        _carry_landed(query.left, where)
        _carry_landed(query.right, where)
        return
    if isinstance(query, exp.Subquery):
        _carry_landed(query.this, where)
        return
    assert isinstance(query, exp.Select)
    first = query.args.get("from_") or query.args.get("from")
    if first is None:
        raise ConfigError(f"{where}: a SELECT without FROM reads no raw table.")
    relation = first.this.alias_or_name
    names = {column.alias_or_name.lower() for column in query.expressions}
    everything = any(
        isinstance(column, exp.Star)
        or (
            isinstance(column, exp.Column)
            and isinstance(column.this, exp.Star)
            and column.table.lower() == relation.lower()
        )
        for column in query.expressions
    )
    if everything or names.issuperset(LANDED):
        return
    if not relation:
        raise ConfigError(
            f"{where} selects from a subquery that does not say when its rows landed.",
            f"Pass {', '.join(LANDED)} through from the raw table.",
        )
    for column in LANDED:
        if column not in names:
            query.select(
                exp.alias_(exp.column(column, table=relation, quoted=True), column), copy=False
            )


def _settings(source: Source, raw: list[str], where: str) -> FileSettings:
    first = source.tables[raw[0]]
    for other in raw[1:]:
        for key in ("time_zone", "precision", "decimal", "dates", "mode"):
            if getattr(source.tables[other], key) != getattr(first, key):
                raise ConfigError(
                    f"{where} joins {raw[0]} and {other}; `{key}` differs in data/sources.toml.",
                    "Declare the same for both, or bring them in as two sources.",
                )
    return first


def _bind(
    connection: Connection, relation: str, query: exp.Query, name: str, source: Source, where: str
) -> dict[str, str]:
    try:
        connection.execute(f"CREATE VIEW {relation} AS {query.sql(dialect='duckdb')}")
        columns = columns_of(connection, relation)
    except EngineError as error:
        raise ConfigError(_bind_sentence(connection, str(error), name, source, where)) from None
    if missing := [c for c in LANDED if c not in columns]:
        raise ConfigError(
            f"{where} does not pass {', '.join(missing)} through.",
            f"Add {', '.join(LANDED)} of the first raw table to the SELECT.",
        )
    return columns


def _bind_sentence(
    connection: Connection, message: str, name: str, source: Source, where: str
) -> str:
    first = message.splitlines()[0]
    if any(f'"{column}"' in first for column in LANDED):
        return (
            f"{where} selects from a subquery that does not say when its rows landed. "
            f"Pass {', '.join(LANDED)} through from the raw table."
        )
    likely = ""
    if unknown := re.search(r'column (?:named )?"([^"]+)"', first):
        schema = identifier(schema_of(name))
        known = [
            column
            for raw in source.tables
            for column in columns_of(connection, f"{schema}.{identifier(raw)}")
            if column not in LANDED
        ]
        likely = nearest(unknown[1], known)
    return f"{where}: {first}{likely}"
