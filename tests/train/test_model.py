"""`ConversionModel` on the columns that a CRM brings, and what its parts promise."""

import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import log_loss, roc_auc_score

from scoring.train import columns as cols
from scoring.train.baselines import LogisticBaseline, Prevalence
from scoring.train.binned import BinnedLogistic
from scoring.train.blend import fit_blend, group_folds, newest_shift
from scoring.train.model import ConversionModel
from scoring.train.ranks import RankLogistic


def leads(n=200, conversions=40, seed=0):
    """Every kind of column; `meetings`, `source` and `silent` matter."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "meetings": rng.poisson(2, n),
            "silent": np.where(rng.random(n) < 0.3, np.nan, rng.exponential(20, n)),
            "source": pd.Series(rng.choice(["fair", "web", "referral"], n), dtype="str"),
            "industry": pd.Series(
                [None if u < 0.2 else "ab"[int(u < 0.5)] for u in rng.random(n)], dtype=object
            ),
            "tier": pd.Categorical(rng.choice(["gold", "tin"], n)),
            "opted_in": rng.random(n) < 0.5,
            "answered": pd.array(rng.choice([True, False, None], n), dtype="boolean"),
            "amount": pd.array(np.where(rng.random(n) < 0.1, None, rng.random(n)), dtype="Float64"),
            "empty": np.nan,
            "empty_text": pd.Series([None] * n, dtype=object),
            "constant": 1.0,
            "email": [f"person{i}" for i in range(n)],
        }
    )
    signal = (
        X["meetings"] + 2 * (X["source"] == "referral") + X["silent"].isna() + rng.normal(size=n)
    )
    y = np.zeros(n, dtype=int)
    y[np.argsort(-signal.to_numpy())[:conversions]] = 1
    return X, y


@pytest.fixture(scope="module")
def fitted():
    return ConversionModel().fit(*leads())


def log_odds(model, X):
    negative, positive = model.predict_proba(X).T
    return np.log(positive) - np.log(negative)


def test_forty_conversions_are_enough_to_rank_new_leads(fitted):
    X, y = leads(n=2000, conversions=400, seed=1)
    p = fitted.predict_proba(X)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert roc_auc_score(y, p[:, 1]) > 0.85
    assert log_loss(y, p[:, 1]) < 0.9 * log_loss(y, np.full(2000, 0.2))


def test_scikit_learn_api(fitted):
    assert clone(fitted).get_params() == {"preset": "best", "seed": 7}
    assert ConversionModel().set_params(seed=3).seed == 3
    assert fitted.n_features_in_ == 12
    assert list(fitted.feature_names_in_) == list(leads()[0].columns)
    X, _ = leads(seed=2)
    assert (fitted.predict(X) == (fitted.predict_proba(X)[:, 1] > 0.5)).all()
    with pytest.raises(NotFittedError):
        ConversionModel().predict_proba(X)


def test_contributions_add_up_to_the_log_odds(fitted):
    X, _ = leads(n=500, conversions=100, seed=3)
    X.loc[::7, "source"] = "never seen"
    X.index = pd.Index([f"lead{i}" for i in range(500)])
    parts = fitted.contributions(X)
    assert list(parts.columns) == list(X.columns)
    assert parts.index.equals(X.index)
    np.testing.assert_allclose(
        parts.sum(axis=1) + fitted.base_, log_odds(fitted, X), rtol=0, atol=1e-6
    )
    assert (parts[["empty", "empty_text", "constant"]] == 0).all(axis=None)
    assert parts["meetings"][X["meetings"] > 3].min() > parts["meetings"][X["meetings"] < 2].max()


def test_columns_are_found_by_name(fitted):
    X, _ = leads(seed=4)
    expected = fitted.predict_proba(X)
    mixed = X[X.columns[::-1]].assign(unknown=1, later=pd.Timestamp("2026-01-01"))
    np.testing.assert_array_equal(fitted.predict_proba(mixed), expected)


def test_an_absent_column_counts_as_missing(fitted):
    X, _ = leads(seed=4)
    for name in X.columns:
        np.testing.assert_array_equal(
            fitted.predict_proba(X.drop(columns=name)),
            fitted.predict_proba(X.assign(**{name: None})),
        )


def test_an_unseen_level_counts_as_missing(fitted):
    X, _ = leads(seed=4)
    np.testing.assert_array_equal(
        fitted.predict_proba(X.assign(source="telegraph", tier="mithril")),
        fitted.predict_proba(X.assign(source=None, tier=None)),
    )


def test_the_same_values_in_another_dtype_give_the_same_probability(fitted):
    X, _ = leads(seed=4)
    other = X.astype(
        {"meetings": "Int64", "source": "category", "tier": object, "opted_in": float}
    ).assign(industry=X["industry"].astype("category"), answered=X["answered"].astype(object))
    np.testing.assert_array_equal(fitted.predict_proba(other), fitted.predict_proba(X))


def test_missing_where_fit_saw_none_is_the_median(fitted):
    X, _ = leads()
    at_median = X.assign(meetings=float(X["meetings"].median()))
    np.testing.assert_array_equal(
        fitted.predict_proba(X.assign(meetings=np.nan)), fitted.predict_proba(at_median)
    )


def test_no_rows_give_no_probabilities(fitted):
    X, _ = leads()
    assert fitted.predict_proba(X.head(0)).shape == (0, 2)
    assert fitted.contributions(X.head(0)).shape == (0, 12)


@pytest.mark.parametrize(
    "moment",
    [
        pd.Timestamp("2026-01-01"),
        pd.Timestamp("2026-01-01", tz="UTC"),
        dt.date(2026, 1, 1),
        dt.timedelta(days=1),
        pd.Period("2026-01"),
    ],
)
def test_dates_are_refused_by_name(moment):
    X, y = leads()
    with pytest.raises(ValueError, match=r"Column 'met_at' must hold numbers.*dates or times"):
        ConversionModel().fit(X.assign(met_at=moment), y)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"y": np.zeros(200)}, "200 rows that are all 0"),
        ({"y": np.arange(200) % 3}, "two classes. Got 3"),
        ({"y": [None] + [0, 1] * 99 + [0]}, "`y` must not have missing values"),
        ({"y": [0, 1]}, "one value per row"),
        ({"y": np.arange(200) == 5}, "at least two independent leads"),
        ({"groups": [None] * 200}, "`groups` must not have missing values"),
        ({"time": [pd.NaT] * 200}, "`time` must not have missing values"),
        ({"time": ["soon"] * 200}, "`time` must hold timestamps"),
        ({"sample_weight": -np.ones(200)}, "sample_weight"),
        ({"X": pd.DataFrame(index=range(200))}, "at least one column"),
        ({"X": np.zeros(200)}, "two dimensions"),
        ({"X": pd.DataFrame(np.zeros((200, 2)), columns=["a", "a"])}, "unique. Got 'a'"),
        ({"X": pd.DataFrame({"tags": [["a"]] * 200})}, "'tags' must hold"),
    ],
)
def test_unusable_input_is_refused_in_one_sentence(changed, says):
    X, y = leads()
    with pytest.raises(ValueError, match=says):
        ConversionModel().fit(**({"X": X, "y": y} | changed))
    with pytest.raises(ValueError, match="preset"):
        ConversionModel(preset="quick").fit(X, y)


def test_text_in_a_numeric_column_is_refused(fitted):
    X, _ = leads()
    with pytest.raises(ValueError, match="'meetings' must hold numbers, as at fit"):
        fitted.predict_proba(X.assign(meetings="many"))


def test_arrays_and_other_labels():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    X[::5, 1] = np.nan
    X[::9, 2] = np.inf
    y = np.where(X[:, 0] + rng.normal(size=300) > 1, "won", "lost")
    model = ConversionModel().fit(X, y)
    assert model.classes_.tolist() == ["lost", "won"]
    assert not hasattr(model, "feature_names_in_")
    assert model.score(X, y) > 0.8
    with pytest.raises(ValueError, match="X has 2 features, but ConversionModel is expecting 3"):
        model.predict_proba(X[:, :2])


def test_columns_without_any_information_give_the_prevalence():
    y = np.arange(200) % 5 == 0
    X = pd.DataFrame({"a": np.nan, "b": 1.0, "c": "same"}, index=range(200))
    assert ConversionModel().fit(X, y).predict_proba(X)[:, 1] == pytest.approx(0.2, abs=0.01)


def test_ten_thousand_levels_do_not_explode():
    rng = np.random.default_rng(0)
    n = 10_000
    X = pd.DataFrame({"phone": [f"+{i}" for i in range(n)], "zip": rng.integers(0, 400, n)})
    X["zip"] = "z" + X["zip"].astype(str)
    phone, zip_code = cols.fit(X)
    assert (phone.levels, phone.pooled) == ((), True)
    assert len(zip_code.levels) == cols.LEVELS_AT_MOST
    assert set(cols.encode([zip_code], X)[:, 0]) == set(range(cols.LEVELS_AT_MOST + 1))


@pytest.mark.parametrize("kind", [BinnedLogistic, RankLogistic])
def test_sample_weight_zero_is_absence_for_the_logistic_members(kind):
    X, y = leads(n=300, conversions=80)
    columns = cols.fit(X)
    matrix = cols.encode(columns, X)
    kept = np.arange(300) % 3 > 0
    # Bins, ranks and scales are those of all rows: so the other rows come again, unweighted.
    twice = np.vstack([matrix, matrix])
    weighted, _ = kind.fit(columns, twice, np.tile(y, 2), np.append(kept, np.zeros(300)), [])
    other = np.where(kept, y, 1 - y)
    without, _ = kind.fit(columns, twice, np.tile(other, 2), np.append(kept, np.zeros(300)), [])
    np.testing.assert_allclose(weighted.margin(matrix), without.margin(matrix), atol=1e-9)


def test_bins_keep_what_a_rare_or_a_usual_value_says():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "rarely": (rng.random(1000) < 0.03).astype(float),
            "usually": (rng.random(1000) < 0.97).astype(float),
            "capped": np.minimum(rng.exponential(1, 1000), 1.2),
        }
    )
    y = (rng.random(1000) < 0.2).astype(float)
    columns = cols.fit(X)
    matrix = cols.encode(columns, X)
    member, _ = BinnedLogistic.fit(columns, matrix, y, np.ones(1000), [])
    added = member.contributions(matrix)
    for j, name in enumerate(X):
        top = X[name] == X[name].max()
        assert set(added[top, j]).isdisjoint(added[~top, j])


@pytest.mark.parametrize("kind", [BinnedLogistic, RankLogistic])
def test_margins_of_the_folds_are_those_of_a_member_that_did_not_see_the_row(kind):
    """Weight 0 takes the fold's rows out and leaves bins and ranks as they are."""
    X, y = leads(n=400, conversions=120)
    X = X.drop(columns="email")
    columns = cols.fit(X)
    matrix = cols.encode(columns, X)
    folds = group_folds(y.astype(float), np.arange(400), 4, seed=1)
    _, margins = kind.fit(columns, matrix, y, np.ones(400), folds)
    for train, test in folds:
        weight = np.isin(np.arange(400), train).astype(float)
        apart, _ = kind.fit(columns, matrix, y, weight, [])
        np.testing.assert_allclose(apart.margin(matrix)[test], margins[test], atol=2e-3)


def test_ranks_follow_the_order_and_not_the_size():
    rng = np.random.default_rng(0)
    amount = rng.lognormal(8, 2, 600)
    X = pd.DataFrame({"amount": amount, "source": rng.choice(["fair", "web"], 600)})
    y = (rng.random(600) < expit((np.argsort(np.argsort(amount)) / 600 - 0.7) * 4)).astype(float)
    fits = []
    for frame in (X, X.assign(amount=np.log(amount))):
        columns = cols.fit(frame)
        matrix = cols.encode(columns, frame)
        member, _ = RankLogistic.fit(columns, matrix, y, np.ones(600), [])
        fits.append((columns, member, member.margin(matrix)))
    np.testing.assert_allclose(fits[0][2], fits[1][2], atol=0.02)  # joined by lines, not steps
    columns, member, _ = fits[0]
    absurd = cols.encode(columns, X.head(2).assign(amount=[amount.max(), 1e12]))
    assert member.contributions(absurd)[0, 0] == member.contributions(absurd)[1, 0]


@pytest.mark.parametrize("kind", [BinnedLogistic, RankLogistic])
def test_terms_are_centred_on_the_training_rows(kind):
    X, y = leads(n=400, conversions=120)
    columns = cols.fit(X)
    matrix = cols.encode(columns, X)
    member, _ = kind.fit(columns, matrix, y, np.ones(400), [])
    np.testing.assert_allclose(member.contributions(matrix).mean(axis=0), 0, atol=1e-9)
    assert member.base == pytest.approx(member.margin(matrix).mean(), abs=1e-9)
    again = kind.from_json(json.loads(json.dumps(member.to_json())))
    np.testing.assert_array_equal(again.margin(matrix), member.margin(matrix))


@given(
    st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=20, max_size=200),
    st.integers(0, 5),
)
@settings(max_examples=50, deadline=None)
def test_folds_keep_groups_together_and_cover_every_row_once(rows, seed):
    labels = np.array([label for _, label in rows], dtype=float)
    groups = np.unique([group for group, _ in rows], return_inverse=True)[1]
    folds = group_folds(labels, groups, 3, seed)
    tests = np.concatenate([test for _, test in folds])
    assert sorted(tests) == list(range(len(rows)))
    for train, test in folds:
        assert set(groups[train]).isdisjoint(groups[test])
        assert len(train) + len(test) == len(rows)


def test_folds_share_out_conversions_evenly():
    y = (np.arange(1000) < 43).astype(float)
    folds = group_folds(y, np.arange(1000), 5, seed=1)
    assert {int(y[test].sum()) for _, test in folds} <= {8, 9}
    assert {len(test) for _, test in folds} <= {198, 199, 200, 201, 202}


def test_a_person_with_many_rows_is_not_learnt_by_heart():
    """Ten rows per person, pure noise: folds that split people would see a strong signal."""
    rng = np.random.default_rng(0)
    person = np.repeat(np.arange(60), 10)
    X = pd.DataFrame({f"x{j}": rng.normal(size=60)[person] for j in range(4)})
    y = (rng.random(60) < 0.4).astype(int)[person]
    model = ConversionModel().fit(X, y, groups=person)
    careless = ConversionModel().fit(X, y)
    new = pd.DataFrame(rng.normal(size=(500, 4)), columns=X.columns)
    assert log_odds(model, new).std() < 0.5 * log_odds(careless, new).std()


def test_blend_is_the_average_for_few_rows_and_the_truth_for_many():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=50_000)
    noise = rng.normal(size=50_000)
    y = (rng.random(50_000) < expit(2 * truth - 1)).astype(float)
    for n, expected, within in ((20, [0.5, 0.5], 0.25), (50_000, [2.0, 0.0], 0.05)):
        blend = fit_blend([truth[:n], noise[:n]], y[:n], np.ones(n), n // 3)
        assert blend.weights == pytest.approx(expected, abs=within)
    assert blend.intercept == pytest.approx(-1, abs=0.05)
    against = fit_blend([truth, -truth], y, np.ones(50_000), 15_000)
    assert against.weights[1] == 0.0


def test_newest_rows_set_the_level():
    rng = np.random.default_rng(0)
    n = 1600
    X = pd.DataFrame({"x": rng.normal(size=n)})
    time = pd.Series(pd.date_range("2025-01-01", periods=n, freq="h", tz="UTC"))
    late = np.arange(n) >= 0.85 * n
    y = rng.random(n) < expit(X["x"] - 2.5 + 1.5 * late)
    model = ConversionModel().fit(X, y, time=time)
    assert model.predict_proba(X[late])[:, 1].mean() == pytest.approx(y[late].mean(), abs=0.02)
    assert model.summary_["newest_shift"] == pytest.approx(1.2, abs=0.4)
    unaware = ConversionModel().fit(X, y)
    assert unaware.predict_proba(X)[:, 1].mean() == pytest.approx(y.mean(), abs=0.01)
    assert unaware.summary_["newest_shift"] is None


def test_newest_shift_needs_conversions_and_solves_its_equation():
    margin, time = np.linspace(-4, 1, 2000), np.arange(2000.0)
    y = (np.arange(2000) % 4 == 0).astype(float)
    one, group = np.ones(2000), np.arange(2000)
    shift = newest_shift(margin, y, one, time, group)
    newest = time >= 1699
    assert expit(margin[newest] + shift).mean() == pytest.approx(y[newest].mean(), abs=1e-3)
    assert newest_shift(margin, y * (time < 1800), one, time, group) is None
    # Four snapshots of one lead are one conversion: 301 newest rows hold 19 that convert.
    assert newest_shift(margin, (group // 4 % 4 == 0) * 1.0, one, time, group // 4) is None


def test_baselines_follow_the_same_rules():
    X, y = leads(n=600, conversions=150)
    new, new_y = leads(n=600, conversions=150, seed=1)
    everybody = Prevalence().fit(X, y).predict_proba(new)
    assert everybody.shape == (600, 2)
    assert (everybody[:, 1] == 0.25).all()
    logistic = LogisticBaseline().fit(X, y)
    p = logistic.predict_proba(new)[:, 1]
    assert roc_auc_score(new_y, p) > 0.85
    assert log_loss(new_y, p) < log_loss(new_y, everybody[:, 1])
    mixed = new[new.columns[::-1]].assign(unknown=1)
    np.testing.assert_allclose(logistic.predict_proba(mixed)[:, 1], p)
    assert np.isfinite(logit(logistic.predict_proba(new.drop(columns="silent"))[:, 1])).all()
    with pytest.raises(ValueError, match="dates or times"):
        LogisticBaseline().fit(X.assign(met_at=pd.Timestamp("2026-01-01")), y)


@pytest.mark.slow
def test_the_blend_beats_both_baselines_on_a_curved_truth():
    X, _ = leads(n=6000, conversions=1)
    rng = np.random.default_rng(1)
    curve = np.where(X["silent"].between(10, 25), 2.0, 0.0) * (X["source"] != "web")
    y = (rng.random(6000) < expit(curve - 2)).astype(int)
    train, test = np.arange(6000) < 4000, np.arange(6000) >= 4000
    losses = [
        log_loss(y[test], model.fit(X[train], y[train]).predict_proba(X[test])[:, 1])
        for model in (ConversionModel(), LogisticBaseline(), Prevalence())
    ]
    assert losses[0] < losses[1] - 0.01
    assert losses[0] < losses[2] - 0.02
