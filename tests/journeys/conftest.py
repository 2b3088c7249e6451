"""Projects that the journeys share. Each is made once, through the command line."""

from pathlib import Path

import pytest
from kit import Journey, bank_project, oulad_project, real_data, scoring


def _folder(tmp_path_factory: pytest.TempPathFactory, name: str) -> Path:
    return tmp_path_factory.mktemp("journey") / name


@pytest.fixture(scope="session")
def clicks(tmp_path_factory: pytest.TempPathFactory) -> Journey:
    """Three presentations with every click: landed and checked."""
    return _ready(oulad_project(_folder(tmp_path_factory, "clicks"), real_data("oulad_clicks")))


@pytest.fixture(scope="session")
def submissions(tmp_path_factory: pytest.TempPathFactory) -> Journey:
    """All 22 presentations with submissions only: landed and checked."""
    folder = _folder(tmp_path_factory, "submissions")
    return _ready(oulad_project(folder, real_data("oulad_submissions")))


@pytest.fixture(scope="session")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Journey:
    """Telephone sales of deposits: landed and checked."""
    return _ready(bank_project(_folder(tmp_path_factory, "bank"), real_data("bank_marketing")))


def _ready(journey: Journey) -> Journey:
    journey("ingest")
    journey("check")
    return journey


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Journey:
    """The simulated sales organisation, after its first training and its first night."""
    root = _folder(tmp_path_factory, "sample")
    scoring("init", root, "--sample")
    journey = Journey(root)
    journey.json("run", "retrain")
    journey.json("run", "nightly")
    return journey
