"""A small simulated company that is built once."""

import shutil
from pathlib import Path

import pytest
from train_kit import END, MODEL, TABLES, TEMPLATE

from scoring.check.run import check
from scoring.clock import Moment
from scoring.ingest.run import ingest
from scoring.project import Project
from scoring.simulate import simulate


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """1,200 leads, checked, with a question that trains in seconds. Copy it before you train."""
    root = tmp_path_factory.mktemp("train") / "company"
    shutil.copytree(TEMPLATE / "features", root / "features")
    (root / "models" / "conversion").mkdir(parents=True)
    (root / "models" / "conversion" / "model.toml").write_text(MODEL)
    (root / "data").mkdir()
    listed = "\n".join(f'{t} = "{t}.parquet"' for t in TABLES)
    (root / "data" / "sources.toml").write_text(
        f'[sources.crm]\npath = "source"\n[sources.crm.tables]\n{listed}\n'
    )
    (root / "scoring.toml").write_text('[project]\nname = "company"\n')
    simulate(
        root / "source", leads=1_200, end=END, seed=5, events_per_lead=20, prevalence=0.2,
        truth_dir=root / "truth",
    )  # fmt: skip
    project = Project(root)
    moment = Moment(as_of=END, now=END)
    ingest(project, moment)
    check(project, moment)
    return project


@pytest.fixture
def fresh(company: Project, tmp_path: Path) -> Project:
    """A copy of the company, nothing trained yet."""
    shutil.copytree(company.root, tmp_path / "company")
    return Project(tmp_path / "company")
