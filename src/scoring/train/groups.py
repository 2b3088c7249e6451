"""What the grades and temperatures are worth: the conversion of each group, and learned cuts.

Measured on the validation's rows, which the trial model was not fitted on, each lead counting once.
Learned cuts are the ones that tell the groups' conversions apart best: the division of the ordered
scores with the largest likelihood (Fisher 1958, "On Grouping for Maximum Homogeneity"; as a
classification tree splits by deviance, Breiman et al. 1984), by trying every one on a grid.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import Any

import numpy as np

from scoring.config import ModelToml
from scoring.score import scale
from scoring.score.scale import GRADES, TEMPERATURES, Cuts
from scoring.train.artefact import Artefact
from scoring.train.interval import wilson

# Scores at which a learned group may begin.
GRID = tuple(range(5, 100, 5))
# A learned group holds at least this share of the leads, and so many of them.
LEAST_SHARE, FEWEST_LEADS = 0.05, 30
# With fewer converted leads the best division is an accident.
FEWEST_CONVERSIONS = 50


@dataclass(frozen=True)
class Validated:
    """The rows that a trial model was tested on, (n,) each: what it said, what became of them, and
    whose they are."""

    probability: np.ndarray
    label: np.ndarray
    leads: np.ndarray


@dataclass(frozen=True)
class Group:
    """One group on the validation's rows.

    scale       `grade` or `temperature`; name: its key
    lowest      the score from which it begins
    leads       with a row in the group; converted: share of them, a lead's rows together one;
    low, high   its 90 % interval (Wilson 1927); None without leads
    """

    scale: str
    name: str
    lowest: int
    leads: int
    converted: float | None
    low: float | None
    high: float | None

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


def with_groups(made: Artefact, validated: Validated) -> Artefact:
    """The model with the cuts of its score, and in its facts what each group is worth.

    The scores of the tested rows are percentiles of the model's own reference population.
    """
    scores = scale.score(validated.probability, made.reference)
    cuts = fit_cuts(scores, validated.label, validated.leads, made.settings)
    found = groups(scores, validated.label, validated.leads, cuts)
    facts = {**made.facts, "groups": [group.to_json() for group in found]}
    return replace(made, cuts=cuts, facts=facts)


def fit_cuts(scores: np.ndarray, label: np.ndarray, leads: np.ndarray, settings: ModelToml) -> Cuts:
    """The cuts that the settings name, or learned ones where they ask for those.

    scores, label   (n,) of the validation's rows; leads: (n,) whose row it is
    """
    named = Cuts.of(settings)
    grades, temperature = named.grades, named.temperature
    if settings.grades.learn:
        a, b, c = _learned(scores, label, leads, 3) or grades
        grades = a, b, c
    if settings.temperature.learn:
        hot, warm = _learned(scores, label, leads, 2) or temperature
        temperature = hot, warm
    return Cuts(grades, temperature)


def _learned(
    scores: np.ndarray, label: np.ndarray, leads: np.ndarray, cuts: int
) -> tuple[int, ...] | None:
    """The best division, highest cut first; None where there is too little to learn it from.

    Each group must convert better than the one below it. Of equal divisions the first on the grid.
    """
    weight = _weights(leads)
    total = float(weight.sum())
    if float((weight * label).sum()) < FEWEST_CONVERSIONS:
        return None
    bin_ = np.searchsorted(GRID, scores, side="right")
    n = np.bincount(bin_, weights=weight, minlength=len(GRID) + 1)
    won = np.bincount(bin_, weights=weight * label, minlength=len(GRID) + 1)
    fewest = max(LEAST_SHARE * total, FEWEST_LEADS)
    best: tuple[float, tuple[int, ...]] | None = None
    for chosen in combinations(range(1, len(GRID) + 1), cuts):
        edges = (0, *chosen, len(GRID) + 1)
        parts = [(n[i:j].sum(), won[i:j].sum()) for i, j in pairwise(edges)]
        if min(leads_in for leads_in, _ in parts) < fewest:
            continue
        rates = [wins / leads_in for leads_in, wins in parts]
        if any(below >= above for below, above in pairwise(rates)):
            continue
        likelihood = sum(
            _log_likelihood(wins, leads_in - wins, rate)
            for (leads_in, wins), rate in zip(parts, rates, strict=True)
        )
        if best is None or likelihood > best[0] + 1e-9:
            best = likelihood, chosen
    return tuple(GRID[place - 1] for place in reversed(best[1])) if best else None


def _log_likelihood(won: float, lost: float, rate: float) -> float:
    return float((won and won * np.log(rate)) + (lost and lost * np.log1p(-rate)))


def _weights(leads: np.ndarray) -> np.ndarray:
    """1 over the number of rows of each row's lead."""
    _, place, rows = np.unique(leads, return_inverse=True, return_counts=True)
    return np.asarray(1 / rows[place])


def groups(scores: np.ndarray, label: np.ndarray, leads: np.ndarray, cuts: Cuts) -> list[Group]:
    """Every grade and temperature, best first, with its conversion on these rows."""
    return [
        *_measured("grade", GRADES, cuts.grades, cuts.grade(scores), label, leads),
        *_measured(
            "temperature", TEMPERATURES, cuts.temperature, cuts.warmth(scores), label, leads
        ),
    ]


def _measured(
    scale: str,
    names: tuple[str, ...],
    lowest: tuple[int, ...],
    of_row: np.ndarray,
    label: np.ndarray,
    leads: np.ndarray,
) -> Iterator[Group]:
    for name, cut in zip(names, (*lowest, 0), strict=True):
        inside = of_row == name
        n = len(np.unique(leads[inside]))
        if not n:
            yield Group(scale, name, cut, 0, None, None, None)
            continue
        share = float(np.average(label[inside], weights=_weights(leads[inside])))
        low, high = wilson(share, n)
        yield Group(scale, name, cut, n, share, float(min(low, share)), float(max(high, share)))


def group_lines(found: list[dict[str, Any]]) -> Iterator[str]:
    """A line for each scale: `temperature: hot (90+) 31 % of 120, …`."""
    for kind in dict.fromkeys(g["scale"] for g in found):
        said = [
            f"{g['name']} ({g['lowest']}+) "
            + ("no leads" if g["converted"] is None else f"{g['converted']:.1%} of {g['leads']:,}")
            for g in found
            if g["scale"] == kind
        ]
        yield f"{kind}, conversion of the newest leads: {', '.join(said)}"
