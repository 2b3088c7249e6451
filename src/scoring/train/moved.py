"""A project folder that was moved or copied takes its MLflow runs along.

MLflow writes absolute addresses of artefacts into its database. In a store that stands somewhere
else now, they would point to a folder that is gone, or to the project that this one was copied
from, whose artefacts a training would then write into.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)


def follow_the_folder(database: Path, artefacts: Path) -> None:
    """Let every address of `database` (SQLite) point below `artefacts`, where the store is now.

    Addresses outside a store's own artefacts folder stay as they are. The caller holds the lock.
    """
    if not database.exists():
        return
    here = artefacts.as_uri()
    mark = "/".join(artefacts.parts[-2:])
    with closing(sqlite3.connect(database)) as connection, connection:
        found = connection.execute(
            "SELECT DISTINCT artifact_location FROM experiments "
            "WHERE artifact_location LIKE ? AND artifact_location <> ?",
            (f"file://%/{mark}", here),
        ).fetchall()
        for (old,) in found:
            for table, column in ADDRESSES:
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                    f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                    (here, len(old) + 1, old, len(old) + 1, f"{old}/"),
                )
