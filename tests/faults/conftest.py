"""What the pipeline survives, each fault really caused and met through the command line.

    test_fault_commands.py     wrong arguments, settings, names, feature files
    test_fault_deliveries.py   files that are missing, empty, cut off, shrunken, garbled
    test_fault_rows.py         one night over rows that no contract allows, down to what is exported
    test_fault_machines.py     mail scanners, auto-replies, test leads: no score moves
    test_fault_models.py       too little to learn from, nothing to score, damaged models
    test_fault_processes.py    two runs at once, signals, kill -9 at random points
    test_fault_disks.py        a full disk, a read-only project, a project that moved

Every refusal is one sentence on stderr that says what, where and what to do, without a traceback
and without a value of the data; its exit code is the one of `scoring.errors`; and every published
file stays as it was, byte for byte.
"""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from fault_kit import NIGHT, Site, scoring


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small sales organisation as CSV files. `tier` says much about the outcome, from the start:
    a champion comes out of it whatever the learner is."""
    tables = tmp_path_factory.mktemp("simulated") / "tables"
    shape = ("--leads", 400, "--events-per-lead", 10, "--prevalence", 0.3, "--years", 1.5)
    scoring("simulate", tables, *shape, "--end", NIGHT, "--seed", 3)
    crm = tmp_path_factory.mktemp("exports") / "crm"
    crm.mkdir()
    outcomes = pd.read_parquet(tables / "outcomes.parquet")
    won = set(outcomes.loc[outcomes["outcome"] == "won", "lead_id"])
    for name in ("leads", "interactions", "outcomes", "stage_changes"):
        rows = pd.read_parquet(tables / f"{name}.parquet")
        if name == "leads":
            rows["tier"] = [_tier(lead, lead in won) for lead in rows["lead_id"]]
        rows.to_csv(crm / f"{name}.csv", index=False)
    return crm


def _tier(lead: str, won: bool) -> str:
    chance = hashlib.md5(lead.encode()).digest()[0] / 255
    return "gold" if chance < (0.8 if won else 0.1) else "plain"


@pytest.fixture(scope="session")
def untrained(exports: Path, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A project in which nothing has run."""
    site = Site(tmp_path_factory.mktemp("untrained"))
    shutil.copytree(exports, site.crm)
    known = ("--known-at-creation", "*", "--name", "faults", "--time-zone", "UTC")
    scoring("init", site.project, "--from", site.crm, *known)
    model = "models/conversion/model.toml"
    site.settings(model, "min_conversions = 40", "min_conversions = 10")
    site.settings(model, "min_validation = 10", "min_validation = 3")
    site.settings(model, "margin = 0.005", "margin = 1.0")
    site.settings(model, "[1, 3, 7, 14, 30, 60, 90, 180, 365]", "[3, 30]")
    site.settings(model, 'use = ["*"]', 'use = ["activity", "fit"]')
    return site


@pytest.fixture(scope="session")
def trained(untrained: Site, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The same with a champion and one delivered night."""
    site = Site(tmp_path_factory.mktemp("trained") / "site")
    shutil.copytree(untrained.root, site.root)
    assert site("run", "retrain", "--json", night=NIGHT).json["steps"]["train"]["promoted"]
    site("run", "nightly", night=NIGHT)
    return site


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[Site], Site]:
    def copy(site: Site) -> Site:
        shutil.copytree(site.root, tmp_path / "site")
        return Site(tmp_path / "site")

    return copy


@pytest.fixture
def fresh(copy_of: Callable[[Site], Site], untrained: Site) -> Site:
    """A copy of the untrained project for one test."""
    return copy_of(untrained)


@pytest.fixture
def site(copy_of: Callable[[Site], Site], trained: Site) -> Site:
    """A copy of the trained project for one test."""
    return copy_of(trained)
