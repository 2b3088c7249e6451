"""`check` on Spark over a history with faults: the same tables as on one machine, row by row."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from spark_kit import land_and_check, on_spark, same_tables

from scoring.check import spread as check_spread
from scoring.check import tables as check_tables
from scoring.check.tables import Tables
from scoring.errors import ConfigError
from scoring.project import Project
from scoring.simulate import simulate

pytestmark = pytest.mark.slow

END = datetime(2026, 6, 1, tzinfo=UTC)
MODEL = "[snapshots]\nat_age_days = [7, 30]\n"
TABLES = ("leads", "interactions", "stage_changes", "outcomes")


@pytest.fixture(scope="module", autouse=True)
def small_pieces() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check_tables, "ROWS_PER_PARTITION", 2_000)
        patch.setattr(check_spread, "ROWS_PER_SLICE", 2_000)
        yield


def new_project(root: Path, tables: dict[str, pd.DataFrame], mode: str = "full") -> Project:
    (root / "models" / "conversion").mkdir(parents=True)
    (root / "data").mkdir()
    (root / "source").mkdir()
    (root / "scoring.toml").write_text(
        '[project]\nname = "test"\ntime_zone = "Europe/Helsinki"\n'
        "[limits]\nquarantine_share = 1.0\nvanished_share = 1.0\n"
    )
    (root / "models" / "conversion" / "model.toml").write_text(MODEL)
    listed = "\n".join(f'{name} = "{name}.parquet"' for name in tables)
    (root / "data" / "sources.toml").write_text(
        f'[sources.crm]\npath = "source"\nmode = "{mode}"\n[sources.crm.tables]\n{listed}\n'
    )
    deliver(root, tables)
    return Project(root)


def deliver(root: Path, tables: dict[str, pd.DataFrame]) -> None:
    for name, rows in tables.items():
        rows.to_parquet(root / "source" / f"{name}.parquet", index=False)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    """Merged and unknown leads, doubled keys far apart, equal rows without an ID, bad values."""
    folder = tmp_path_factory.mktemp("simulated")
    simulate(folder / "tables", leads=120, end=END, seed=5, events_per_lead=30,
             truth_dir=folder / "truth")  # fmt: skip
    tables = {name: pd.read_parquet(folder / "tables" / f"{name}.parquet") for name in TABLES}
    events = tables["interactions"]
    known = set(tables["leads"]["lead_id"])
    merged = tables["leads"].index[:3]
    tables["leads"].loc[merged, "merged_into"] = tables["leads"]["lead_id"].iloc[5]
    tables["leads"].loc[merged, "merged_at"] = pd.Timestamp("2026-03-01")
    doubled = events.iloc[::400].assign(type="call_made")
    nameless = events.iloc[10:20].assign(interaction_id=None)
    strangers = events.iloc[30:50].assign(
        lead_id="nobody", interaction_id=[f"s-{n}" for n in range(20)]
    )
    early = events.iloc[60:70].assign(
        occurred_at=pd.Timestamp("1950-01-01"), interaction_id=[f"e-{n}" for n in range(10)]
    )
    assert "nobody" not in known
    tables["interactions"] = pd.concat(
        [doubled, events, nameless, strangers, nameless, early], ignore_index=True
    )
    return tables


def checked_on_both(
    root: Path, tables: dict[str, pd.DataFrame], staging: str = ""
) -> tuple[Project, Project]:
    embedded = new_project(root / "duckdb", tables)
    if staging:
        folder = embedded.root / "data" / "staging" / "crm"
        folder.mkdir(parents=True)
        (folder / "interactions.sql").write_text(staging)
    spark = on_spark(embedded, root / "spark")
    for project in (embedded, spark):
        land_and_check(project, END)
    return embedded, spark


def test_every_fault_is_judged_the_same(history: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    embedded, spark = checked_on_both(tmp_path, history)
    told = Tables.open(embedded).manifest
    assert told["partitions"] > 1
    assert told["counts"]["interactions"]["quarantined"] >= 40
    same_tables(spark, embedded)


def test_later_deliveries_are_the_same(history: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    """Vanished rows and newer versions; the second check adds to the tables that stand."""
    embedded, spark = checked_on_both(tmp_path, history)
    rng = np.random.default_rng(3)
    events = history["interactions"]
    later = {
        **history,
        "interactions": events[rng.random(len(events)) < 0.97].assign(
            type=lambda t: t["type"].where(rng.random(len(t)) < 0.99, "meeting_held")
        ),
    }
    for project in (embedded, spark):
        deliver(project.root, later)
        land_and_check(project, END + pd.Timedelta(days=1))
    same_tables(spark, embedded)


def test_staging_that_joins_is_not_cut_into_slices(
    history: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    staging = (
        "SELECT i.*, l.source AS lead_source FROM interactions i "
        "JOIN leads l ON l.lead_id = i.lead_id"
    )
    embedded, spark = checked_on_both(tmp_path, history, staging)
    assert Tables.open(spark).manifest["properties"]["lead_source"] == "text"
    same_tables(spark, embedded)


def test_a_fault_of_staging_sql_is_said_without_the_value(
    history: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    staging = (
        "SELECT * REPLACE (CAST(CAST(interaction_id AS INTEGER) AS VARCHAR) AS interaction_id) "
        "FROM interactions"
    )
    embedded = new_project(tmp_path / "duckdb", history)
    folder = embedded.root / "data" / "staging" / "crm"
    folder.mkdir(parents=True)
    (folder / "interactions.sql").write_text(staging)
    spark = on_spark(embedded, tmp_path / "spark")
    with pytest.raises(ConfigError, match=r"interactions\.sql failed on a value") as caught:
        land_and_check(spark, END)
    assert str(history["interactions"]["interaction_id"].iloc[0]) not in str(caught.value)
    assert not (spark.tables / "manifest.json").exists()
