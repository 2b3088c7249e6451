"""Contributions of trees: LightGBM's own, and Shapley's sum written out."""

from itertools import combinations
from math import factorial

import lightgbm as lgb
import numpy as np
import pytest

from scoring.train import shapley
from scoring.train.shapley import Forest
from scoring.train.tree_text import parse


def grown(rounds=25, seed=0, n=1500, **settings):
    """A booster with numbers, missing values, categories, and a column that it never asks for."""
    rng = np.random.default_rng(seed)
    X = np.column_stack(
        [
            rng.normal(size=n),
            rng.poisson(2, n),
            np.where(rng.random(n) < 0.3, np.nan, rng.exponential(10, n)),
            rng.integers(0, 40, n),
            np.where(rng.random(n) < 0.1, np.nan, rng.integers(0, 5, n)),
            np.zeros(n),
        ]
    )
    margin = X[:, 0] * (X[:, 1] > 1) + np.isnan(X[:, 2]) + (X[:, 3] % 3 == 0) - (X[:, 4] == 2)
    y = (rng.random(n) < 1 / (1 + np.exp(-margin))).astype(int)
    parameters = {
        "objective": "binary",
        "num_leaves": 15,
        "min_data_in_leaf": 10,
        "cat_smooth": 1,
        "max_bin": 63,
        "num_threads": 1,
        "verbosity": -1,
        "seed": seed,
        **settings,
    }
    data = lgb.Dataset(X, y, categorical_feature=[3, 4], params=parameters)
    return lgb.train(parameters, data, num_boost_round=rounds), X


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"extra_trees": True},
        {"num_leaves": 40, "rounds": 5},
        {"num_leaves": 2},
        {"use_missing": False},
        {"max_cat_to_onehot": 50},
    ],
    ids=str,
)
def test_contributions_are_those_of_lightgbm(settings):
    booster, X = grown(**settings)
    rng = np.random.default_rng(1)
    unseen = X[rng.permutation(len(X))[:400]].copy()
    unseen[:50, :3] *= 7
    unseen[50:100, 3] = [39, 41, 400, 0, -1] * 10
    unseen[100:150] = np.nan
    expected = booster.predict(unseen, pred_contrib=True)[:, :-1]
    found = Forest(booster.model_to_string()).contributions(unseen)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert (found[:, 5] == 0).all()
    assert np.abs(found).max() > 0.1


def test_contributions_are_shapley_values_by_definition():
    """Every coalition of columns, each weighted as Shapley (1953) did."""
    booster, X = grown(rounds=3, num_leaves=6)
    trees = parse(booster.model_to_string())

    def expected(tree, row, known, node=0):
        if node < 0:
            return tree.value[~node]
        left, right = int(tree.left[node]), int(tree.right[node])
        value = row[tree.feature[node]]
        if tree.feature[node] not in known:
            share = tree.rows(left) / tree.rows(node)
            return share * expected(tree, row, known, left) + (1 - share) * expected(
                tree, row, known, right
            )
        if np.isnan(value):
            goes_left = tree.missing_left[node]
        elif node in tree.levels:
            goes_left = value in tree.levels[node]
        else:
            goes_left = value <= tree.threshold[node]
        return expected(tree, row, known, left if goes_left else right)

    found = Forest(booster.model_to_string()).contributions(X[:5])
    k = X.shape[1]
    for row, values in zip(X[:5], found, strict=True):
        for i in range(k):
            others = [j for j in range(k) if j != i]
            total = sum(
                factorial(len(s)) * factorial(k - len(s) - 1) / factorial(k)
                * (expected(tree, row, {*s, i}) - expected(tree, row, set(s)))
                for tree in trees
                for size in range(k)
                for s in combinations(others, size)
            )  # fmt: skip
            assert values[i] == pytest.approx(total, abs=1e-12)


def test_a_row_gets_the_same_whoever_comes_with_it(monkeypatch):
    booster, X = grown()
    forest = Forest(booster.model_to_string())
    together = forest.contributions(X)
    monkeypatch.setattr(shapley, "_ROWS", 64)
    np.testing.assert_array_equal(forest.contributions(X), together)
    monkeypatch.setattr(shapley, "_TABLE_AT_MOST", 1)
    np.testing.assert_array_equal(forest.contributions(X[::7]), together[::7])


def test_no_trees_and_no_rows():
    booster, X = grown(rounds=1, min_data_in_leaf=1000)
    assert (Forest(booster.model_to_string()).contributions(X) == 0).all()
    booster, X = grown(rounds=2)
    assert Forest(booster.model_to_string()).contributions(X[:0]).shape == (0, 6)
