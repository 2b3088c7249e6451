"""What a candidate is compared with, where a champion scores already."""

import json
import logging
from datetime import datetime

import pandas as pd

from scoring.build.featureset import FeatureSet
from scoring.build.run import Built, build_training
from scoring.config import ModelToml
from scoring.project import Project
from scoring.train import tracking
from scoring.train.artefact import Artefact
from scoring.train.effects import Recipe
from scoring.train.fitted import choose
from scoring.train.gates import Newer
from scoring.train.leak_search import search, without
from scoring.train.recipe import Fitted, fit
from scoring.train.splits import (
    Split,
    as_naive,
    conversions,
    rolling_origins,
    settled,
    training_rows,
)

log = logging.getLogger(__name__)

WORDING = ("singular", "plural", "label", "theme")
FOUND = ("name", "variable", "types", "of", "kind")


def comparable(project: Project, question: str, settings: ModelToml) -> Artefact | None:
    """The champion, if it answers the same question: label, snapshots and population."""
    if tracking.registered(project, question, tracking.CHAMPION) is None:
        return None
    _, champion = tracking.champion(project, question)
    asked = (settings.question, settings.snapshots, settings.population)
    before = champion.settings
    if (before.question, before.snapshots, before.population) != asked:
        log.warning("the question has changed: the champion cannot be compared")
        return None
    return champion


def same_recipe(
    champion: Artefact, settings: ModelToml, features: FeatureSet, rows: pd.DataFrame
) -> bool:
    """Whether a candidate would be fitted as the champion was, on newer data."""
    kept = features.keep(choose(rows, features).names)
    return _recipe(champion.features, champion.settings) == _recipe(kept, settings)


def other_recipe(
    project: Project,
    question: str,
    champion: Artefact,
    split: Split,
    rows: pd.DataFrame,
    as_of: datetime,
) -> Recipe | None:
    """The champion's recipe, refitted at the same origin, on the same later rows.

    None where its features give other rows. A column of the champion's that turned out to know the
    outcome is left out: nobody can be better than that.
    """
    theirs = _rows_of(project, question, champion, rows, as_of)
    if theirs is None:
        return None
    leaks = search(project, question, as_of, theirs[0], theirs[1], own=False).leaks
    features = without(champion.features, leaks)
    fitted = fit(training_rows(theirs[1], split), features, champion.settings.learner)
    return Recipe(theirs[1], features, fitted)


def newer_data(
    project: Project,
    question: str,
    champion: Artefact,
    settings: ModelToml,
    features: FeatureSet,
    trial: Fitted,
    split: Split,
    rows: pd.DataFrame,
    as_of: datetime,
) -> Newer | None:
    """The champion as it stands against the same recipe on newer data, on leads decided since.

    The recipe is fitted at an origin that is no older than the champion, so that both have learned
    from everything that was known by then; the rows behind that origin test them. None where too
    few conversions lie there: the newest labels take a horizon to ripen.
    """
    trained = as_naive(datetime.fromisoformat(champion.facts["as_of"]))
    later = split
    if split.start < trained:
        splits = rolling_origins(rows, trained, 1)
        if not splits:
            return None
        later = splits[0]
    if conversions(rows.iloc[later.test]) < settings.gates.min_validation:
        return None
    theirs = _rows_of(project, question, champion, rows, as_of)
    if theirs is None:
        return None
    fitted = trial
    if later is not split:
        fitted = fit(training_rows(rows, later), features, settings.learner)
    tested = rows.iloc[later.test]
    old = champion.joined(theirs[1].iloc[later.test])
    return Newer(
        y=tested["label"].to_numpy(),
        candidate=fitted.probability(tested),
        champion=champion.model.predict_proba(old[list(champion.names)])[:, 1],
        groups=tested["group_id"].to_numpy(),
    )


def _rows_of(
    project: Project, question: str, champion: Artefact, rows: pd.DataFrame, as_of: datetime
) -> tuple[Built, pd.DataFrame] | None:
    """The same rows with the champion's own features; None where they are other rows."""
    again = build_training(project, question, as_of, features=champion.features)
    theirs = settled(again.frame(), again.settling)
    keys = ["lead_id", "as_of"]
    if not theirs[keys].equals(rows[keys]):
        log.warning("the champion's features give other rows: it cannot be compared")
        return None
    return again, theirs


def _recipe(features: FeatureSet, settings: ModelToml) -> str:
    """What a model is fitted with.

    Other words for a feature make no other recipe; nor do the types and properties that newer data
    makes frequent enough. An attribute is somebody's decision and counts by its name.
    """
    columns = set()
    for column in features.all:
        found = FOUND if column.each in ("type", "number", "text") else ()
        said = {k: v for k, v in column.to_json().items() if k not in (*WORDING, *found)}
        columns.add(json.dumps(said, sort_keys=True))
    known = [sorted(features.known_at_creation), sorted(features.tracked)]
    return json.dumps([sorted(columns), known, settings.learner.model_dump(mode="json")])
