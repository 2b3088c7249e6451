"""Train a candidate: validate on later rows, refit on everything, log, register, maybe promote."""

import hashlib
import json
import logging
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scoring.build.featureset import FeatureSet
from scoring.build.run import Built, build_scoring, build_training
from scoring.config import ModelToml
from scoring.errors import NoUsableModel
from scoring.project import Project
from scoring.store.publish import new_folder, read_json, write_json
from scoring.train import artefact, tracking
from scoring.train.artefact import Artefact
from scoring.train.effects import Effect, Recipe, effects
from scoring.train.fitted import choose
from scoring.train.gates import Decision, decide, no_leak
from scoring.train.leak_search import search, without
from scoring.train.metrics import measures
from scoring.train.plots import validation_figures
from scoring.train.recipe import Fitted, baseline_probabilities, fit
from scoring.train.splits import (
    Split,
    as_naive,
    conversions,
    settled,
    training_rows,
    validation_split,
)
from scoring.train.touch import with_touch

log = logging.getLogger(__name__)

SMALLEST_REFERENCE = 200


@dataclass(frozen=True)
class Trained:
    """What a training came to; `baselines` are measures on the same validation rows, `changes` the
    `Effect` of each theme in which the champion's features are other ones.

    leaks          columns that know the outcome, as `Leak.to_json` says them
    not_testable   rule of the search for leaks that nothing could be held against → why
    """

    validation: dict[str, Any]
    baselines: dict[str, dict[str, Any]]
    candidate: str
    decision: Decision
    rows: int
    conversions: int
    features: int
    left_out: dict[str, str]
    validated_from: str
    validated_to: str
    leaks: tuple[dict[str, Any], ...]
    not_testable: dict[str, str]
    changes: list[dict[str, Any]]
    reused: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "validation": self.validation,
            "baselines": self.baselines,
            "validated_from": self.validated_from,
            "validated_to": self.validated_to,
            "leaks": list(self.leaks),
            "leaks_not_testable": self.not_testable,
            "candidate": self.candidate,
            "rows": self.rows,
            "conversions": self.conversions,
            "features": self.features,
            "left_out": self.left_out,
            "changes": self.changes,
            "reused": self.reused,
        }


def train(project: Project, question: str, as_of: datetime) -> Trained:
    """One training run: a candidate, and what the gates say of it. Who scores does not change here.

    Training the same rows with the same settings for the same logical date again gives what it
    gave before, from its record. Raises NoUsableModel (exit 7) where there is too little to learn
    from; the champion stays.
    """
    settings = project.model(question)
    built = build_training(project, question, as_of)
    record = project.store / "trainings" / f"{question}-{_key(built, settings, as_of)}.json"
    if (again := _recorded(project, question, record)) is not None:
        return again
    rows = settled(with_touch(project, question, as_of, built), built.settling)
    _enough(rows, settings)
    searched = search(project, question, as_of, built, rows)
    built = replace(built, features=without(built.features, searched.leaks))
    split = validation_split(
        rows,
        min_conversions=settings.gates.min_conversions,
        min_validation=settings.gates.min_validation,
    )
    early, late = training_rows(rows, split), rows.iloc[split.test]
    log.info("validating on %d rows from %s on", len(late), split.start.date())
    trial = fit(early, built.features, settings.learner)
    y = late["label"].to_numpy()
    probability = trial.probability(late)
    others = baseline_probabilities(
        early, late, trial.names, built.features, project.settings.stages.order
    )
    seed = settings.learner.seed
    validation = measures(y, probability, seed=seed)
    baselines = {name: measures(y, p, seed=seed) for name, p in others.items()}

    incumbent = _incumbent(project, question, settings, built, split, rows, as_of)
    changes: list[Effect] = []
    if incumbent is not None:
        others["champion"] = incumbent.fitted.probability(incumbent.rows.iloc[split.test])
        coming = Recipe(rows, built.features, trial)
        changes = effects(incumbent, coming, split, settings.learner, seed)
    decision = decide(
        y,
        probability,
        others,
        late["group_id"].to_numpy(),
        margin=settings.gates.margin,
        seed=seed,
    )
    decision = no_leak(decision, searched.unsettled)
    log.info("fitting on all %d labelled rows", len(rows))
    final = fit(rows, built.features, settings.learner)
    kept = built.features.keep(final.names)
    facts = _facts(rows, built, split, validation, baselines, as_of)
    facts["changes"] = [asdict(change) for change in changes]
    reference = _reference(project, question, settings, kept, final, as_of, probability)
    made = Artefact(final.model, settings, kept, final.names, reference, facts, final.learned)
    registered = _publish(project, question, made, (y, probability), as_of, decision)
    trained = Trained(
        validation=validation,
        baselines=baselines,
        candidate=registered.version,
        decision=decision,
        rows=len(rows),
        conversions=conversions(rows),
        features=len(final.names),
        left_out=dict(built.features.left_out),
        validated_from=split.start.isoformat(),
        validated_to=split.end.isoformat(),
        leaks=tuple(leak.to_json() for leak in searched.leaks),
        not_testable=searched.not_testable,
        changes=[asdict(change) for change in changes],
    )
    write_json(record, asdict(trained))
    return trained


def _key(built: Built, settings: ModelToml, as_of: datetime) -> str:
    """Everything that a training depends on."""
    said = [
        built.folder.name,
        settings.model_dump(mode="json"),
        as_of.isoformat(),
        version("lead-scoring"),
    ]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def _recorded(project: Project, question: str, record: Path) -> Trained | None:
    """The same training, if it was done and its version is still the newest candidate."""
    said = read_json(record)
    if said is None:
        return None
    candidate = tracking.registered(project, question, tracking.CANDIDATE)
    if candidate is None or candidate.version != said["candidate"]:
        return None
    said["decision"] = Decision(**said["decision"])
    return Trained(**{**said, "reused": True})


def _enough(rows: pd.DataFrame, settings: ModelToml) -> None:
    """Refuse what cannot be learned from, saying what was found."""
    needed = settings.gates.min_conversions
    found = conversions(rows) if len(rows) else 0
    leads = rows["root_key"].nunique() if len(rows) else 0
    if found < needed or found == leads:
        what = "every lead converted" if leads and found == leads else f"{found} of them converted"
        raise NoUsableModel(
            f"Not enough to train on: {leads} leads with a known label, {what}; "
            f"at least {needed} conversions and as many leads without one are needed.",
            "`scoring doctor` says how far the history reaches; the present champion goes on.",
        )


def _incumbent(
    project: Project,
    question: str,
    settings: ModelToml,
    built: Built,
    split: Split,
    rows: pd.DataFrame,
    as_of: datetime,
) -> Recipe | None:
    """The champion's recipe, refitted at the same origin, on the same later rows.

    None where there is no champion, or where its recipe is the candidate's: newer data alone is
    no other recipe. A champion of another question (label, snapshots, population) cannot be
    compared, and the candidate stands for itself. A column of the champion's that turned out to
    know the outcome is left out: nobody can be better than that.
    """
    if tracking.registered(project, question, tracking.CHAMPION) is None:
        return None
    _, champion = tracking.champion(project, question)
    asked = (settings.question, settings.snapshots, settings.population)
    before = champion.settings
    if (before.question, before.snapshots, before.population) != asked:
        log.warning("the question has changed: the champion's recipe cannot be compared")
        return None
    names = choose(rows, built.features).names
    if _recipe(champion.features, before) == _recipe(built.features.keep(names), settings):
        return None
    again = build_training(project, question, as_of, features=champion.features)
    theirs = settled(again.frame(), again.settling)
    keys = ["lead_id", "as_of"]
    if not theirs[keys].equals(rows[keys]):
        log.warning("the champion's features give other rows: its recipe cannot be compared")
        return None
    leaks = search(project, question, as_of, again, theirs, own=False).leaks
    features = without(champion.features, leaks)
    fitted = fit(training_rows(theirs, split), features, before.learner)
    return Recipe(theirs, features, fitted)


WORDING = ("singular", "plural", "label", "theme")
FOUND = ("name", "variable", "types", "of", "kind")


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


def _reference(
    project: Project,
    question: str,
    settings: ModelToml,
    features: FeatureSet,
    fitted: Fitted,
    as_of: datetime,
    validated: np.ndarray,
) -> np.ndarray:
    """Quantiles of tonight's open leads; of the validation rows where those are too few."""
    tonight = build_scoring(project, question, settings, features, as_of)
    if tonight.rows >= SMALLEST_REFERENCE:
        return artefact.quantiles(fitted.probability(tonight.frame()))
    return artefact.quantiles(validated)


def _facts(
    rows: pd.DataFrame,
    built: Built,
    split: Split,
    validation: dict[str, Any],
    baselines: dict[str, dict[str, Any]],
    as_of: datetime,
) -> dict[str, Any]:
    """What the model was made of; no row of data and no name of a lead."""
    digest = hashlib.sha256(
        pd.util.hash_pandas_object(rows, index=False).to_numpy().tobytes()
    ).hexdigest()
    return {
        "as_of": as_of.isoformat(),
        "tables": built.tables_version,
        "data_fingerprint": digest,
        "rows": len(rows),
        "leads": int(rows["root_key"].nunique()),
        "conversions": conversions(rows),
        "first_as_of": rows["as_of"].min().isoformat(),
        "last_as_of": rows["as_of"].max().isoformat(),
        "validated_from": split.start.isoformat(),
        "validated_to": split.end.isoformat(),
        "validation": validation,
        "baselines": baselines,
        "left_out": dict(built.features.left_out),
        "engine": version("lead-scoring"),
    }


@contextmanager
def _draft(project: Project) -> Iterator[Path]:
    folder = project.tmp / f"model-{uuid.uuid4().hex[:8]}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _publish(
    project: Project,
    question: str,
    made: Artefact,
    validated: tuple[np.ndarray, np.ndarray],
    as_of: datetime,
    decision: Decision,
) -> tracking.Registered:
    """The files into the store, the run and the version into MLflow."""
    with _draft(project) as folder:
        mark = artefact.write(made, folder)
        final = tracking.models_folder(project, question) / mark[:20]
        with new_folder(final, project.tmp) as draft:
            for file in folder.iterdir():
                shutil.copyfile(file, draft / file.name)
    facts = made.facts
    metrics = {
        key: float(value)
        for prefix, table in (
            ("validation", facts["validation"]),
            *((f"baseline_{name}", m) for name, m in facts["baselines"].items()),
        )
        for key, value in ((f"{prefix}_{k}", v) for k, v in table.items())
        if value is not None
    }
    settings = made.settings
    params = {
        "as_of": facts["as_of"],
        "data_fingerprint": facts["data_fingerprint"],
        "tables": facts["tables"],
        "rows": facts["rows"],
        "leads": facts["leads"],
        "conversions": facts["conversions"],
        "features": len(made.names),
        **{f"question_{k}": v for k, v in settings.question.model_dump(mode="json").items()},
        **{f"learner_{k}": v for k, v in settings.learner.model_dump(mode="json").items()},
    }
    return tracking.register(
        project,
        question,
        final,
        run_name=f"{question} {as_naive(as_of).date()}",
        params=params,
        metrics=metrics,
        figures=validation_figures(*validated),
        texts={
            "features.json": made.features.to_json(),
            "decision.json": {"promoted": decision.promoted, "why": decision.why},
        },
        columns={c.name: c.kind for c in made.inputs},
        passed=decision.promoted,
        why=decision.why,
    )
