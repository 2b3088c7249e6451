"""One Spark for all tests of this folder: starting it takes longer than most of them."""

import os
import shutil

import pytest


@pytest.fixture(scope="session", autouse=True)
def spark_is_possible() -> None:
    """Without pyspark or Java the folder is skipped; with SCORING_REQUIRE_SPARK (CI) it fails."""
    missing = []
    try:
        import pyspark  # noqa: F401
    except ImportError:
        missing.append("pyspark (pip install lead-scoring[spark])")
    if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        missing.append("Java 17 or newer")
    if missing and os.environ.get("SCORING_REQUIRE_SPARK"):
        pytest.fail(f"These tests have to run here, and there is no {' and no '.join(missing)}.")
    if missing:
        pytest.skip(f"There is no {' and no '.join(missing)}.")
