"""Projects that are made once for all tests of a session; whoever changes one copies it first."""

import pytest
from fixture_project import later_project, scored_project, troubled_project

from scoring.project import Project


@pytest.fixture(scope="session")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return scored_project(tmp_path_factory.mktemp("scored"))


@pytest.fixture(scope="session")
def later(scored: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return later_project(scored, tmp_path_factory.mktemp("later") / "project")


@pytest.fixture(scope="session")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return troubled_project(tmp_path_factory.mktemp("troubled"))
