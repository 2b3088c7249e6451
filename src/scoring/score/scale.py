"""One scale: the score is a percentile of the probability, grade and temperature are cuts of it.

The published score stands still until the percentile has moved by SETTLED points from it, so that
a grade does not go to and fro with a lead at its edge. Everything else that sellers see is cut out
of the published score and cannot contradict it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scoring.config import ModelToml
from scoring.errors import NoUsableModel, ScoringError

GRADES = ("A", "B", "C", "D")
TEMPERATURES = ("hot", "warm", "cold")
# Points that a percentile must be away from the published score before that follows.
SETTLED = 2


@dataclass(frozen=True)
class Cuts:
    """The lowest score of each group but the last, best first; a champion keeps its own.

    grades        (a, b, c); below c it is D
    temperature   (hot, warm); below warm it is cold
    """

    grades: tuple[int, int, int] = (80, 50, 20)
    temperature: tuple[int, int] = (90, 50)

    @staticmethod
    def of(settings: ModelToml) -> "Cuts":
        """As model.toml has them."""
        grades, temperature = settings.grades, settings.temperature
        return Cuts((grades.a, grades.b, grades.c), (temperature.hot, temperature.warm))

    def grade(self, scores: np.ndarray) -> np.ndarray:
        """A to D, (n,) of str."""
        return _cut(scores, self.grades, GRADES)

    def warmth(self, scores: np.ndarray) -> np.ndarray:
        """hot, warm or cold; (n,) of str."""
        return _cut(scores, self.temperature, TEMPERATURES)

    def to_json(self) -> dict[str, Any]:
        return {"grades": list(self.grades), "temperature": list(self.temperature)}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "Cuts":
        a, b, c = value["grades"]
        hot, warm = value["temperature"]
        return Cuts((a, b, c), (hot, warm))


def _cut(scores: np.ndarray, lowest: Sequence[int], names: Sequence[str]) -> np.ndarray:
    keys = np.array(names, dtype=object)
    return np.select([scores >= cut for cut in lowest], keys[:-1, None], default=names[-1])


def score(probability: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Percentile of each probability in the reference population, int64 from 0 to 100.

    probability   (n,) in [0, 1]
    reference     (m,) the champion's reference probabilities, in any order

    Ties count half (mid-rank): a probability that the whole reference shares is 50. Monotone.
    Raises NoUsableModel for an empty reference, ScoringError for what is no probability.
    """
    if not len(reference):
        raise NoUsableModel(
            "The champion has no reference population to rank its scores in.",
            "Run `scoring train` again.",
        )
    for values, name in ((probability, "scores"), (reference, "reference population")):
        if not ((values >= 0) & (values <= 1)).all():
            raise ScoringError(f"The {name} of the champion hold a value that is no probability.")
    ordered = np.sort(reference)
    below = np.searchsorted(ordered, probability, side="left")
    not_above = np.searchsorted(ordered, probability, side="right")
    percentile = 100 * (below + not_above) / (2 * len(ordered))
    return np.rint(percentile).astype(np.int64)


def settled(percentile: np.ndarray, published: np.ndarray) -> np.ndarray:
    """The scores to publish, (n,) int64.

    percentile   (n,) tonight's
    published    (n,) float, what the same model version published on its last run; NaN: nothing

    A lead whose percentile is within a point of what stands in the CRM keeps that.
    """
    known = ~np.isnan(published)
    before = np.where(known, published, 0).astype(np.int64)
    return np.where(known & (np.abs(percentile - before) < SETTLED), before, percentile)


def rank(scores: np.ndarray, probability: np.ndarray, lead_id: np.ndarray) -> np.ndarray:
    """1 to n, best first: by the published score, then the probability, then lead_id. int64."""
    order = np.lexsort((np.asarray(lead_id, dtype=str), -probability, -scores))
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(1, len(order) + 1)
    return ranks
