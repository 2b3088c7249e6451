"""The hand rule: one smoothed rate per band of recency and frequency."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from scoring.train.hand_rule import HandRule

ACTIVE, SILENT = (1.0, 8), (200.0, 0)


def rows(*cells):
    """Each cell: (days, count), rows, conversions."""
    X = pd.DataFrame(
        [cell for cell, n, _ in cells for _ in range(n)], columns=["last_touch", "touches_30d"]
    )
    return X, np.concatenate([np.arange(n) < k for _, n, k in cells]).astype(int)


def frame(days, counts):
    return pd.DataFrame({"last_touch": days, "touches_30d": counts})


def test_smoothed_rate_of_the_cell():
    rule = HandRule().fit(*rows((ACTIVE, 40, 20), (SILENT, 60, 0)))
    active, silent, nobody = rule.predict_proba(frame([0.1, 91, 50], [10, 0, 2]))[:, 1]
    assert active == pytest.approx((20 + 10 * 0.2) / 50)
    assert silent == pytest.approx((0 + 10 * 0.2) / 70)
    assert nobody == pytest.approx(0.2)


def test_bands_end_where_a_person_would_say_so():
    days = [0, 1, 1.5, 7, 7.01, 30, 31, 90, 91, np.nan, np.inf]
    counts = [0, 1, 2, 3, 5, 6, 10, 20, 21, np.nan]
    grid = frame(np.repeat(days, len(counts)), np.tile(counts, len(days)))
    recency, frequency = HandRule()._bands(grid)
    assert recency[:: len(counts)].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 5]
    assert frequency[: len(counts)].tolist() == [0, 1, 1, 2, 2, 3, 3, 4, 5, 6]


def test_never_in_touch_is_a_band_of_its_own():
    never = (np.nan, 0)
    rule = HandRule().fit(*rows((ACTIVE, 30, 15), (SILENT, 30, 0), (never, 30, 6)))
    p = rule.predict_proba(frame([200.0, np.nan], [0, 0]))[:, 1]
    assert p[0] < p[1] == pytest.approx((6 + 10 * 21 / 90) / 40)


def test_the_caller_names_the_columns():
    X, y = rows((ACTIVE, 40, 20), (SILENT, 60, 0))
    named = X.rename(columns={"last_touch": "age_of_newest", "touches_30d": "touches_90d"})
    rule = HandRule(recency="age_of_newest", frequency="touches_90d")
    assert clone(rule).get_params() == {"recency": "age_of_newest", "frequency": "touches_90d"}
    np.testing.assert_array_equal(
        rule.fit(named.assign(other="x"), y).predict_proba(named),
        HandRule().fit(X, y).predict_proba(X),
    )


def test_without_its_columns_it_is_the_prevalence():
    X, y = rows((ACTIVE, 40, 20), (SILENT, 60, 0))
    p = HandRule().fit(X[[]], y).predict_proba(X)[:, 1]
    np.testing.assert_allclose(p, 0.2)
    p = HandRule().fit(X, y).predict_proba(X[[]])[:, 1]
    np.testing.assert_allclose(p, 0.2)
    one_left = HandRule().fit(X[["last_touch"]], y).predict_proba(X[["last_touch"]])[:, 1]
    assert one_left[0] > 0.4 > 0.05 > one_left[-1]


def test_text_labels_and_what_is_refused():
    X, y = rows((ACTIVE, 40, 20), (SILENT, 60, 0))
    with pytest.raises(NotFittedError):
        HandRule().predict_proba(X)
    rule = HandRule().fit(X, np.where(y, "won", "lost"))
    assert rule.classes_.tolist() == ["lost", "won"]
    assert rule.predict_proba(X)[0, 1] > 0.4
    assert rule.predict_proba(X[:0]).shape == (0, 2)
    with pytest.raises(ValueError, match="two classes"):
        HandRule().fit(X, np.zeros(100))
    with pytest.raises(ValueError, match="inconsistent"):
        HandRule().fit(X, y[1:])
    with pytest.raises(ValueError, match="must hold numbers"):
        HandRule().fit(X.assign(last_touch="yesterday"), y)


VALUE = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.integers(0, 100))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(VALUE, VALUE, st.booleans()), min_size=1, max_size=30))
def test_always_a_probability_and_right_on_average(drawn):
    X = pd.DataFrame([row[:2] for row in drawn], columns=["last_touch", "touches_30d"])
    X = pd.concat([X, X], ignore_index=True)
    y = np.array([row[2] for row in drawn] + [not row[2] for row in drawn])
    p = HandRule().fit(X, y).predict_proba(X)
    assert ((p > 0) & (p < 1)).all()
    np.testing.assert_allclose(p.sum(axis=1), 1)
    np.testing.assert_allclose(p[:, 1], 0.5)  # every cell is half won
