"""Reaching a database: its address, a connection that never waits long, what its errors mean.

No message made here holds an address, a password or a value.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from scoring.config import EmitSection
from scoring.errors import ConfigError, TryLater

# How long a statement waits for someone else's lock: short enough that a stop signal is
# answered within ten seconds.
LOCK_SECONDS = 5
LIBPQ = {"connect_timeout": 10, "tcp_user_timeout": 30_000}
PATIENCE = {"pysqlite": {"timeout": LOCK_SECONDS}, "psycopg": LIBPQ, "psycopg2": LIBPQ}
PASSES_SQLITE = {"SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_NOMEM"}
# The server tells no SQLSTATE to a client that could not log in, so its sentence has to do.
LOGIN = re.compile(r"authentication failed|does not exist|no pg_hba\.conf entry|not permitted")


def address(settings: EmitSection, root: Path, environ: Mapping[str, str]) -> URL:
    """The database's address, from the environment or the settings.

    Raises ConfigError with every place that was searched; never with the address itself.
    """
    text = (environ.get(settings.url_env) if settings.url_env else None) or settings.url
    if not text:
        variable = f"the environment variable {settings.url_env} (emit.url_env), which is not set"
        searched = [
            variable if settings.url_env else "emit.url_env in scoring.toml, which is empty"
        ]
        searched.append("emit.url in scoring.toml, which is empty")
        raise ConfigError(
            f"The database's address was looked for in {' and in '.join(searched)}.",
            "Set one of them, e.g. to postgresql://user:password@host/database.",
        )
    try:
        url = sa.make_url(text)
    except (ArgumentError, ValueError):
        raise ConfigError(
            "The database's address is not one that SQLAlchemy can read.",
            "Write it as postgresql://user:password@host:5432/database or sqlite:///file.db.",
        ) from None
    if text == settings.url and url.password:
        raise ConfigError(
            "`emit.url` in scoring.toml holds a password.",
            "Put the address into an environment variable and name that in `emit.url_env`.",
        )
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "sqlite":
        # SQLite would make an empty file where the name is wrong.
        path = root / (url.database or "")
        if not path.is_file():
            raise ConfigError(
                f'The SQLite file "{url.database or ""}" of the address does not exist.',
                "A relative name starts at the project's folder.",
            )
        url = url.set(database=str(path))
    return url


def connectable(url: URL) -> Engine:
    backend = url.get_backend_name()
    try:
        # hide_parameters: an error's text must not carry values.
        limits = PATIENCE.get(url.get_driver_name(), {})
        engine = sa.create_engine(url, hide_parameters=True, connect_args=limits)
    except NoSuchModuleError:
        raise ConfigError(f'SQLAlchemy knows no database "{url.drivername}".') from None
    except ModuleNotFoundError as error:
        raise ConfigError(
            f'The driver "{error.name}" for {backend} is not installed.',
            "pip install 'lead-scoring[postgresql]' brings the one for PostgreSQL.",
        ) from None
    if backend == "postgresql":

        @sa.event.listens_for(engine, "begin")
        def _wait_for_locks(connection: Connection) -> None:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")

    return engine


def code_of(error: DBAPIError) -> str:
    """The database's own short code: an SQLSTATE, SQLite's name, else the driver's class."""
    original = error.orig
    for attribute in ("sqlstate", "pgcode", "sqlite_errorname"):
        if isinstance(code := getattr(original, attribute, None), str):
            return code
    return type(original).__name__


def about_a_record(error: DBAPIError) -> bool:
    """Data and constraints (SQLSTATE 22, 23, 44), and what a trigger raised (P0)."""
    if isinstance(error, sa.exc.IntegrityError | sa.exc.DataError):
        return True
    return code_of(error)[:2] in ("22", "23", "44", "P0") and len(code_of(error)) == 5


def passes(error: DBAPIError) -> bool:
    """Away, locked, full: the same call may work later."""
    code = code_of(error)
    if code.startswith("SQLITE_"):
        return "_".join(code.split("_")[:2]) in PASSES_SQLITE
    if not isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError):
        return error.connection_invalidated
    return not LOGIN.search(str(error.orig))


def refused(error: DBAPIError) -> ConfigError | TryLater:
    code = code_of(error)
    if passes(error):
        return TryLater(
            f"The database is not there or is busy ({code}).",
            "What was delivered is recorded; run the same command again later.",
        )
    return ConfigError(
        f"The database refused the call ({code}).",
        "Check the address, the user's password and that the user may read the table and "
        "update our columns.",
    )
