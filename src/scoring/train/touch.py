"""The two columns of the hand rule, whatever features the project itself uses.

A baseline that changes with the feature files would be no baseline: where a question leaves these
columns out (`use`, `exclude`, other feature files), they are built beside its rows.
"""

from dataclasses import replace
from datetime import datetime

import pandas as pd

from scoring.build.columns import Column
from scoring.build.run import Built, build_training
from scoring.check.tables import Tables
from scoring.project import Project

RECENCY = "days since the last interaction"
FREQUENCY = "interactions in 30 days"
# What machines did (link scanners, auto-replies) is nobody's activity.
WANTED = {
    RECENCY: Column("recency", "recency", "", "interactions", "last_on", by_person=True),
    FREQUENCY: Column(
        "frequency", "frequency", "", "interactions", "count", by_person=True, days=30
    ),
}


def with_touch(project: Project, question: str, as_of: datetime, built: Built) -> pd.DataFrame:
    """The training rows of `built` with RECENCY (days) and FREQUENCY (a count) beside them.

    RECENCY is missing where there was no interaction yet; without any history both are.
    """
    rows = built.frame()
    same = {name: _same(column, built.features.columns) for name, column in WANTED.items()}
    if all(same.values()):
        return rows.assign(**{name: rows[own] for name, own in same.items() if own})
    if not Tables.open(project).manifest["tables"]["interactions"]["rows"]:
        return rows.assign(**{RECENCY: float("nan"), FREQUENCY: float("nan")})
    beside = build_training(
        project,
        question,
        as_of,
        features=replace(built.features, columns=tuple(WANTED.values())),
        parent=project.store / "features" / question / "hand_rule",
    ).frame()
    return rows.assign(**{name: beside[c.name].to_numpy() for name, c in WANTED.items()})


def _same(wanted: Column, columns: tuple[Column, ...]) -> str | None:
    """The name of a column that computes the same, if there is one."""
    for c in columns:
        theirs = replace(c, name=wanted.name, variable=wanted.variable, theme=wanted.theme)
        if replace(theirs, singular="", plural="", label="") == wanted:
            return c.name
    return None
