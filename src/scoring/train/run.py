"""Train a candidate: validate on later rows, refit on everything, log and register it."""

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from scoring.build.run import Built, build_training
from scoring.config import ModelToml
from scoring.errors import NoUsableModel
from scoring.flag.run import train_flag
from scoring.flag.settings import FlagSection
from scoring.project import Project
from scoring.score import next_step
from scoring.store.publish import read_json, write_json
from scoring.train import artefact, tracking
from scoring.train.artefact import Artefact
from scoring.train.effects import Effect, Recipe, effects
from scoring.train.gates import Decision, Newer, decide, no_leak
from scoring.train.groups import Validated
from scoring.train.incumbent import comparable, newer_data, other_recipe, same_recipe
from scoring.train.interval import fit_interval
from scoring.train.leak_search import search, without
from scoring.train.metrics import measures
from scoring.train.publish import facts_of, publish
from scoring.train.questions import learn_questions
from scoring.train.recipe import baseline_probabilities, fit
from scoring.train.reference import with_tonight
from scoring.train.segments import segments
from scoring.train.splits import (
    conversions,
    settled,
    training_rows,
    validation_split,
)
from scoring.train.touch import with_touch

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """What a training came to; `baselines` are measures on the same validation rows, `changes` the
    `Effect` of each theme in which the champion's features are other ones.

    leaks          columns that know the outcome, as `Leak.to_json` says them
    not_testable   rule of the search for leaks that nothing could be held against → why
    flag           what the candidate's flag promises and costs (docs/flags.md), None: it has none
    groups         the conversion of each grade and temperature, as `Group.to_json` says it
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
    groups: list[dict[str, Any]] = field(default_factory=list)
    flag: dict[str, Any] | None = None
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
            "groups": self.groups,
            "flag": self.flag,
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
    table = next_step.settings_of(project.root, question)
    asked = table.questions if table else ()
    key = _key(built, settings, project.flag, asked, as_of)
    record = project.store / "trainings" / f"{question}-{key}.json"
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

    champion = comparable(project, question, settings)
    newer: Newer | None = None
    changes: list[Effect] = []
    if champion is not None and same_recipe(champion, settings, built.features, rows):
        newer = newer_data(
            project, question, champion, settings, built.features, trial, split, rows, as_of
        )
    elif champion is not None:
        theirs = other_recipe(project, question, champion, split, rows, as_of)
        if theirs is not None:
            others["champion"] = theirs.fitted.probability(theirs.rows.iloc[split.test])
            coming = Recipe(rows, built.features, trial)
            changes = effects(theirs, coming, split, settings.learner, seed)
    decision = decide(
        y,
        probability,
        others,
        late["group_id"].to_numpy(),
        margin=settings.gates.margin,
        seed=seed,
        newer=newer,
    )
    decision = no_leak(decision, searched.unsettled)
    log.info("fitting on all %d labelled rows", len(rows))
    final = fit(rows, built.features, settings.learner)
    kept = built.features.keep(final.names)
    facts = facts_of(rows, built, split, validation, baselines, as_of)
    facts["changes"] = [asdict(change) for change in changes]
    reference = artefact.quantiles(probability)
    interval = fit_interval(probability, y, late["group_id"].to_numpy())
    flag = train_flag(project, question, rows, built.features, as_of, seed)
    made = Artefact(
        final.model, settings, kept, final.names, reference, facts, interval, final.learned, flag
    )
    made = replace(
        made,
        questions=learn_questions(
            made.model, made.joined(rows), made.names, made.features.columns, asked, seed=seed
        ),
    )
    validated = Validated(probability, y, late["root_key"].to_numpy())
    made = with_tonight(project, question, made, validated, as_of)
    found = tuple(leak.to_json() for leak in searched.leaks)
    registered = publish(
        project,
        question,
        made,
        (y, probability),
        as_of,
        decision,
        segments(late, probability, built.features.columns, seed=seed),
        found,
    )
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
        leaks=found,
        not_testable=searched.not_testable,
        changes=[asdict(change) for change in changes],
        groups=made.facts["groups"],
        flag=dict(made.flag.facts) if made.flag else None,
    )
    write_json(record, asdict(trained))
    return trained


def _key(
    built: Built, settings: ModelToml, flag: FlagSection, asked: Sequence[str], as_of: datetime
) -> str:
    """Everything that a training depends on."""
    said = [
        built.folder.name,
        settings.model_dump(mode="json"),
        flag.model_dump(mode="json"),
        list(asked),
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
