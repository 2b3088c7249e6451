"""A trained model with everything that a score needs, as native files in one folder.

    model.json, lightgbm*.txt, hashes.json  the estimator
    recipe.json                             question, features, reference population, data, measures
    flag/                                   the estimator of the flag, where there is one

The folder's fingerprint is a hash over its files; it stands in the model registry and is checked
before anything is loaded.
"""

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scoring.build.columns import Column
from scoring.build.featureset import FeatureSet
from scoring.config import ModelToml
from scoring.errors import NoUsableModel
from scoring.flag.model import Flag
from scoring.score.scale import Cuts
from scoring.train.interval import Interval
from scoring.train.learned import Learned
from scoring.train.model import ConversionModel
from scoring.train.payload import HASHES
from scoring.train.questions import Question

RECIPE = "recipe.json"
FORMAT = 1
REFERENCE_POINTS = 1001


@dataclass(frozen=True)
class Artefact:
    """What `score` applies.

    settings    the question as it was when the model was trained
    features    its compiled declarations; `names` are the model's columns among them
    reference   quantiles of the probability in the reference population, ascending
    facts       JSON: the data, the measures and the lineage, for the card and for people
    interval    how far its probabilities may be off
    learned     tables of the columns among `names` that are learned from other leads
    flag        on leads that will not buy, with its own risk model; None: not for this question
    cuts        of the score into grades and temperatures
    questions   fields of qualification that can be asked for, most telling first
    """

    model: ConversionModel
    settings: ModelToml
    features: FeatureSet
    names: tuple[str, ...]
    reference: np.ndarray
    facts: dict[str, Any]
    interval: Interval = field(default_factory=Interval.nothing)
    learned: Learned = field(default_factory=Learned)
    flag: Flag | None = None
    cuts: Cuts = field(default_factory=Cuts)
    questions: tuple[Question, ...] = ()

    @property
    def scoring_features(self) -> FeatureSet:
        """What `build` makes for a score: the champion's columns and those of its flag."""
        if self.flag is None:
            return self.features
        own = {c.name for c in self.features.columns}
        more = tuple(c for c in self.flag.features.columns if c.name not in own)
        return replace(self.features, columns=(*self.features.columns, *more))

    @property
    def inputs(self) -> tuple[Column, ...]:
        """The built columns that it reads: the model's, and what learned ones are made of."""
        read = {name for c in self.learned.columns for name in c.inputs}
        return tuple(c for c in self.features.columns if c.name in read or c.name in self.names)

    def joined(self, built: pd.DataFrame) -> pd.DataFrame:
        """Rows as `build` makes them, with the learned columns behind: all of `names` is there."""
        return self.learned.joined(built)


def quantiles(probabilities: np.ndarray) -> np.ndarray:
    """The reference population as at most REFERENCE_POINTS quantiles, ascending."""
    if len(probabilities) <= REFERENCE_POINTS:
        return np.sort(probabilities)
    return np.quantile(probabilities, np.linspace(0, 1, REFERENCE_POINTS))


def write(artefact: Artefact, folder: Path) -> str:
    """Write the files into an empty folder and return its fingerprint."""
    artefact.model.to_payload(folder)
    recipe = {
        "format": FORMAT,
        "settings": artefact.settings.model_dump(mode="json", exclude_none=True),
        "features": artefact.features.to_json(),
        "names": list(artefact.names),
        "reference": [float(p) for p in artefact.reference],
        "facts": artefact.facts,
        "interval": artefact.interval.to_json(),
        "learned": artefact.learned.to_json(),
        "cuts": artefact.cuts.to_json(),
        "questions": [question.to_json() for question in artefact.questions],
    }
    if artefact.flag is not None:
        recipe["flag"] = artefact.flag.write(folder)
    text = json.dumps(recipe, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    (folder / RECIPE).write_text(text, encoding="utf-8")
    return fingerprint(folder)


def fingerprint(folder: Path) -> str:
    """SHA-256 over the recipe and the hashes of the estimator's files."""
    digest = hashlib.sha256()
    for name in (RECIPE, HASHES):
        try:
            digest.update((folder / name).read_bytes())
        except FileNotFoundError:
            raise NoUsableModel(
                f"The model's folder {folder.name} has no {name}.",
                "Train again, or restore the store from a backup.",
            ) from None
    return digest.hexdigest()


def read(folder: Path, expected: str) -> Artefact:
    """Load a model whose files have the fingerprint `expected`; nothing is loaded otherwise."""
    found = fingerprint(folder)
    if found != expected:
        raise NoUsableModel(
            f"The files of model {folder.name} do not match the hash in the registry.",
            "They were damaged or replaced: train again, or restore the store from a backup.",
        )
    recipe = json.loads((folder / RECIPE).read_text(encoding="utf-8"))
    if recipe["format"] != FORMAT:
        raise NoUsableModel(
            f"The model has format {recipe['format']}, this program reads {FORMAT}.",
            "Train again with this version.",
        )
    return Artefact(
        model=ConversionModel.from_payload(folder),
        settings=ModelToml.model_validate(recipe["settings"]),
        features=FeatureSet.from_json(recipe["features"]),
        names=tuple(recipe["names"]),
        reference=np.asarray(recipe["reference"]),
        facts=recipe["facts"],
        interval=(
            Interval.from_json(recipe["interval"]) if "interval" in recipe else Interval.nothing()
        ),
        learned=Learned.from_json(recipe["learned"]) if "learned" in recipe else Learned(),
        flag=Flag.read(recipe["flag"], folder) if "flag" in recipe else None,
        cuts=Cuts.from_json(recipe["cuts"]) if "cuts" in recipe else Cuts(),
        questions=tuple(Question.from_json(q) for q in recipe.get("questions", ())),
    )
