"""Score, grade, temperature and rank stand on one scale."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.errors import NoUsableModel, ScoringError
from scoring.score import scale
from scoring.score.scale import Cuts

probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=40).map(np.array)
percentiles = st.lists(st.integers(0, 100), min_size=1, max_size=60)
NOTHING = np.array([np.nan])


def test_score_is_the_mid_rank_percentile() -> None:
    reference = np.array([0.1, 0.2, 0.2, 0.2, 0.9])
    found = scale.score(np.array([0.0, 0.1, 0.2, 0.5, 0.9, 1.0]), reference)
    assert found.tolist() == [0, 10, 50, 80, 90, 100]


def test_a_reference_of_one_value_puts_everybody_in_the_middle() -> None:
    assert scale.score(np.array([0.3]), np.full(7, 0.3)).tolist() == [50]


@given(probabilities, probabilities)
def test_score_grade_temperature_and_rank_never_contradict_the_probability(
    probability: np.ndarray, reference: np.ndarray
) -> None:
    scores = scale.score(probability, reference)
    assert ((scores >= 0) & (scores <= 100)).all()
    ranks = scale.rank(scores, probability, np.arange(len(probability)).astype(str))
    assert sorted(ranks) == list(range(1, len(probability) + 1))
    order = np.argsort(ranks)
    assert (np.diff(probability[order]) <= 0).all()
    assert (np.diff(scores[order]) <= 0).all()
    grades, warmth = Cuts().grade(scores), Cuts().warmth(scores)
    assert list(grades[order]) == sorted(grades)
    assert [scale.TEMPERATURES.index(t) for t in warmth[order]] == sorted(
        scale.TEMPERATURES.index(t) for t in warmth
    )


@pytest.mark.parametrize(
    ("score", "grade", "temperature"),
    [
        (100, "A", "hot"), (90, "A", "hot"), (89, "A", "warm"), (80, "A", "warm"),
        (79, "B", "warm"), (50, "B", "warm"), (49, "C", "cold"), (20, "C", "cold"),
        (19, "D", "cold"), (0, "D", "cold"),
    ],
)  # fmt: skip
def test_default_cuts(score: int, grade: str, temperature: str) -> None:
    assert Cuts().grade(np.array([score])).tolist() == [grade]
    assert Cuts().warmth(np.array([score])).tolist() == [temperature]


def test_cuts_of_a_champion_are_its_own() -> None:
    cuts = Cuts.from_json(Cuts((70, 40, 10), (60, 5)).to_json())
    assert cuts.grade(np.array([70, 69, 10, 9])).tolist() == ["A", "B", "C", "D"]
    assert cuts.warmth(np.array([60, 59, 4])).tolist() == ["hot", "warm", "cold"]


def test_a_percentile_at_the_edge_of_a_grade_does_not_move_the_grade() -> None:
    """79, 80, 79, 80 … would be B, A, B, A; the score stands where it was first published."""
    published, shown = np.nan, []
    for percentile in (79, 80, 79, 80, 78, 81, 80, 79, 82, 83):
        published = float(scale.settled(np.array([percentile]), np.array([published]))[0])
        shown.append(int(published))
    assert shown == [79, 79, 79, 79, 79, 81, 81, 79, 82, 82]


@given(percentiles)
def test_the_published_score_is_within_a_point_and_moves_in_steps(nights: list[int]) -> None:
    published = NOTHING
    for percentile in nights:
        after = scale.settled(np.array([percentile]), published).astype(float)
        assert abs(after[0] - percentile) < scale.SETTLED
        assert np.isnan(published[0]) or after[0] == published[0] or (
            abs(after[0] - published[0]) >= scale.SETTLED
        )  # fmt: skip
        published = after


@given(st.lists(st.integers(0, 100), min_size=2, max_size=40))
def test_on_a_score_that_does_not_turn_the_grade_never_turns(moves: list[int]) -> None:
    """Rising percentiles give rising scores: settling is monotone in both arguments."""
    published = NOTHING
    shown = []
    for percentile in sorted(moves):
        published = scale.settled(np.array([percentile]), published).astype(float)
        shown.append(published[0])
    assert all(a <= b for a, b in pairwise(shown))


def test_rank_is_by_score_then_probability_then_lead() -> None:
    lead = np.array(["b", "a", "10", "9", "x"], dtype=object)
    scores = np.array([50, 50, 70, 50, 51])
    probability = np.array([0.5, 0.5, 0.7, 0.6, 0.4])
    assert scale.rank(scores, probability, lead).tolist() == [5, 4, 1, 3, 2]


def test_a_model_without_reference_cannot_score() -> None:
    with pytest.raises(NoUsableModel):
        scale.score(np.array([0.5]), np.array([]))


@pytest.mark.parametrize("value", [np.nan, -0.01, 1.01, np.inf])
def test_what_is_no_probability_is_refused(value: float) -> None:
    with pytest.raises(ScoringError):
        scale.score(np.array([0.5, value]), np.array([0.5]))
