"""Bounds of probabilities against the exact chances of simulated companies."""

import shutil
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from train_kit import END, MODEL, TABLES, TEMPLATE

from scoring.build.run import build_training
from scoring.check.run import check
from scoring.clock import Moment
from scoring.ingest.run import ingest
from scoring.project import Project
from scoring.simulate import simulate
from scoring.train import tracking
from scoring.train.run import train

pytestmark = pytest.mark.slow
SEEDS = (31, 32, 33, 34)
BINS = 6


@pytest.mark.parametrize("seed", SEEDS)
def test_bounds_hold_the_true_chance_of_leads_with_that_probability(seed: int, tmp_path):
    """Trained half a year before the end, and applied to what came next: leads of about one
    probability, taken together, have a mean true chance between their mean bounds, in all but one
    of BINS groups."""
    root = tmp_path / "company"
    shutil.copytree(TEMPLATE / "features", root / "features")
    (root / "models" / "conversion").mkdir(parents=True)
    question = MODEL.replace("horizon_days = 60", "horizon_days = 90")
    (root / "models" / "conversion" / "model.toml").write_text(
        question + '[learner]\npreset = "fast"\n'
    )
    (root / "data").mkdir()
    listed = "\n".join(f'{t} = "{t}.parquet"' for t in TABLES)
    (root / "data" / "sources.toml").write_text(
        f'[sources.crm]\npath = "source"\n[sources.crm.tables]\n{listed}\n'
    )
    (root / "scoring.toml").write_text('[project]\nname = "company"\n')
    simulate(
        root / "source", leads=8_000, end=END, seed=seed, events_per_lead=10, prevalence=0.25,
        truth_dir=root / "truth",
    )  # fmt: skip
    project = Project(root)
    ingest(project, Moment(as_of=END, now=END))
    check(project, Moment(as_of=END, now=END))
    early = END - timedelta(days=200)
    train(project, "conversion", early)
    made = tracking.registered(project, "conversion", tracking.CANDIDATE)
    assert made is not None
    assert made.passed, made.why
    model = tracking.load(project, "conversion", made.version, made.fingerprint)
    rows = build_training(project, "conversion", END, features=model.features).frame()
    later = rows[rows["as_of"] >= early.replace(tzinfo=None)]
    said = model.model.predict_proba(model.joined(later)[list(model.names)])[:, 1]
    low, high = model.interval.bounds(said)
    truth = pd.read_parquet(root / "truth" / "probabilities.parquet")
    truth = truth.set_index(["lead_id", "as_of"])["probability"]
    keys = pd.MultiIndex.from_arrays([later["lead_id"], later["as_of"]])
    table = pd.DataFrame({"low": low, "said": said, "true": truth.reindex(keys), "high": high})
    assert table["low"].notna().mean() > 0.9
    table = table.dropna().sort_values("said")
    assert len(table) > 200
    groups = table.groupby(np.arange(len(table)) * BINS // len(table)).mean()
    inside = (groups["low"] <= groups["true"]) & (groups["true"] <= groups["high"])
    assert inside.sum() >= BINS - 1, groups.to_string()
