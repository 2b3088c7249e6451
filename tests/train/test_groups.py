"""Grades and temperatures are worth what they are measured to be; learned cuts find the steps."""

from itertools import combinations

import numpy as np
import pytest

from scoring.config import GradesSection, ModelToml, SnapshotsSection, TemperatureSection
from scoring.score.scale import Cuts
from scoring.train.groups import GRID, fit_cuts, group_lines, groups

SNAPSHOTS = SnapshotsSection(at_age_days=(7,))


def settings(*, learn: bool) -> ModelToml:
    return ModelToml(
        snapshots=SNAPSHOTS,
        grades=GradesSection(learn=learn),
        temperature=TemperatureSection(learn=learn),
    )


def steps(n: int, at: tuple[int, ...], rates: tuple[float, ...], seed: int = 0):
    """Scores of n leads whose conversion jumps at `at`, best first in `rates`."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 101, n)
    rate = np.select([scores >= cut for cut in at], rates[:-1], default=rates[-1])
    return scores, (rng.random(n) < rate).astype(int), np.arange(n)


def test_each_lead_counts_once_in_its_group() -> None:
    scores = np.array([95, 95, 95, 60, 60, 10])
    label = np.array([1, 1, 0, 0, 1, 0])
    leads = np.array([1, 1, 2, 3, 4, 5])
    found = {(g.scale, g.name): g for g in groups(scores, label, leads, Cuts())}
    hot = found["temperature", "hot"]
    assert (hot.leads, hot.converted, hot.lowest) == (2, 0.5, 90)
    assert (found["grade", "A"].leads, found["grade", "B"].leads) == (2, 2)
    assert found["grade", "C"].converted is None
    assert all(g.low <= g.converted <= g.high for g in found.values() if g.converted is not None)


def test_configured_cuts_stand() -> None:
    data = steps(2000, (80, 50, 20), (0.6, 0.3, 0.1, 0.01))
    named = ModelToml(
        snapshots=SNAPSHOTS,
        grades=GradesSection(a=70, b=40, c=10),
        temperature=TemperatureSection(hot=60, warm=5),
    )
    assert fit_cuts(*data, named) == Cuts((70, 40, 10), (60, 5))


def test_learned_cuts_find_the_steps() -> None:
    data = steps(6000, (75, 45, 15), (0.7, 0.35, 0.12, 0.01))
    assert fit_cuts(*data, settings(learn=True)).grades == (75, 45, 15)


def test_learned_cuts_are_the_most_likely_division_of_all() -> None:
    """The slow twin: every division, its log-likelihood from the rows."""
    scores, label, leads = steps(500, (60, 30, 10), (0.5, 0.3, 0.2, 0.1), seed=4)

    def likelihood(cuts: tuple[int, ...]) -> float:
        total, before = 0.0, 2.0
        for low, high in zip((*reversed(cuts), 0), (101, *reversed(cuts)), strict=True):
            inside = label[(scores >= low) & (scores < high)]
            if len(inside) < 30 or len(inside) < 0.05 * len(label):
                return -np.inf
            p = inside.mean()
            if p >= before:
                return -np.inf
            before = p
            total += inside.sum() * np.log(p or 1) + (1 - inside).sum() * np.log1p(-p)
        return total

    best = max(combinations(GRID, 3), key=likelihood)
    found = fit_cuts(scores, label, leads, settings(learn=True)).grades
    assert likelihood(tuple(reversed(found))) == pytest.approx(likelihood(best))


def test_too_little_to_learn_from_leaves_the_configured_cuts() -> None:
    data = steps(200, (75, 45, 15), (0.4, 0.2, 0.1, 0.01))
    assert fit_cuts(*data, settings(learn=True)) == Cuts()


def test_a_conversion_that_does_not_follow_the_score_leaves_the_configured_cuts() -> None:
    scores, label, leads = steps(3000, (50,), (0.1, 0.6))
    assert fit_cuts(scores, label, leads, settings(learn=True)) == Cuts()


def test_train_says_a_line_for_each_scale() -> None:
    data = steps(1000, (80, 50, 20), (0.6, 0.3, 0.1, 0.01))
    lines = list(group_lines([g.to_json() for g in groups(*data, Cuts())]))
    assert len(lines) == 2
    assert lines[0].startswith("grade, conversion of the newest leads: A (80+) ")
    assert "hot (90+) " in lines[1]
    assert "cold (0+) " in lines[1]


@pytest.mark.parametrize(
    ("section", "values"),
    [(GradesSection, {"a": 50}), (GradesSection, {"c": 60}), (TemperatureSection, {"warm": 95})],
)
def test_cuts_in_the_wrong_order_are_refused(section: type, values: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="in the order"):
        section(**values)
