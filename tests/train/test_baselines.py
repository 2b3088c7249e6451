"""The baselines of the product: the same rows for all, whatever features a question uses."""

import numpy as np
import pandas as pd
import pytest
from train_kit import END, MODEL

from scoring.build.columns import Column
from scoring.build.featureset import FeatureSet
from scoring.build.run import build_training
from scoring.project import Project
from scoring.train.naive_bayes import NaiveBayesBaseline
from scoring.train.recipe import baseline_probabilities
from scoring.train.touch import FREQUENCY, RECENCY, with_touch


def _use(project: Project, themes: str) -> None:
    path = project.root / "models" / "conversion" / "model.toml"
    path.write_text(MODEL.replace('"engagement", "effort", "stages"', themes))


def test_the_hand_rule_reads_the_same_whatever_the_question_uses(fresh: Project):
    _use(fresh, '"engagement"')
    built = build_training(fresh, "conversion", END)
    own = with_touch(fresh, "conversion", END, built)
    assert not (fresh.store / "features" / "conversion" / "hand_rule").exists()
    np.testing.assert_array_equal(own[RECENCY], own["last_touch"])
    np.testing.assert_array_equal(own[FREQUENCY], own["touches_30d"])

    _use(fresh, '"stages"')
    other = build_training(fresh, "conversion", END)
    assert not any(c.stream == "interactions" for c in other.features.columns)
    beside = with_touch(fresh, "conversion", END, other)
    keys = ["lead_id", "as_of", RECENCY, FREQUENCY]
    pd.testing.assert_frame_equal(own[keys], beside[keys])
    assert own[RECENCY].notna().mean() > 0.5


def _rows(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    label = (rng.random(n) < 0.3).astype(int)
    return pd.DataFrame(
        {
            "label": label,
            "now_in": np.where(rng.random(n) < 0.2 + 0.5 * label, "offer", "new"),
            "branch": np.where(rng.random(n) < 0.3 + 0.3 * label, "wood", "steel"),
            "size": rng.normal(size=n) + label,
            RECENCY: rng.exponential(20, n),
            FREQUENCY: rng.poisson(1 + 4 * label).astype(float),
        }
    )


FEATURES = FeatureSet(
    (
        Column("now_in", "now_in", "s", "stage_changes", "last", of="stage", kind="category"),
        Column("branch", "branch", "f", "lead", "attribute", of="branch", kind="category"),
        Column("size", "size", "f", "lead", "attribute", of="size"),
    ),
    {"branch": "text", "size": "number"},
    frozenset(),
    frozenset(),
)


def test_each_baseline_reads_its_own_columns():
    train, test = _rows(600, 1), _rows(200, 2)
    stages = ("new", "offer")
    found = baseline_probabilities(train, test, ["size"], FEATURES, stages)
    assert list(found) == ["prevalence", "hand_rule", "naive_bayes", "logistic"]
    assert len({round(p, 12) for p in found["prevalence"]}) == 1

    as_odoo = [
        rows[["now_in", "branch"]].rename(columns={"now_in": "stage"}) for rows in (train, test)
    ]
    bayes = NaiveBayesBaseline(stages).fit(as_odoo[0], train["label"])
    np.testing.assert_array_equal(found["naive_bayes"], bayes.predict_proba(as_odoo[1])[:, 1])

    shuffled = test.assign(size=test["size"].to_numpy()[::-1])
    again = baseline_probabilities(train, shuffled, ["size"], FEATURES, stages)
    for name in ("prevalence", "hand_rule", "naive_bayes"):
        np.testing.assert_array_equal(found[name], again[name])
    assert (found["logistic"] != again["logistic"]).any()


@pytest.mark.parametrize("stages", [(), ("new", "offer")])
def test_without_attributes_and_stages_naive_bayes_says_the_prevalence(stages):
    train, test = _rows(600, 1), _rows(50, 2)
    nothing = FeatureSet((), {}, frozenset(), frozenset())
    found = baseline_probabilities(train, test, ["size"], nothing, stages)
    np.testing.assert_allclose(found["naive_bayes"], train["label"].mean(), atol=0.001)
