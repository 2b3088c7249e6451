"""The question that is asked is the one whose answer moves the score most, of those still open."""

from typing import Any

import numpy as np
import pandas as pd

from scoring.build.columns import Column
from scoring.train.model import ConversionModel
from scoring.train.questions import Question, learn_questions, open_question

PATTERNS = ("*budget*", "*timeline*", "*need*", "*always*")


def column(name: str, of: str | None = None, kind: str = "category") -> Column:
    return Column(name, name, "fit", "lead", "attribute", of=of or name, kind=kind)


def company(n: int = 1500) -> tuple[pd.DataFrame, np.ndarray]:
    """Budget tells much, timeline a little, need nothing; the colour is no question."""
    rng = np.random.default_rng(2)

    def answers(*values: str) -> Any:
        said = rng.choice(values, n).astype(object)
        return np.where(rng.random(n) < 0.5, None, said)

    rows = pd.DataFrame(
        {
            "budget": answers("yes", "no"),
            "timeline": answers("soon", "later"),
            "need": answers("clear", "vague"),
            "colour": answers("red", "blue"),
            "always": rng.choice(["x", "y"], n).astype(object),
        }
    )
    logit = (
        -1.0
        + 1.8 * ((rows["budget"] == "yes").astype(float) - (rows["budget"] == "no"))
        + 0.6 * ((rows["timeline"] == "soon").astype(float) - (rows["timeline"] == "later"))
        + 1.5 * ((rows["colour"] == "red").astype(float) - (rows["colour"] == "blue"))
    )
    return rows, (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(int)


def test_the_most_telling_question_comes_first() -> None:
    rows, y = company()
    model = ConversionModel(preset="fast", seed=1).fit(rows, y)
    columns = [column(name) for name in rows]
    found = learn_questions(model, rows, list(rows), columns, PATTERNS, seed=1)
    assert [q.attribute for q in found][:2] == ["budget", "timeline"]
    assert "colour" not in {q.attribute for q in found}  # nobody asks for it
    assert "always" not in {q.attribute for q in found}  # it is never open
    assert found[0].effect > 2 * found[1].effect
    again = learn_questions(model, rows, list(rows), list(reversed(columns)), PATTERNS, seed=1)
    assert again == found


def test_columns_that_the_model_does_without_are_no_questions() -> None:
    rows, y = company(400)
    kept = rows[["timeline", "need"]]
    model = ConversionModel(preset="fast", seed=1).fit(kept, y)
    columns = [column(name) for name in rows]
    found = learn_questions(model, rows, list(kept), columns, PATTERNS, seed=1)
    assert {q.attribute for q in found} <= {"timeline", "need"}
    assert learn_questions(model, rows, list(kept), columns, (), seed=1) == ()


def test_of_the_open_questions_the_most_telling_is_asked() -> None:
    questions = (Question("budget", "b", 0.9), Question("need", "n", 0.2))
    rows = pd.DataFrame({"b": [None, "yes", None, "no"], "n": [None, None, 1.0, 2.0]})
    attribute, effect = open_question(rows, questions)
    assert attribute.tolist() == ["budget", "need", "budget", None]
    np.testing.assert_equal(effect, [0.9, 0.2, 0.9, np.nan])
    assert open_question(rows, ())[0].tolist() == [None] * 4


def test_questions_travel_with_the_model() -> None:
    question = Question("budget", "budget", 0.25)
    assert Question.from_json(question.to_json()) == question
