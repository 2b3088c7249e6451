"""A project over a folder of small tables, and its landing and tables as a user would get them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

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
        tables = Tables.open(self.project())
        return pd.concat([pd.read_parquet(f) for f in tables.files(name)], ignore_index=True)

    def quarantine(self, name: str) -> pd.DataFrame:
        version = Tables.open(self.project()).version
        return pd.read_parquet(
            self.root / ".scoring" / "tables" / version / "quarantine" / f"{name}.parquet"
        )


def at(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC").as_unit("us")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def small(world: World) -> World:
    """Three leads, three interactions, two outcomes, all of them good."""
    world.deliver(
        "leads",
        {
            "lead_id": ["a", "b", "c"],
            "created_at": [at("2026-01-01"), at("2026-01-02"), at("2026-01-03")],
            "industry": ["tools", "food", None],
            "seats": [10, 20, 30],
        },
    )
    world.deliver(
        "interactions",
        {
            "interaction_id": ["1", "2", "3"],
            "lead_id": ["a", "a", "b"],
            "occurred_at": [at("2026-01-05"), at("2026-01-04"), at("2026-01-06")],
            "type": ["email_opened", "call", "call"],
            "direction": ["inbound", "outbound", None],
            "minutes": [None, 3.5, 7.0],
        },
    )
    world.deliver(
        "outcomes",
        {
            "lead_id": ["a", "b"],
            "outcome": ["won", "lost"],
            "decided_at": [at("2026-02-01"), at("2026-02-02")],
        },
    )
    return world


@pytest.fixture
def csv_world(world: World) -> Callable[..., World]:
    """Leads `a` and `b`, and interactions and outcomes given as CSV text."""

    def make(interactions: str, outcomes: str = "", leads: str = "") -> World:
        world.deliver(
            "leads", leads or "lead_id,created_at\na,2026-01-01\nb,2026-01-01T10:00:00+02:00\n"
        )
        world.deliver("interactions", interactions)
        world.deliver("outcomes", outcomes or "lead_id,outcome,decided_at\na,won,2026-05-01\n")
        return world

    return make
