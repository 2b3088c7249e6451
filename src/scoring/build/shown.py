"""The SQL of a build, written down in the dialect of a warehouse and read back by its parser.

A build is SQL around arrays: which leads are open when, what was known of them, their labels and
the visible rows of the history are SELECTs over the canonical tables; the columns that count, sum
or order those rows are made from them by `operators/` and are no SQL on any engine. A warehouse is
not asked to run any of it: this is what its own tables would have to be asked.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp

from scoring.build.featureset import project_features
from scoring.build.partition import LeadScope, Rows, write_partition
from scoring.check.tables import Tables
from scoring.engine.connection import Connection
from scoring.engine.landed import Landed
from scoring.errors import ScoringError
from scoring.project import Project


def shown_sql(project: Project, question: str, as_of: datetime, dialect: str) -> Iterator[str]:
    """The statements that make the training rows known by `as_of`, in the order in which they run.

    The first partition is built to see them, and thrown away; with `every_days` the newest midnight
    stands for all. `dialect` as sqlglot names it. Raises ScoringError for a statement that it has
    no words for.
    """
    tables = Tables.open(project)
    model = project.model(question)
    until = min(tables.data_end, as_of)
    rows = Rows(
        question=model.question,
        snapshots=model.snapshots,
        where=model.population.where,
        until=until,
        rhythm=(until,) if model.snapshots.every_days else (),
        labels=True,
        landed=Landed(),
        scope=LeadScope(),
    )
    features = project_features(project, model)
    project.tmp.mkdir(parents=True, exist_ok=True)
    scratch = project.tmp / f"shown-{question}.parquet"
    try:
        with project.connect() as connection:
            heard: Any = _Heard(connection)
            write_partition(heard, tables, 0, features, rows, scratch)
    finally:
        scratch.unlink(missing_ok=True)
    for statement in heard.statements:
        yield translated(statement, dialect)


def translated(statement: str, dialect: str) -> str:
    """A statement of the engine in another dialect, read back by that dialect's parser; files of
    the store go by the names of their tables."""
    try:
        parsed = sqlglot.parse_one(statement, read="duckdb")
        for scan in list(parsed.find_all(exp.ReadParquet)):
            named = exp.to_identifier(_table_of(scan))
            scan.parent.set("this", named) if isinstance(scan.parent, exp.Table) else None
        text = parsed.sql(dialect=dialect, pretty=True, unsupported_level=sqlglot.ErrorLevel.RAISE)
        sqlglot.parse_one(text, read=dialect)
    except sqlglot.errors.SqlglotError as error:
        raise ScoringError(
            f"A statement of the build cannot be said in the SQL of {dialect}: "
            f"{str(error).splitlines()[0]}",
        ) from error
    return str(text)


def _table_of(scan: exp.ReadParquet) -> str:
    """`…/<version>/<table>/part-NNN.parquet` → table; what hides older rows of it is apart."""
    file = Path(next(scan.find_all(exp.Literal)).this)
    return f"{file.parent.name}_hidden" if file.name.startswith("hidden") else file.parent.name


class _Heard:
    """A connection that remembers what it was asked."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.statements: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, query: str, *more: Any) -> Any:
        self.statements.append(query)
        return self._connection.execute(query, *more)

    def sql(self, query: str, *more: Any) -> Any:
        self.statements.append(query)
        return self._connection.sql(query, *more)
