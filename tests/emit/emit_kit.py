"""Score runs with made-up leads, projects, and tables that stand for a CRM."""

import itertools
import os
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import sqlalchemy as sa

from scoring.emit import run
from scoring.emit.result import EmitResult
from scoring.project import Project

DAY_1 = datetime(2026, 11, 20, 22, tzinfo=UTC)
DAY_2 = datetime(2026, 11, 21, 22, tzinfo=UTC)
DAY_3 = datetime(2026, 11, 22, 22, tzinfo=UTC)
COLUMNS = ("score", "next_step", "attention", "why", "score_updated_on")


def emit(
    project: Project,
    question: str,
    as_of: datetime,
    scores: pd.DataFrame,
    *,
    now: datetime | None = None,
    **more: bool,
) -> EmitResult:
    """An emit that starts at the logical date's own moment, unless it is told another."""
    return run.emit(project, question, as_of, scores, now=now or as_of, **more)


def score_run(n: int = 10, first: int = 0) -> pd.DataFrame:
    """`n` leads `L00000`, `L00001`, … with scores that differ."""
    numbers = range(first, first + n)
    return pd.DataFrame(
        {
            "lead_id": [f"L{i:05d}" for i in numbers],
            "score": [i * 37 % 101 for i in numbers],
            "next_step": pd.Series([None if i % 3 else "call_now" for i in numbers], dtype="str"),
            "attention": ["none" if i % 2 else "not_assessed" for i in numbers],
            "why": [f"+ opened {i} emails\n− no meeting" for i in numbers],
            "why_key": [f"opens:{i % 7}" for i in numbers],
            "grade": ["ABCD"[i % 4] for i in numbers],
            "probability": [i / 100_000 for i in numbers],
        }
    )


def write_toml(root: Path, emit: str) -> Project:
    root.mkdir(parents=True, exist_ok=True)
    text = f'[project]\nname = "demo"\ntime_zone = "Europe/Helsinki"\n[emit]\n{emit}'
    (root / "scoring.toml").write_text(text)
    return Project(root)


def sql_toml(url: str, *, table: str = "leads", key: str = "lead_id", extra: str = "") -> str:
    return (
        f'sink = "sql"\nurl = "{url}"\ntable = \'{table}\'\nkey = "{key}"\n'
        f"columns = {list(COLUMNS)}\n{extra}"
    )


TABLE = """CREATE TABLE leads (
    lead_id VARCHAR(60) PRIMARY KEY, company TEXT, phase TEXT DEFAULT 'new',
    score INTEGER {check}, next_step VARCHAR(40), attention VARCHAR(40), why TEXT,
    score_updated_on DATE)"""


def fill(engine: sa.Engine, n: int, *, check: str = "", table: str = TABLE) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS leads")
        connection.exec_driver_sql(table.format(check=check))
        if n:
            connection.execute(
                sa.text("INSERT INTO leads (lead_id, company) VALUES (:id, :company)"),
                [{"id": f"L{i:05d}", "company": f"company {i}"} for i in range(n)],
            )


def rows(engine: sa.Engine) -> dict[str, dict[str, object]]:
    with engine.connect() as connection:
        found = connection.execute(sa.text("SELECT * FROM leads")).mappings().all()
    return {str(row["lead_id"]): {k: v for k, v in row.items() if k != "lead_id"} for row in found}


def ledger_rows(project: Project) -> list[tuple[str, str, str]]:
    """(lead_id, outcome, code) of every delivery."""
    with sqlite3.connect(project.store / "ledger.db") as db:
        query = "SELECT lead_id, outcome, code FROM deliveries ORDER BY as_of, lead_id"
        found = db.execute(query).fetchall()
    db.close()
    return found


counter = itertools.count()


def new_database(address: str) -> Iterator[sa.Engine]:
    url = sa.make_url(address).set(drivername="postgresql+psycopg")
    name = f"crm_{os.getpid()}_{next(counter)}"
    admin = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    engine = sa.create_engine(url.set(database=name))
    yield engine
    engine.dispose()
    with admin.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()
