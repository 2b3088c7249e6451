"""A project over a folder of small tables, and its landing and tables as a user would get them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from scoring.check.run import CheckResult, check
from scoring.check.tables import Tables
from scoring.clock import Moment
from scoring.ingest.run import ingest
from scoring.project import Project

AS_OF = datetime(2026, 6, 1, tzinfo=UTC)


class World:
    """Files of one or more sources, delivered day after day."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.day = 0
        self.sources: dict[str, dict[str, Any]] = {"crm": {}}
        self.scoring = ""
        self.time_zone = "UTC"

    def settings(self, source: str = "crm", **values: Any) -> "World":
        self.sources.setdefault(source, {}).update(values)
        return self

    def deliver(self, table: str, rows: Any, source: str = "crm") -> "World":
        """rows: CSV text, or a DataFrame (or records of one) for Parquet."""
        folder = self.root / "exports" / source
        folder.mkdir(parents=True, exist_ok=True)
        if isinstance(rows, str):
            (folder / f"{table}.csv").write_text(rows, encoding="utf-8")
        else:
            pd.DataFrame(rows).to_parquet(folder / f"{table}.parquet", index=False)
        return self

    def staging(self, table: str, sql: str, source: str = "crm") -> "World":
        folder = self.root / "data" / "staging" / source
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{table}.sql").write_text(sql, encoding="utf-8")
        return self

    def project(self) -> Project:
        (self.root / "data").mkdir(exist_ok=True)
        (self.root / "models" / "conversion").mkdir(parents=True, exist_ok=True)
        (self.root / "scoring.toml").write_text(
            f'[project]\nname = "test"\ntime_zone = "{self.time_zone}"\n{self.scoring}'
        )
        (self.root / "models" / "conversion" / "model.toml").write_text(
            "[snapshots]\nat_age_days = [14]\n"
        )
        lines = []
        for name, settings in self.sources.items():
            lines += [f"[sources.{name}]", f'path = "exports/{name}"']
            for key, value in settings.items():
                lines.append(f"{key} = {value!r}".replace("'", '"'))
            lines.append(f"[sources.{name}.tables]")
            for file in sorted((self.root / "exports" / name).iterdir()):
                lines.append(f'{file.stem} = "{file.name}"')
        (self.root / "data" / "sources.toml").write_text("\n".join(lines) + "\n")
        return Project(self.root)

    def moment(self) -> Moment:
        at = AS_OF + timedelta(days=self.day)
        return Moment(as_of=at, now=at + timedelta(hours=3))

    def land(self) -> Project:
        project = self.project()
        ingest(project, self.moment())
        return project

    def check(self) -> CheckResult:
        """Land what is there and check it; the next delivery is a day later."""
        result = check(self.land(), self.moment())
        for name, counts in result.counts.items():
            told = sum(v for k, v in counts.items() if k != "rows_in")
            assert counts["rows_in"] == told, name
        self.day += 1
        return result

    def table(self, name: str) -> pd.DataFrame:
        """Rows as readers see them, in their order."""
        tables = Tables.open(self.project())
        order = {"leads": "lead_key", "participants": "ALL"}.get(name, "lead_key, seq")
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            query = f"SELECT * FROM {tables.scan(name)} ORDER BY {order}"
            return connection.execute(query).df()

    def quarantine(self, name: str) -> pd.DataFrame:
        version = Tables.open(self.project()).version
        return pd.read_parquet(
            self.root / ".scoring" / "tables" / version / "quarantine" / f"{name}.parquet"
        )


def at(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC").as_unit("us")
