"""A small project over a folder of exports."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from scoring.clock import Moment
from scoring.ingest.landing import landed_views
from scoring.ingest.run import IngestResult, ingest
from scoring.project import Project


def day(n: int) -> Moment:
    at = datetime(2026, 3, n, tzinfo=UTC)
    return Moment(as_of=at, now=at)


class Site:
    """A project folder and its exports; `take` runs one ingest and returns its JSON counts."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.exports = root / "exports"
        self.exports.mkdir(parents=True)
        (root / "data").mkdir()
        (root / "scoring.toml").write_text('[project]\nname = "t"\n')
        self.declare()

    def declare(
        self, tables: str = 'leads = "leads.csv"', settings: str = "", path: str = "exports"
    ) -> None:
        text = f'[sources.crm]\npath = "{path}"\n{settings}\n[sources.crm.tables]\n{tables}\n'
        (self.root / "data" / "sources.toml").write_text(text)

    @property
    def project(self) -> Project:
        return Project(self.root)

    @property
    def manifest(self) -> bytes:
        return (self.root / ".scoring" / "landing" / "manifest.json").read_bytes()

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.exports / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def run(self, n: int = 1) -> IngestResult:
        return ingest(self.project, day(n))

    def take(self, n: int = 1) -> dict[str, dict[str, int]]:
        counts = self.run(n).to_json()
        for table in counts.values():
            parts = ("accepted", "unchanged", "superseded", "quarantined")
            assert table["rows_in"] == sum(table[p] for p in parts)
        return counts

    def query(self, sql: str) -> list[tuple]:
        with self.project.connect() as connection:
            landed_views(connection, self.project, "crm")
            return connection.execute(sql).fetchall()

    def live(self, columns: str = "*", table: str = "leads") -> Counter:
        if columns == "*":
            columns = "* EXCLUDE (first_landed, gone_landed, landed_batch)"
        return Counter(self.query(f"SELECT {columns} FROM {table} WHERE gone_landed IS NULL"))

    def quarantine(self, table: str = "leads") -> list[tuple]:
        files = sorted((self.root / ".scoring/landing/crm" / table).glob("*/quarantine.parquet"))
        if not files:
            return []
        listed = ", ".join(f"'{f}'" for f in files)
        with self.project.connect() as connection:
            return connection.execute(
                f"SELECT * FROM read_parquet([{listed}]) ORDER BY ALL"
            ).fetchall()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "project")


@pytest.fixture
def new_site(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Site]:
    return lambda: Site(tmp_path_factory.mktemp("site") / "project")
