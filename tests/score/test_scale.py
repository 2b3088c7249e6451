"""Score, grade, rank and trend stand on one scale."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.errors import NoUsableModel, ScoringError
from scoring.score import scale

probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=40).map(np.array)


def test_score_is_the_mid_rank_percentile() -> None:
    reference = np.array([0.1, 0.2, 0.2, 0.2, 0.9])
    found = scale.score(np.array([0.0, 0.1, 0.2, 0.5, 0.9, 1.0]), reference)
    assert found.tolist() == [0, 10, 50, 80, 90, 100]


def test_a_reference_of_one_value_puts_everybody_in_the_middle() -> None:
    assert scale.score(np.array([0.3]), np.full(7, 0.3)).tolist() == [50]


@given(probabilities, probabilities)
def test_score_grade_and_rank_never_contradict_the_probability(
    probability: np.ndarray, reference: np.ndarray
) -> None:
    scores = scale.score(probability, reference)
    assert ((scores >= 0) & (scores <= 100)).all()
    grades = scale.grade(scores)
    ranks = scale.rank(probability, np.arange(len(probability)).astype(str))
    assert sorted(ranks) == list(range(1, len(probability) + 1))
    order = np.argsort(ranks)
    assert (np.diff(probability[order]) <= 0).all()
    assert (np.diff(scores[order]) <= 0).all()
    assert list(grades[order]) == sorted(grades)


@pytest.mark.parametrize(
    ("score", "grade"),
    [(100, "A"), (80, "A"), (79, "B"), (50, "B"), (49, "C"), (20, "C"), (19, "D"), (0, "D")],
)
def test_grade_cuts(score: int, grade: str) -> None:
    assert scale.grade(np.array([score])).tolist() == [grade]


def test_equal_probabilities_rank_by_lead() -> None:
    lead = np.array(["b", "a", "10", "9"], dtype=object)
    assert scale.rank(np.array([0.5, 0.5, 0.7, 0.5]), lead).tolist() == [4, 3, 1, 2]


def test_a_model_without_reference_cannot_score() -> None:
    with pytest.raises(NoUsableModel):
        scale.score(np.array([0.5]), np.array([]))


@pytest.mark.parametrize("value", [np.nan, -0.01, 1.01, np.inf])
def test_what_is_no_probability_is_refused(value: float) -> None:
    with pytest.raises(ScoringError):
        scale.score(np.array([0.5, value]), np.array([0.5]))


def test_trend_compares_with_the_same_model_only() -> None:
    lead = pd.Series(["up", "down", "still", "new", "other"])
    earlier = pd.DataFrame(
        {
            "lead_id": ["up", "down", "still", "other", "gone"],
            "score": pd.array([40, 60, 59, 10, 5], dtype="Int64"),
            "model_version": ["3", "3", "3", "2", "3"],
        }
    )
    found = scale.trend(lead, np.array([50, 50, 50, 50, 50]), "3", earlier)
    assert found.tolist() == ["rising", "falling", "steady", None, None]
    assert scale.trend(lead, np.full(5, 50), "3", None).tolist() == [None] * 5
