"""The sample project on Spark: the same tables, features and scores as on the embedded engine."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime

import pandas as pd
import pytest
from spark_kit import land_and_check, on_spark, same_features, same_tables

from scoring.build.run import build_training
from scoring.check import spread as check_spread
from scoring.check import tables as check_tables
from scoring.init.template import template_root
from scoring.init.write import init_sample
from scoring.project import Project
from scoring.score.audit import audit
from scoring.score.run import read_scores, score
from scoring.train import tracking
from scoring.train.run import train

pytestmark = pytest.mark.slow

QUESTION = "conversion"
END = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="module", autouse=True)
def small_partitions() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check_tables, "ROWS_PER_PARTITION", 25_000)
        patch.setattr(check_spread, "ROWS_PER_SLICE", 20_000)
        yield


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The sample, checked by DuckDB."""
    root = tmp_path_factory.mktemp("duckdb") / "sample"
    init_sample(root, template=template_root(), end=END, seed=7)
    project = Project(root)
    land_and_check(project, END)
    return project


@pytest.fixture(scope="module")
def spark(embedded: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same landing with `engine = "spark"`, checked there."""
    project = on_spark(embedded, tmp_path_factory.mktemp("spark") / "sample")
    land_and_check(project, END)
    return project


@pytest.fixture(scope="module")
def champions(embedded: Project, spark: Project) -> None:
    """One champion for both, trained by DuckDB."""
    candidate = train(embedded, QUESTION, END).candidate
    tracking.set_champion(embedded, QUESTION, candidate, "for the tests", END)
    for path in embedded.store.iterdir():
        if not (spark.store / path.name).exists():
            copy = shutil.copytree if path.is_dir() else shutil.copyfile
            copy(path, spark.store / path.name)


def test_tables_are_the_same(embedded: Project, spark: Project) -> None:
    same_tables(spark, embedded)


def test_training_rows_are_the_same(embedded: Project, spark: Project) -> None:
    same_features(build_training(spark, QUESTION, END), build_training(embedded, QUESTION, END))


@pytest.mark.usefixtures("champions")
def test_scores_are_the_same(embedded: Project, spark: Project) -> None:
    score(embedded, QUESTION, END)
    score(spark, QUESTION, END)
    ours, theirs = read_scores(spark, QUESTION), read_scores(embedded, QUESTION)
    assert len(theirs) > 100
    exact = [name for name in theirs if name != "probability"]
    pd.testing.assert_frame_equal(ours[exact], theirs[exact], check_exact=True)
    pd.testing.assert_series_equal(ours["probability"], theirs["probability"], rtol=0, atol=1e-9)


@pytest.mark.usefixtures("champions")
def test_no_feature_saw_the_future(spark: Project) -> None:
    score(spark, QUESTION, END)
    found = audit(spark, QUESTION, END, sample=30)
    assert {"training", "scores"} <= set(found.snapshots)
    assert found.compared > 1000
    assert found.differences == []
