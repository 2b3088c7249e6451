"""Conditions say what they say: each against the obvious twin, and every slip is one sentence."""

import math
import operator

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.errors import ConfigError
from scoring.score.conditions import ANY, FLAG, NUMBER, TEXT, Name, name_of, parse

NAMES = {
    "score": Name(NUMBER),
    "offers": Name(NUMBER),
    "grade": Name(TEXT, ("A", "B", "C", "D")),
    "country": Name(TEXT),
    "resting": Name(FLAG),
    "unfed": Name(ANY),
}
SIGNS = {
    "==": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
numbers = st.lists(st.one_of(st.none(), st.integers(-5, 5).map(float)), min_size=1, max_size=12)
texts = st.lists(st.one_of(st.none(), st.sampled_from("ABCD")), min_size=1, max_size=12)


def holds(text: str, values: list[object]) -> list[bool]:
    condition = parse(text, NAMES, "here")
    kind = NAMES[condition.name].kind
    series = pd.Series(values, dtype="str" if kind == TEXT else "float64")
    return list(condition.holds({condition.name: series}))


@given(numbers, st.sampled_from(sorted(SIGNS)), st.integers(-5, 5))
def test_numbers_compare_as_numbers_and_a_missing_one_never(
    values: list[float | None], sign: str, limit: int
) -> None:
    expected = [v is not None and SIGNS[sign](v, limit) for v in values]
    assert holds(f"score {sign} {limit}", list(values)) == expected


@given(numbers, st.integers(-5, 5))
def test_unequal_is_the_opposite_of_equal_for_missing_values_too(
    values: list[float | None], limit: int
) -> None:
    equal, unequal = (holds(f"score {s} {limit}", list(values)) for s in ("==", "!="))
    assert [not e for e in equal] == unequal


@given(texts, st.lists(st.sampled_from("ABCD"), min_size=1, max_size=4))
def test_texts_are_among_those_named(values: list[str | None], among: list[str]) -> None:
    listed = ", ".join(among)
    assert holds(f"grade in {listed}", list(values)) == [v in among for v in values]
    assert holds(f"grade not in {listed}", list(values)) == [v not in among for v in values]


@given(numbers)
def test_known_and_missing(values: list[float | None]) -> None:
    assert holds("offers is known", list(values)) == [v is not None for v in values]
    assert holds("offers is missing", list(values)) == [v is None for v in values]


def test_flags_texts_with_blanks_and_spaces() -> None:
    assert holds("resting == true", [1.0, 0.0, None]) == [True, False, False]
    assert holds("resting != true", [1.0, 0.0, None]) == [False, True, True]
    assert holds("country == New Zealand", ["New Zealand", "Zealand", None]) == [True, False, False]
    assert holds("  score>=3 ", [3.0, 2.9]) == [True, False]
    assert holds("score >= -0.5", [-0.5, -0.6]) == [True, False]
    assert holds("score   is   known", [1.0, None]) == [True, False]


def test_a_feature_without_history_is_always_missing() -> None:
    nothing = [None, None]
    for text in ("unfed == 3", "unfed > 3", "unfed in a, b", "unfed is known", "unfed == text"):
        assert holds(text, list(nothing)) == [False, False], text
    for text in ("unfed != 3", "unfed not in a, b", "unfed is missing"):
        assert holds(text, list(nothing)) == [True, True], text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is no comparison"),
        ("score", "is no comparison"),
        ("score = 3", "is no comparison"),
        ("score >= 3 and grade == A", "must compare with a number"),
        ("score >=", "is no comparison"),
        ("score is not known", "is no comparison"),
        ("scoer >= 3", 'Did you mean "score"'),
        ("__import__('os')", "is no comparison"),
        ("score >= __import__('os')", "must compare with a number"),
        ("score >= high", "must compare with a number"),
        ("score == nan", "must compare with a number"),
        ("score == 1e3", "must compare with a number"),
        ("grade == E", "never has"),
        ("grade in A, X", "never has"),
        ("grade in A,", "never has"),
        ("grade >= B", "compares a text with >="),
        ("resting > false", "compares a flag with >"),
        ("resting == yes", "must compare with true or false"),
        ("country in a,,b", "never has"),
    ],
)
def test_what_is_no_condition_is_refused_in_one_sentence(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse(text, NAMES, "next_step.toml, row 2 (call_now)")
    assert says in str(error.value)
    assert error.value.message.startswith("next_step.toml, row 2 (call_now): ")


def test_the_name_of_a_comparison() -> None:
    names = ["score>=3", " grade in A", "unfed is known", ">= 3", ""]
    assert [name_of(text) for text in names] == ["score", "grade", "unfed", "", ""]


def test_no_comparison_changes_the_values() -> None:
    values = pd.Series([1.0, math.nan])
    before = values.copy()
    parse("score > 0", NAMES, "here").holds({"score": values})[:] = np.array([True, True])
    pd.testing.assert_series_equal(values, before)
