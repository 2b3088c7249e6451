"""A project with tables and score runs whose `scoring emit` is called as a user calls it."""

import json
import logging
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from typer.testing import CliRunner

from scoring.cli.app import app
from scoring.clock import stamp
from scoring.project import Project
from scoring.store.publish import write_manifest

BARE = '[project]\nname = "demo"\ntime_zone = "Europe/Helsinki"\n'


@dataclass
class Site:
    """scoring.toml is `toml` and [emit]; `emit` holds one line a setting."""

    root: Path
    emit: str

    def settings(self, more: str = "", after: str = "") -> "Site":
        """Write scoring.toml: `more` goes into [emit], `after` are sections of their own."""
        (self.root / "scoring.toml").write_text(f"{BARE}[emit]\n{self.emit}{more}\n{after}")
        return self

    @property
    def project(self) -> Project:
        return Project(self.root)

    def scored(self, as_of: datetime, scores: pd.DataFrame, question: str = "conversion") -> None:
        """Publish a score run, as `scoring score` leaves it."""
        model = self.root / "models" / question / "model.toml"
        model.parent.mkdir(parents=True, exist_ok=True)
        model.write_text("[snapshots]\nat_age_days = [14]\n")
        folder = self.project.store / "scores" / question / stamp(as_of)
        folder.mkdir(parents=True, exist_ok=True)
        scores.to_parquet(folder / "scores.parquet", index=False)
        (folder / "run.json").write_text(json.dumps({"as_of": as_of.isoformat()}))

    def owners(self, rows: dict[str, list[str]]) -> None:
        """Publish a table of leads with these columns, as `scoring check` leaves it."""
        folder = self.project.tables / "v1" / "leads"
        folder.mkdir(parents=True)
        pq.write_table(pa.table(rows), folder / "part-000.parquet")
        entry = {
            "files": ["v1/leads/part-000.parquet"],
            "added": [None],
            "hidden": [None],
            "columns": dict.fromkeys(rows, "VARCHAR"),
        }
        manifest = {"layout": 2, "version": "v1", "partitions": 1, "tables": {"leads": entry}}
        write_manifest(self.project.tables / "manifest.json", manifest)

    def run(self, *arguments: str, code: int = 0) -> str:
        """What a call prints."""
        root = logging.getLogger()
        handlers = list(root.handlers)
        done = CliRunner().invoke(app, [*arguments, "--project", str(self.root)])
        root.handlers[:] = handlers  # the command's own writes to a stream that is closed now
        found = getattr(done.exception, "exit_code", done.exit_code)
        assert found == code, f"{found}: {done.output} {done.exception!r}"
        return done.stdout if done.exception is None else f"{done.stdout}{done.exception}"

    def json(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        said = self.run(*arguments, "--json", code=code)
        value = json.JSONDecoder().raw_decode(said)[0]
        assert isinstance(value, dict)
        return value


def counts(answer: dict[str, Any]) -> dict[str, int]:
    return {k: v for k, v in answer.items() if v and isinstance(v, int)}
