"""Where a model is good and where it is not: its measures on parts of the tested rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scoring.build.columns import Column
from scoring.train.metrics import measures

# Fewer rows, conversions or other outcomes than this say nothing about a part.
MIN_ROWS, MIN_EACH = 100, 10
MOST_VALUES = 8
AGE_BANDS = (("up to 7 days", 7.0), ("8 to 30 days", 30.0), ("31 to 90 days", 90.0))
OLDER = "more than 90 days"
# Whose leads they are is nobody's business here: a model is judged, not the people who sell.
PERSON = "owner_id"


@dataclass(frozen=True)
class Segment:
    """A part of the rows: those where `column` has `value`.

    said, seen   mean probability and share that converted; the further apart, the less the
                 probabilities of this part can be taken at their word
    """

    column: str
    value: str
    said: float
    seen: float
    measures: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {
            "column": self.column,
            "value": self.value,
            "said": self.said,
            "seen": self.seen,
            **self.measures,
        }


def segments(
    rows: pd.DataFrame,
    probability: np.ndarray,
    columns: Sequence[Column],
    *,
    seed: int,
) -> list[Segment]:
    """Measures by stage, by each text attribute, and by the lead's age.

    rows          tested rows with `label` and the features
    probability   (n,) what the model says of them

    Of each column the MOST_VALUES most frequent values, where they hold MIN_ROWS rows and MIN_EACH
    of either outcome; other parts are too small to judge and left out.
    """
    found = []
    label = rows["label"].to_numpy()
    for name, value, inside in _parts(rows, columns):
        positives = int(label[inside].sum())
        n = int(inside.sum())
        if n < MIN_ROWS or min(positives, n - positives) < MIN_EACH:
            continue
        p = probability[inside]
        measured = measures(label[inside], p, seed=seed)
        found.append(Segment(name, value, float(p.mean()), positives / n, measured))
    return found


def _parts(rows: pd.DataFrame, columns: Sequence[Column]) -> Iterator[tuple[str, str, np.ndarray]]:
    for column in columns:
        if column.name not in rows or column.of == PERSON:
            continue
        values = rows[column.name]
        if column.op == "age":
            yield from _ages(column.name, values.to_numpy(dtype=np.float64))
        elif column.kind == "category" and (
            column.op == "attribute" or column.stream == "stage_changes"
        ):
            for value in values.value_counts().index[:MOST_VALUES]:
                yield column.name, str(value), (values == value).to_numpy()


def _ages(name: str, days: np.ndarray) -> Iterator[tuple[str, str, np.ndarray]]:
    above = -np.inf
    for value, until in AGE_BANDS:
        yield name, value, (days > above) & (days <= until)
        above = until
    yield name, OLDER, days > above
