"""What changed features did to the measures: the recipe with and without each change, on the same
later rows."""

import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from scoring.build.featureset import FeatureSet
from scoring.config import LearnerSection
from scoring.train.metrics import paired_bootstrap
from scoring.train.recipe import Fitted, fit
from scoring.train.splits import Split, training_rows

log = logging.getLogger(__name__)

# A refit each; of more changed themes the smaller ones are named only.
MOST_MEASURED = 6
WORDING = ("singular", "plural", "label", "theme")


@dataclass(frozen=True)
class Recipe:
    """Labelled rows with the columns of `features`, and what was fitted on the early ones."""

    rows: pd.DataFrame
    features: FeatureSet
    fitted: Fitted


@dataclass(frozen=True)
class Effect:
    """What changed in one theme, and what it did.

    added, removed, changed   names of columns; changed: of one name, declared otherwise
    log_loss, low, high       log loss with the change minus without it, on the validation rows,
                              and its 95 % interval over leads; below 0 is better. None where it
                              was not measured
    """

    theme: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    log_loss: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def size(self) -> int:
        return len(self.added) + len(self.removed) + len(self.changed)


def feature_changes(
    before: FeatureSet, old: Collection[str], after: FeatureSet, new: Collection[str]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Names that only the later model learned from (`new`), only the earlier one (`old`), and both
    but from other declarations. Other words for a feature are no other declaration."""
    first, second = _declared(before), _declared(after)
    old, new = set(old), set(new)
    return (
        tuple(sorted(new - old)),
        tuple(sorted(old - new)),
        tuple(sorted(n for n in old & new if first[n] != second[n])),
    )


def effects(
    standing: Recipe, coming: Recipe, split: Split, learner: LearnerSection, seed: int
) -> list[Effect]:
    """What each changed theme did, the largest change first.

    Both recipes hold the same rows in the same order, and were fitted on the training rows of
    `split`. A theme's change is measured by taking it back: what was added is left out, what was
    removed or declared otherwise is as it was, all else is the coming recipe's.
    """
    found = sorted(_by_theme(standing, coming), key=lambda e: (-e.size, e.theme))
    late = coming.rows.iloc[split.test]
    said = coming.fitted.probability(late)
    y, groups = late["label"].to_numpy(), late["group_id"].to_numpy()
    measured = []
    for effect in found[:MOST_MEASURED]:
        log.info("measuring what the changes in %s did", effect.theme)
        rows, features = _taken_back(standing, coming, effect)
        early = training_rows(rows, split)
        other = fit(early, features, learner, leave_out=effect.added)
        there = other.probability(rows.iloc[split.test])
        mean, low, high = paired_bootstrap(y, said, there, groups, seed=seed)
        measured.append(replace(effect, log_loss=mean, low=low, high=high))
    return [*measured, *found[MOST_MEASURED:]]


def effect_lines(effects: Sequence[dict[str, Any]]) -> Iterator[str]:
    """For people, from `Effect` as JSON."""
    for e in effects:
        parts = ", ".join(f"{len(e[k])} {k}" for k in ("added", "removed", "changed") if e[k])
        did = "not measured"
        if e["log_loss"] is not None:
            did = f"log loss {e['log_loss']:+.4f} ({e['low']:+.4f} to {e['high']:+.4f})"
        yield f"features of {e['theme']}: {parts}; {did}"


def _declared(features: FeatureSet) -> dict[str, dict[str, Any]]:
    return {
        c.name: {k: v for k, v in c.to_json().items() if k not in WORDING} for c in features.all
    }


def _by_theme(standing: Recipe, coming: Recipe) -> Iterator[Effect]:
    kinds = feature_changes(
        standing.features, standing.fitted.names, coming.features, coming.fitted.names
    )
    themes = {c.name: c.theme for c in (*standing.features.all, *coming.features.all)}
    for theme in sorted({themes[name] for names in kinds for name in names}):
        added, removed, changed = (tuple(n for n in names if themes[n] == theme) for names in kinds)
        yield Effect(theme, added, removed, changed)


def _taken_back(
    standing: Recipe, coming: Recipe, effect: Effect
) -> tuple[pd.DataFrame, FeatureSet]:
    """The coming recipe's rows and features with `removed` and `changed` as they were."""
    names = {*effect.removed, *effect.changed}
    back = [c for c in standing.features.all if c.name in names]
    kept = [c for c in coming.features.all if c.name not in names]
    there = {c.name for c in kept}
    read = {i for c in back for i in c.inputs if i not in there}
    back = [c for c in standing.features.all if c.name in names | read]
    values = {c.name: standing.rows[c.name].array for c in back if c.name in standing.rows}
    columns = [*kept, *back]
    features = replace(
        coming.features,
        columns=tuple(c for c in columns if c.stream != "learned"),
        learned=tuple(c for c in columns if c.stream == "learned"),
    )
    return coming.rows.assign(**values), features
