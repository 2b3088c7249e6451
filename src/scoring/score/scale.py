"""One scale: the score is a percentile of the probability, the grade a cut of the score.

Both rise with the probability and never contradict it or each other.
"""

from typing import Any

import numpy as np
import pandas as pd

from scoring.errors import NoUsableModel, ScoringError

# Lowest score of each grade, best first. The only place that knows.
GRADES = (("A", 80), ("B", 50), ("C", 20), ("D", 0))
# Points that a score must move to be called rising or falling.
MOVED = 10


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


def grade(scores: np.ndarray) -> np.ndarray:
    """A to D, (n,) of str."""
    letters = np.array([letter for letter, _ in GRADES], dtype=object)
    return np.select([scores >= cut for _, cut in GRADES], letters[:, None], default="D")


def rank(probability: np.ndarray, lead_id: np.ndarray) -> np.ndarray:
    """1 to n, the most probable first; equal probabilities by lead_id. int64."""
    order = np.lexsort((np.asarray(lead_id, dtype=str), -probability))
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(1, len(order) + 1)
    return ranks


def trend(
    lead_id: pd.Series, scores: np.ndarray, model_version: str, earlier: pd.DataFrame | None
) -> np.ndarray:
    """rising, steady or falling since an earlier run; None where there is nothing to compare.

    earlier   lead_id (unique), score, model_version of the earlier run, or None

    Scores of two model versions stand on two scales: they are not compared.
    """
    moved: Any = np.full(len(scores), np.nan)
    if earlier is not None:
        same = earlier[earlier["model_version"] == model_version]
        before = lead_id.map(same.set_index("lead_id")["score"].astype("float64"))
        moved = scores - before.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.select(
        [np.isnan(moved), moved >= MOVED, moved <= -MOVED],
        np.array([None, "rising", "falling"], dtype=object)[:, None],
        default="steady",
    )
