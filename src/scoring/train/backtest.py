"""Rolling-origin evaluation: how the recipe would have done, had it been in use."""

from datetime import datetime
from typing import Any

import numpy as np

from scoring.build.run import build_training
from scoring.errors import NoUsableModel
from scoring.project import Project
from scoring.train.leak_search import search, without
from scoring.train.metrics import measures, reliability
from scoring.train.recipe import baseline_probabilities, fit
from scoring.train.segments import segments
from scoring.train.splits import as_naive, newest_share, rolling_origins, settled, training_rows
from scoring.train.touch import with_touch

TESTED_SHARE = 0.3  # of the rows, the newest, unless --test-from says otherwise


def backtest(
    project: Project,
    question: str,
    as_of: datetime,
    *,
    test_from: datetime | None = None,
    origins: int = 3,
) -> dict[str, Any]:
    """Refit before each of `origins` consecutive blocks of the rows from `test_from` on.

    Returns the measures pooled over all tested rows, per origin, on parts of the rows (segments),
    and of the baselines on the same rows, and the table behind a reliability curve. Columns that
    know the outcome are left out and listed as `leaks`. Raises NoUsableModel where no origin has
    both outcomes before it.
    """
    model = project.model(question)
    built = build_training(project, question, as_of)
    rows = settled(with_touch(project, question, as_of, built), built.settling)
    if not len(rows):
        raise NoUsableModel(
            "There are no labelled rows: no lead has a label that was known by the data's end.",
            "`scoring doctor` says what is missing.",
        )
    start = as_naive(test_from) if test_from else newest_share(rows, TESTED_SHARE)
    splits = rolling_origins(rows, start, origins)
    if not splits:
        raise NoUsableModel(
            f"No row can be tested from {start.date()} on: there are {len(rows)} labelled rows, "
            f"from {rows['as_of'].min().date()} to {rows['as_of'].max().date()}, and what lies "
            "before must hold both outcomes.",
            "Choose another --test-from.",
        )
    # Searched for in what the first origin knew: the tested rows choose no column.
    known = training_rows(rows, splits[0]).reset_index(drop=True)
    leaks = search(project, question, as_of, built, known).leaks
    features = without(built.features, leaks)
    seed = model.learner.seed
    label = rows["label"].to_numpy()
    tested: list[np.ndarray] = []
    said: dict[str, list[np.ndarray]] = {}
    per_origin = []
    for split in splits:
        train, test = training_rows(rows, split), rows.iloc[split.test]
        fitted = fit(train, features, model.learner)
        probability = fitted.probability(test)
        others = baseline_probabilities(
            train, test, fitted.names, features, project.settings.stages.order
        )
        for name, values in {"model": probability, **others}.items():
            said.setdefault(name, []).append(values)
        tested.append(split.test)
        per_origin.append(
            {
                "from": split.start.isoformat(),
                "to": split.end.isoformat(),
                "trained_on": len(train),
                "trained_positives": int(train["label"].sum()),
                "features": len(fitted.names),
                **measures(label[split.test], probability, seed=seed),
            }
        )
    places = np.concatenate(tested)
    y = label[places]
    curve = reliability(y, np.concatenate(said["model"]))
    parts = segments(
        rows.iloc[places], np.concatenate(said["model"]), built.features.columns, seed=seed
    )
    pooled = {name: measures(y, np.concatenate(p), seed=seed) for name, p in said.items()}
    within_horizon = model.question.label == "within_horizon"
    return {
        "question": question,
        "horizon_days": model.question.horizon_days if within_horizon else None,
        "pooled": pooled.pop("model"),
        "origins": per_origin,
        "baselines": pooled,
        "reliability": curve.to_dict("records"),
        "segments": [part.to_json() for part in parts],
        "leaks": [leak.to_json() for leak in leaks],
    }
