"""A fitted candidate → files in the store, a run and a version in MLflow, and its card."""

import hashlib
import shutil
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scoring.build.run import Built
from scoring.project import Project
from scoring.store.publish import new_folder, scratch, write_bytes
from scoring.train import artefact, tracking
from scoring.train.artefact import Artefact
from scoring.train.card import card
from scoring.train.gates import Decision
from scoring.train.plots import validation_figures
from scoring.train.segments import Segment
from scoring.train.splits import Split, as_naive, conversions


def facts_of(
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


def publish(
    project: Project,
    question: str,
    made: Artefact,
    validated: tuple[np.ndarray, np.ndarray],
    as_of: datetime,
    decision: Decision,
    parts: Sequence[Segment],
    leaks: Sequence[dict[str, Any]],
) -> tracking.Registered:
    """The files into the store, run and version into MLflow, the card there and into `out/`.

    validated   labels and probabilities of the validation rows; parts: measures on parts of them
    leaks       columns that know the outcome, as `train --json` has them
    """
    with scratch(project.tmp, "model") as folder:
        mark = artefact.write(made, folder)
        final = tracking.models_folder(project, question) / mark[:20]
        with new_folder(final, project.tmp) as draft:
            shutil.copytree(folder, draft, dirs_exist_ok=True)
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
    figures = validation_figures(*validated)
    page = card(
        made,
        name=tracking.model_name(project, question),
        passed=decision.passed,
        why=decision.why,
        segments=parts,
        leaks=leaks,
        figures=figures,
    )
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
    registered = tracking.register(
        project,
        question,
        final,
        run_name=f"{question} {as_naive(as_of).date()}",
        params=params,
        metrics=metrics,
        figures=figures,
        texts={
            "features.json": made.features.to_json(),
            "decision.json": {"passed": decision.passed, "why": decision.why},
            "segments.json": {"segments": [part.to_json() for part in parts]},
        },
        pages={"card.html": page},
        columns={c.name: c.kind for c in made.inputs},
        passed=decision.passed,
        why=decision.why,
    )
    write_bytes(card_path(project, question, registered.version), page.encode())
    return registered


def card_path(project: Project, question: str, number: str) -> Path:
    """Where people find the card of a version."""
    return project.out / "cards" / f"{question}-{number}.html"
