"""scikit-learn's own checks of an estimator, and the columns that they do not try."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from scoring.train.model import ConversionModel

# Why each check does not apply; a check that begins to pass fails the suite (`xfail_strict`).
EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": (
        "folds, bins, ranks and bagging count rows: a row of weight 2 is one lead, and two equal "
        "rows are two leads, which may stand in two folds"
    ),
}


@parametrize_with_checks(
    [ConversionModel(preset="fast")],
    expected_failed_checks=lambda _: EXPECTED,
    xfail_strict=True,
)
def test_scikit_learn(estimator, check):
    check(estimator)


def rows(n=300, seed=0):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"meetings": rng.poisson(2, n), "source": rng.choice(["fair", "web"], n)})
    return X, (rng.random(n) < 0.15 + 0.1 * X["meetings"].clip(upper=4)).astype(int)


def test_it_works_inside_other_tools_of_scikit_learn():
    X, y = rows()
    search = GridSearchCV(ConversionModel(), {"preset": ["fast"], "seed": [1, 2]}, cv=2)
    search.fit(X, y)
    assert search.best_estimator_.get_params() == search.best_params_
    assert cross_val_score(clone(search.best_estimator_), X, y, cv=2, scoring="roc_auc").min() > 0.5


def test_a_sparse_matrix_is_refused_in_one_sentence():
    X, y = rows()
    with pytest.raises(TypeError, match="must be dense: a sparse matrix is not supported"):
        ConversionModel().fit(csr_matrix(X[["meetings"]].to_numpy(dtype=float)), y)


def test_a_label_in_a_column_is_taken_with_a_warning():
    X, y = rows()
    with pytest.warns(DataConversionWarning):
        column = ConversionModel(preset="fast").fit(X, y.to_numpy()[:, None])
    flat = ConversionModel(preset="fast").fit(X, y)
    np.testing.assert_array_equal(column.predict_proba(X), flat.predict_proba(X))


def test_presets_take_what_the_number_of_conversions_allows():
    X, y = rows(n=2000, seed=1)
    settings = {
        (preset, n): ConversionModel(preset=preset).fit(X[:n], y[:n]).summary_["settings"]
        for preset in ("best", "fast")
        for n in (300, 2000)
    }
    assert settings == {
        ("best", 300): "small",
        ("best", 2000): "full",
        ("fast", 300): "small",
        ("fast", 2000): "quick",
    }
