"""The search for columns that know the outcome: what is read, which rule looks at what."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import pandas as pd

from scoring.build.columns import OF_ATTRIBUTES, Column
from scoring.build.featureset import FeatureSet
from scoring.build.partition import LeadScope
from scoring.build.run import Built, build_training
from scoring.check.tables import Tables
from scoring.engine.closing import read_changes, read_ends
from scoring.errors import ConfigError, NoUsableModel, nearest
from scoring.project import Project
from scoring.train.leak_rows import Comparison, comparisons
from scoring.train.leaks import (
    LEVEL,
    Leak,
    changing,
    collapsing,
    related,
    telling,
    timed,
)
from scoring.train.separation import LEADS_AT_LEAST, testable
from scoring.train.splits import as_naive, settled

log = logging.getLogger(__name__)

# Evidence does not get better with more leads than these, only slower.
LEADS_AT_MOST = 20_000
REBUILT_LEADS_OF_A_KIND = 1_000
# A younger lead honestly knows much less a day earlier.
OLD_ENOUGH = pd.Timedelta(days=7)
# Bounds that are looked at for one column: three comparisons, two ways to read its values, an AUC
# and either kind of certainty; changes, timing and collapse.
TESTS_OF_A_COLUMN = 3 * 2 * 3 + 3


@dataclass(frozen=True)
class Searched:
    """What the search found, and what it could not look at.

    not_testable   rule (as `Leak.reason`, and `decided` for the comparison with open leads) → why
    """

    leaks: tuple[Leak, ...] = ()
    not_testable: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "leaks": [leak.to_json() for leak in self.leaks],
            "leaks_not_testable": self.not_testable,
        }

    def lines(self) -> Iterator[str]:
        """What a person reads."""
        for leak in self.leaks:
            what = "left out" if leak.excluded else "allowed"
            yield f"{leak.column} knows the outcome ({leak.reason}, {what}): {leak.evidence}"
        if not self.leaks:
            yield "No column knows the outcome."
        for rule, why in self.not_testable.items():
            yield f"not testable: {rule} ({why})"

    @property
    def unsettled(self) -> tuple[Leak, ...]:
        """Leaks that nobody has decided about: neither excluded nor allowed in model.toml."""
        return tuple(leak for leak in self.leaks if leak.excluded)


def search(
    project: Project,
    question: str,
    as_of: datetime,
    built: Built,
    rows: pd.DataFrame,
    *,
    own: bool = True,
) -> Searched:
    """Hold every column of the training rows against how their leads ended.

    rows   of `built`, or those of them that are learned from
    own    the columns are those of the project's files, not a champion's: then `allow_leaks` has
           to name columns that there are
    Raises ConfigError where it does not.
    """
    model = project.model(question)
    columns = [c for c in built.features.columns if c.name in rows]
    allowed = _allowed(columns, model.features.allow_leaks, own=own)
    seed = model.learner.seed
    until = min(Tables.open(project).data_end, as_of)
    end = as_naive(until)
    with project.connect() as connection:
        tables = Tables.open(project)
        ends = read_ends(connection, tables, until)
        changes = read_changes(connection, tables, built.features.attributes, until)
    rows = _some(rows, seed)
    censored = model.question.sale_censor
    recurs = bool(model.question.event)
    compared = comparisons(rows, ends, model.question.outcome, censored, seed, recurs=recurs)
    alpha = LEVEL / (TESTS_OF_A_COLUMN * max(len(columns), 1))
    earlier = None
    if "label" in compared:
        earlier = _a_day_earlier(project, question, as_of, built, compared["label"], ends)
    found: list[Leak] = []
    histories = 0
    for column in columns:
        in_row = column.op in OF_ATTRIBUTES and column.of not in built.features.tracked
        leak = None
        if column.op in OF_ATTRIBUTES:
            history = changes[changes["field"] == column.of]
            history = history[history["origin"] == ("landing" if in_row else "source")]
            histories += len(history) > 0
            if len(history):
                leak = changing(column, history, ends, compared=in_row, until=end, alpha=alpha)
        leak = leak or telling(column, list(compared.values()), attribute=in_row, alpha=alpha)
        if leak is None and in_row and column.kind != "category":
            values = rows.drop_duplicates("root_key").set_index("root_key")[column.name]
            leak = timed(column, values, ends, alpha)
        if leak is None and earlier is not None:
            leak = collapsing(column, *earlier, alpha)
        if leak is not None:
            found.append(leak)
    found += related(columns, found)
    found = [replace(leak, excluded=leak.column not in allowed) for leak in found]
    for leak in found:
        log.warning("%s knows the outcome (%s): %s", leak.column, leak.reason, leak.evidence)
    return Searched(tuple(found), _not_testable(columns, compared, histories, earlier))


def leakage(project: Project, question: str, as_of: datetime) -> Searched:
    """The search over the rows that `train` would learn from as of `as_of`.

    Raises NoUsableModel where there are none.
    """
    built = build_training(project, question, as_of)
    rows = settled(built.frame(), built.settling)
    if not len(rows):
        raise NoUsableModel(
            "There are no labelled rows: no lead has a label that was known by the data's end.",
            "`scoring doctor` says what is missing.",
        )
    return search(project, question, as_of, built, rows)


def without(features: FeatureSet, leaks: Iterable[Leak]) -> FeatureSet:
    """The feature set without the excluded leaks and whatever is computed of them.

    Raises NoUsableModel where nothing is left.
    """
    gone = {leak.column: leak for leak in leaks if leak.excluded}
    if not gone:
        return features
    names = set(gone)
    for column in features.all:  # what a column reads stands before it
        if names & set(column.inputs):
            names.add(column.name)
    left_out = dict(features.left_out)
    for column in features.columns:
        if column.op == "attribute" and column.name in gone and column.of:
            left_out[column.of] = f"knows the outcome: {gone[column.name].evidence}"
    columns = tuple(c for c in features.columns if c.name not in names)
    if not columns:
        raise NoUsableModel(
            f"Every feature of this question knows the outcome: {', '.join(sorted(names)[:5])}.",
            "`scoring audit --leakage` shows the evidence; use features from before the decision.",
        )
    return replace(
        features,
        columns=columns,
        learned=tuple(c for c in features.learned if c.name not in names),
        left_out=left_out,
    )


def _allowed(columns: Sequence[Column], patterns: Sequence[str], *, own: bool) -> set[str]:
    """Names of the columns that `allow_leaks` lets stay."""
    names = {c.name: {c.name, c.variable, c.of or c.name} for c in columns}
    known = set().union(*names.values())
    for pattern in patterns:
        if own and "*" not in pattern and pattern not in known:
            raise ConfigError(
                f"model.toml: `allow_leaks` names `{pattern}`, which is not a feature of this "
                f"question.{nearest(pattern, known)}"
            )
    return {
        name
        for name, words in names.items()
        if any(fnmatchcase(word, pattern) for word in words for pattern in patterns)
    }


def _some(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The rows of at most LEADS_AT_MOST leads, drawn at random."""
    leads = rows["root_key"].unique()
    if len(leads) <= LEADS_AT_MOST:
        return rows
    drawn = np.random.default_rng(seed).choice(np.sort(leads), LEADS_AT_MOST, replace=False)
    return rows[rows["root_key"].isin(drawn)]


def _a_day_earlier(
    project: Project,
    question: str,
    as_of: datetime,
    built: Built,
    label: Comparison,
    ends: pd.DataFrame,
) -> tuple[Comparison, pd.DataFrame] | None:
    """Some leads of the comparison, and their columns as they were a day before the snapshot."""
    created = label.rows["root_key"].map(ends.set_index("root_key")["created_at"])
    old = (label.rows["as_of"] - created >= OLD_ENOUGH).to_numpy()
    nth = pd.Series(old).groupby(label.y).cumsum()
    kept = old & (nth.to_numpy() <= REBUILT_LEADS_OF_A_KIND)
    if not kept.any() or not testable(label.y[kept]):
        return None
    rows = label.rows[kept]
    before = build_training(
        project,
        question,
        as_of,
        features=built.features,
        scope=LeadScope(tuple(sorted(rows["lead_id"]))),
        parent=project.store / "features" / question / "day_earlier",
        days_earlier=1,
    ).frame()
    before["as_of"] += pd.Timedelta(days=1)
    keys = ["lead_id", "as_of"]
    place = before.set_index(keys).index.get_indexer(pd.MultiIndex.from_frame(rows[keys]))
    there = place >= 0
    y, fold = label.y[kept][there], label.fold[kept][there]
    if not testable(y):
        return None
    return Comparison("label", rows[there], y, fold), before.iloc[place[there]]


def _not_testable(
    columns: Sequence[Column],
    compared: Iterable[str],
    histories: int,
    earlier: object | None,
) -> dict[str, str]:
    few = f"fewer than {LEADS_AT_LEAST} leads of either kind"
    said = {}
    if "label" not in compared:
        said["separation"] = few
    if any(c.op == "attribute" for c in columns):
        if "decided" not in compared:
            said["decided"] = f"{few}, decided and still open, among those created in one month"
        if not histories:
            said["changes"] = "no attribute has a field history"
    if earlier is None:
        said["collapse"] = f"{few} that were {OLD_ENOUGH.days} days old or older at their snapshot"
    return said
