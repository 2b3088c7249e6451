"""A company that changes: newer data comes through the gates, a worse model does not."""

import shutil
from datetime import timedelta

import pytest
from train_kit import END, MODEL, TABLES, TEMPLATE

from scoring.check.run import check
from scoring.clock import Moment
from scoring.ingest.run import ingest
from scoring.project import Project
from scoring.promote.run import offer
from scoring.simulate import simulate
from scoring.train import tracking
from scoring.train.run import train

pytestmark = pytest.mark.slow
QUESTION = "conversion"
FAST = MODEL.replace("margin = 1.0", "margin = 0.01") + '[learner]\npreset = "fast"\n'


@pytest.fixture(scope="module")
def drifting(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """4,000 leads in two years; buyers become several times as frequent on the way."""
    root = tmp_path_factory.mktemp("drift") / "company"
    shutil.copytree(TEMPLATE / "features", root / "features")
    (root / "models" / QUESTION).mkdir(parents=True)
    (root / "models" / QUESTION / "model.toml").write_text(FAST)
    (root / "data").mkdir()
    listed = "\n".join(f'{t} = "{t}.parquet"' for t in TABLES)
    (root / "data" / "sources.toml").write_text(
        f'[sources.crm]\npath = "source"\n[sources.crm.tables]\n{listed}\n'
    )
    (root / "scoring.toml").write_text('[project]\nname = "company"\n')
    simulate(
        root / "source", leads=4_000, end=END, seed=11, events_per_lead=15, prevalence=0.2,
        drift=2.0, truth_dir=root / "truth",
    )  # fmt: skip
    project = Project(root)
    ingest(project, Moment(as_of=END, now=END))
    check(project, Moment(as_of=END, now=END))
    return project


def test_newer_data_comes_through_and_a_worse_recipe_is_held(drifting: Project):
    early = END - timedelta(days=270)
    first = train(drifting, QUESTION, early)
    assert offer(drifting, QUESTION, early).promoted, first.decision.why

    newer = train(drifting, QUESTION, END)
    offered = offer(drifting, QUESTION, END)
    assert offered.promoted, newer.decision.why
    assert "with newer data log loss" in offered.why  # it was held against the champion as it stood
    assert offered.impact is not None
    assert offered.impact.grade > 0

    # A recipe that knows next to nothing of the lead.
    path = drifting.root / "models" / QUESTION / "model.toml"
    path.write_text(FAST.replace('"engagement", "effort", "stages"', '"lead_age*", "age_of_lead"'))
    changed = Project(drifting.root)
    worse = train(changed, QUESTION, END)
    held = offer(changed, QUESTION, END)
    assert not held.promoted
    assert "not better than the" in worse.decision.why
    champion = tracking.registered(changed, QUESTION, tracking.CHAMPION)
    assert champion is not None
    assert champion.version == offered.version
