"""The catalogue of a question's features, as people read it."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scoring.build.columns import STREAMS, Column
from scoring.build.featureset import FeatureSet, absent_features, absent_rules
from scoring.build.learned import STREAM as LEARNED
from scoring.build.partition import LeadScope, Rows, write_partition
from scoring.build.run import build_training
from scoring.check.tables import Tables
from scoring.engine.landed import Landed
from scoring.project import Project

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Entry:
    """One feature.

    window     days before as_of, or None for the whole history
    coverage   share of the labelled snapshots where it is neither missing nor 0; None without any
    cost       `lookup` (the lead's own row, or of other columns), `history` (a pass over the
               events) or `learned` (fitted in training)
    share      of the seconds in which tonight's columns of the history are computed, measured on
               the first partition: 0 to 1; None for the others, and where no lead is open. What
               columns share counts for the first of them
    used_by    models that learned from a column of this name: question, `champion` or `candidate`,
               and version
    sign       what it warns of (`build/columns.py` SIGN_KINDS), or None; `strong`: by itself
    earnest    it shows that a lead means to buy
    """

    name: str
    theme: str
    operation: str
    sentence: str
    window: int | None
    kind: str
    coverage: float | None
    cost: str
    share: float | None
    used_by: tuple[str, ...]
    sign: str | None
    strong: bool
    earnest: bool

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Missing:
    """A declaration that makes no feature in this project, and why.

    sign   what it would warn of: a sign without data counts for nothing. None: no sign
    """

    variable: str
    theme: str
    reason: str
    sign: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def catalogue(project: Project, question: str, as_of: datetime) -> list[Entry]:
    """Every feature that this project can compute for `question`, by theme and name."""
    from scoring.train.learned import fit

    built = build_training(project, question, as_of)
    rows = built.frame()
    if len(rows):
        rows = rows.join(fit(rows, built.features.learned)[1])
    shares = _shares(project, question, built.features, as_of)
    used = users(project)
    entries = [
        Entry(
            name=column.name,
            theme=column.theme,
            operation=column.op,
            sentence=column.plural or column.singular,
            window=column.days,
            kind=column.kind,
            coverage=_coverage(rows, column) if len(rows) else None,
            cost=_cost(column),
            share=shares.get(column.name),
            used_by=tuple(used.get(column.name, ())),
            sign=column.sign.kind if column.sign else None,
            strong=column.sign is not None and column.sign.strong,
            earnest=column.earnest,
        )
        for column in built.features.all
    ]
    return sorted(entries, key=lambda e: (e.theme, e.name))


def missing(project: Project, question: str) -> list[Missing]:
    """The declarations and machine rules that this project cannot feed, by theme and name."""
    model = project.model(question)
    found = absent_features(project, model)
    told = [
        Missing(
            variable=a.named.variable,
            theme=a.named.theme,
            reason=a.reason,
            sign=a.named.declaration.sign.kind if a.named.declaration.sign else None,
        )
        for a in found
    ]
    rules = absent_rules(project, model).items()
    told += [Missing(rule.variable, rule.theme, reason) for rule, reason in rules]
    return sorted(told, key=lambda m: (m.theme, m.variable))


def users(project: Project) -> dict[str, list[str]]:
    """Feature → the models of all questions that learned from it."""
    from scoring.train import tracking

    found: dict[str, list[str]] = {}
    for question in project.questions():
        told: dict[str, list[str]] = {}  # version → its aliases
        models = {}
        for alias in (tracking.CHAMPION, tracking.CANDIDATE):
            registered = tracking.registered(project, question, alias)
            if registered is None:
                continue
            told.setdefault(registered.version, []).append(alias)
            models[registered.version] = tracking.load(
                project, question, registered.version, registered.fingerprint
            )
        for version, aliases in told.items():
            for name in models[version].names:
                said = f"{question} {' and '.join(aliases)} {version}"
                found.setdefault(name, []).append(said)
    return found


def _coverage(rows: "pd.DataFrame", column: Column) -> float:
    if column.name not in rows:  # too few rows that could be compared by it to learn from
        return 0.0
    values = rows[column.name]
    has = values.notna() if column.kind == "category" else values.fillna(0) != 0
    return float(has.mean())


def _cost(column: Column) -> str:
    if column.stream == LEARNED:
        return "learned"
    return "history" if column.stream in STREAMS else "lookup"


def _shares(
    project: Project, question: str, features: FeatureSet, as_of: datetime
) -> dict[str, float]:
    """Column → its share of the seconds, measured by building the first partition for scoring."""
    model = project.model(question)
    rows = Rows(
        question=model.question,
        snapshots=model.snapshots,
        where=model.population.where,
        until=as_of,
        since=as_of - timedelta(days=1),
        rhythm=(),
        labels=False,
        landed=Landed(),
        scope=LeadScope(),
    )
    spent: dict[str, float] = {}
    with project.connect() as connection, _scratch(project) as path:
        write_partition(connection, Tables.open(project), 0, features, rows, path, spent)
    total = sum(spent.values())
    return {name: seconds / total for name, seconds in spent.items()} if total else {}


@contextmanager
def _scratch(project: Project) -> Iterator[Path]:
    """A file that is gone afterwards."""
    project.tmp.mkdir(parents=True, exist_ok=True)
    path = project.tmp / f"catalogue-{uuid.uuid4().hex[:8]}.parquet"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
