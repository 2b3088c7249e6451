"""What changed features did: named, measured by taking them back, told by the next training."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from typer.testing import CliRunner

from scoring.build.columns import Column
from scoring.build.featureset import FeatureSet
from scoring.cli.app import app
from scoring.config import LearnerSection
from scoring.project import Project
from scoring.train import effects as module
from scoring.train.effects import Effect, Recipe, effect_lines, effects, feature_changes
from scoring.train.fitted import choose
from scoring.train.learned import Learned
from scoring.train.splits import Split


def _column(name: str, theme: str, days: int | None = None, says: str = "") -> Column:
    return Column(name, name, theme, "interactions", "count", days=days, singular=says)


def _set(*columns: Column) -> FeatureSet:
    return FeatureSet(columns, {}, frozenset(), frozenset())


def test_names_by_what_became_of_them():
    before = _set(_column("a", "x"), _column("b", "x"), _column("c", "x", days=7))
    after = _set(
        _column("b", "y", says="other words"), _column("c", "x", days=30), _column("d", "x")
    )
    told = feature_changes(before, ["a", "b", "c"], after, ["b", "c", "d"])
    assert told == (("d",), ("a",), ("c",))


def test_what_a_model_did_not_learn_from_is_no_change():
    both = _set(_column("a", "x"), _column("b", "x"))
    assert feature_changes(both, ["a"], both, ["a", "b"]) == (("b",), (), ())


class _Plain:
    """Logistic regression on the chosen columns, in place of the whole model."""

    def __init__(self, rows, features, learner, leave_out=()):  # noqa: ARG002 - as `recipe.fit`
        self.names = choose(rows, features, leave_out).names
        self.learned = Learned()
        self.model = LogisticRegression().fit(rows[list(self.names)], rows["label"])

    def probability(self, rows):
        return self.model.predict_proba(rows[list(self.names)])[:, 1]


@pytest.fixture
def recipes(monkeypatch: pytest.MonkeyPatch) -> tuple[Recipe, Recipe, Split]:
    """The champion's recipe knows `signal` and `old`; the candidate's has spoilt `signal`, lost
    `old`, and found `new`, each in a theme of its own."""
    monkeypatch.setattr(module, "fit", _Plain)
    rng = np.random.default_rng(2)
    n = 3_000
    label = rng.integers(0, 2, n)
    at = pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(n), unit="h")
    rows = pd.DataFrame(
        {"root_key": np.arange(n), "group_id": np.arange(n), "as_of": at, "label": label,
         "label_known_at": at}
    )  # fmt: skip
    good = {name: label + rng.normal(0, 1, n) for name in ("signal", "old", "new")}
    learner, split = LearnerSection(), _split(n)
    standing = rows.assign(signal=good["signal"], old=good["old"])
    coming = rows.assign(signal=rng.normal(0, 1, n), new=good["new"])
    first = _set(_column("signal", "changed", days=7), _column("old", "gone"))
    second = _set(_column("signal", "changed", days=30), _column("new", "found"))
    early = slice(None, n // 2)
    return (
        Recipe(standing, first, _Plain(standing[early], first, learner)),
        Recipe(coming, second, _Plain(coming[early], second, learner)),
        split,
    )


def _split(n: int) -> Split:
    places = np.arange(n)
    end = pd.Timestamp("2027-01-01")
    return Split(places[: n // 2], places[n // 2 :], end, end)


def test_each_change_is_measured_by_taking_it_back(recipes):
    standing, coming, split = recipes
    found = {e.theme: e for e in effects(standing, coming, split, LearnerSection(), seed=1)}
    assert set(found) == {"changed", "gone", "found"}
    assert found["found"].added == ("new",)
    assert found["gone"].removed == ("old",)
    assert found["changed"].changed == ("signal",)
    assert found["found"].high < 0, "a good feature was added"
    assert found["gone"].low > 0, "a good feature was removed"
    assert found["changed"].low > 0, "a good feature was spoilt"


def test_the_same_recipe_has_no_effects(recipes):
    _, coming, split = recipes
    assert effects(coming, coming, split, LearnerSection(), seed=1) == []


def test_many_changed_themes_are_named_though_not_measured(recipes, monkeypatch):
    monkeypatch.setattr(module, "MOST_MEASURED", 1)
    standing, coming, split = recipes
    found = effects(standing, coming, split, LearnerSection(), seed=1)
    assert [e.log_loss is None for e in found] == [False, True, True]
    lines = list(effect_lines([vars(e) for e in found]))
    assert "log loss" in lines[0]
    assert lines[1].endswith("not measured")


def test_an_effect_as_a_line():
    told = vars(Effect("web", ("a", "b"), (), ("c",), -0.0123, -0.02, 0.001))
    assert list(effect_lines([told])) == [
        "features of web: 2 added, 1 changed; log loss -0.0123 (-0.0200 to +0.0010)"
    ]


def _run(project: Project, *arguments: str) -> str:
    root = str(project.root)
    done = CliRunner().invoke(app, [*arguments, "--project", root, "--as-of", "2026-11-01"])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.slow
def test_an_edit_changes_no_score_tonight_and_is_told_of_by_the_next_training(fresh: Project):
    theme = fresh.root / "features" / "engagement.py"
    _run(fresh, "train")
    _run(fresh, "score")
    scores = fresh.root / "out" / "scores.csv"
    before = scores.read_bytes()
    edited = theme.read_text().replace("last_days=[7, 30, 90]", "last_days=[5, 30]", 1)
    edited += '\ncalls = interactions("call").count().says("{n} call", "{n} calls")\n'
    theme.write_text(edited)
    _run(fresh, "score")
    assert scores.read_bytes() == before

    said = json.loads(_run(fresh, "train", "--json"))
    (change,) = said["changes"]
    assert change["theme"] == "engagement"
    assert set(change["added"]) == {"calls", "touches_5d"}
    assert set(change["removed"]) == {"touches_7d", "touches_90d"}
    assert change["low"] <= change["log_loss"] <= change["high"]
    used = {
        f["name"]: f["used_by"] for f in json.loads(_run(fresh, "features", "--json"))["features"]
    }
    assert any("candidate 2" in user for user in used["calls"])
    assert not any(
        "candidate 2" in user for name in change["removed"] for user in used.get(name, ())
    )
