"""A real history on Spark: 400,000 clicks of three courses, every table and feature the same."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from spark_kit import land_and_check, on_spark, same_features, same_tables

from scoring.build.run import build_training
from scoring.check import spread as check_spread
from scoring.check import tables as check_tables
from scoring.init.template import template_root
from scoring.init.write import init_from
from scoring.project import Project
from scoring.score.audit import audit

pytestmark = [pytest.mark.slow, pytest.mark.real]

QUESTION = "conversion"
END = datetime(2015, 9, 1, tzinfo=UTC)
MODEL = """
[question]
label = "at_decision"
[snapshots]
at_age_days = [30, 60, 120]
close_after_days = 1000
[features]
known_at_creation = ["*"]
"""


@pytest.fixture(scope="module")
def history() -> Path:
    said = os.environ.get("LEAD_SCORING_DATA")
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = (Path(said) if said else beside) / "oulad_clicks"
    if not (folder / "leads.parquet").is_file():
        pytest.skip(f"The real history oulad_clicks is not in {folder.parent}.")
    return folder


@pytest.fixture(scope="module", autouse=True)
def small_pieces() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check_tables, "ROWS_PER_PARTITION", 110_000)
        patch.setattr(check_spread, "ROWS_PER_SLICE", 150_000)
        yield


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, history: Path) -> tuple[Project, Project]:
    root = tmp_path_factory.mktemp("oulad")
    init_from(
        root / "duckdb",
        history,
        template=template_root(),
        known_at_creation=("*",),
        name=None,
        time_zone="UTC",
        ask=None,
    )
    (root / "duckdb" / "models" / "conversion" / "model.toml").write_text(MODEL)
    embedded = Project(root / "duckdb")
    spark = on_spark(embedded, root / "spark")
    for project in (embedded, spark):
        land_and_check(project, END)
    return embedded, spark


def test_tables_and_features_are_the_same(both: tuple[Project, Project]) -> None:
    embedded, spark = both
    same_tables(spark, embedded)
    ours, theirs = (build_training(project, QUESTION, END) for project in (spark, embedded))
    assert len(theirs.features.columns) > 50
    same_features(ours, theirs)


def test_no_feature_saw_the_future(both: tuple[Project, Project]) -> None:
    _, spark = both
    found = audit(spark, QUESTION, END, sample=30)
    assert found.compared > 1000
    assert found.differences == []
