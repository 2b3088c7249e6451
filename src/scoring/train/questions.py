"""Which open question of qualification would move the score most if it were answered.

Learned from the training rows: how far an answer usually takes a lead from where it stood without
one. The model is additive in log-odds, so that is the mean distance between what the column adds
for leads with an answer and what it adds on average for leads without.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import pandas as pd

from scoring.build.columns import Column
from scoring.train.model import ConversionModel

# Fewer rows with an answer, or without one, show no distance.
FEWEST_ROWS = 30
# Rows that are looked at; more would not change a mean distance.
ROWS = 20_000


@dataclass(frozen=True)
class Question:
    """A qualification field that can be asked for.

    attribute   of the lead; column: the feature that holds it
    effect      mean distance in log-odds that an answer makes
    """

    attribute: str
    column: str
    effect: float

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "Question":
        return Question(value["attribute"], value["column"], float(value["effect"]))


def learn_questions(
    model: ConversionModel,
    rows: pd.DataFrame,
    names: Sequence[str],
    columns: Iterable[Column],
    patterns: Sequence[str],
    *,
    seed: int,
) -> tuple[Question, ...]:
    """The fields that match `patterns` and have an effect, the largest first, equal ones by name.

    rows   training rows with the model's columns `names`
    """
    asked = [
        c
        for c in columns
        if c.op == "attribute"
        and c.name in names
        and any(fnmatchcase((c.of or "").lower(), pattern.lower()) for pattern in patterns)
    ]
    if not asked:
        return ()
    if len(rows) > ROWS:
        rows = rows.sample(ROWS, random_state=seed)
    added = model.contributions(rows[list(names)])
    found = []
    for column in asked:
        unknown = rows[column.name].isna().to_numpy()
        if min(unknown.sum(), (~unknown).sum()) < FEWEST_ROWS:
            continue
        points = added[column.name].to_numpy(dtype=np.float64)
        effect = float(np.abs(points[~unknown] - points[unknown].mean()).mean())
        if effect > 0:
            found.append(Question(column.of or column.name, column.name, effect))
    return tuple(sorted(found, key=lambda q: (-q.effect, q.attribute)))


def open_question(
    rows: pd.DataFrame, questions: Sequence[Question]
) -> tuple[np.ndarray, np.ndarray]:
    """The attribute to ask each lead for and its effect, (n,) each: of those that are missing the
    one with the largest effect; None and NaN where none is."""
    attribute = np.full(len(rows), None, dtype=object)
    effect = np.full(len(rows), np.nan)
    for question in reversed(questions):
        unknown = rows[question.column].isna().to_numpy()
        attribute[unknown], effect[unknown] = question.attribute, question.effect
    return attribute, effect
