"""The SQL of a build in the words of warehouses: all of it, parsed, about tables and not files."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlglot
from build_kit import FEATURES, Site
from sqlglot import exp

from scoring.build.shown import shown_sql, translated
from scoring.errors import ScoringError
from scoring.simulate import simulate

END = datetime(2026, 6, 1, tzinfo=UTC)
MODEL = "[question]\nhorizon_days = 60\n[snapshots]\n{when}\n"
READ = {"leads", "interactions", "stage_changes", "lead_changes", "outcomes"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import pandas as pd

    root = tmp_path_factory.mktemp("shown")
    simulate(root / "tables", leads=60, end=END, seed=2, events_per_lead=10,
             truth_dir=root / "truth")  # fmt: skip
    site = Site(root / "project", model=MODEL.format(when="at_age_days = [7, 30]"))
    site.theme("all", FEATURES)
    tables = {path.stem: pd.read_parquet(path) for path in (root / "tables").glob("*.parquet")}
    site.deliver(**tables)
    site.check(END.replace(tzinfo=None))
    return site.project.root


@pytest.mark.parametrize("dialect", ["snowflake", "bigquery"])
@pytest.mark.parametrize("when", ["at_age_days = [7, 30]", "every_days = 7"])
def test_every_statement_is_read_by_the_dialects_parser(
    folder: Path, dialect: str, when: str
) -> None:
    from scoring.project import Project

    (folder / "models" / "conversion" / "model.toml").write_text(MODEL.format(when=when))
    project = Project(folder)
    shown = list(shown_sql(project, "conversion", END, dialect))
    parsed = [sqlglot.parse_one(statement, read=dialect) for statement in shown]
    made = {p.this.name for p in parsed if isinstance(p, exp.Create)}
    assert {"snapshots", "labels", "attributes"} <= made
    read = {table.name for p in parsed for table in p.find_all(exp.Table)}
    assert read | made >= READ
    assert not [statement for statement in shown if "parquet" in statement.lower()]
    assert not list(project.tmp.glob("shown*"))


def test_a_file_is_called_by_its_table() -> None:
    text = translated(
        "SELECT count(*) FROM read_parquet(['/s/v1/outcomes/part-000.parquet'])", "snowflake"
    )
    assert "FROM outcomes" in text
    hidden = (
        "SELECT * FROM a ANTI JOIN read_parquet(['/s/v2/a/hidden-003.parquet']) USING (lead_key)"
    )
    assert "a_hidden" in translated(hidden, "snowflake")


def test_what_cannot_be_said_is_refused() -> None:
    with pytest.raises(ScoringError, match="cannot be said in the SQL of bigquery"):
        translated("SELECT FROM WHERE", "bigquery")
