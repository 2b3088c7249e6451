"""What is chosen and learned on training rows before a model sees them, and saved with it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pandas as pd

from scoring.build.columns import Column
from scoring.build.featureset import FeatureSet
from scoring.build.unfold import MIN_LEADS
from scoring.train import learned
from scoring.train.learned import Learned

MIN_SHARE = 0.01
MOST_UNFOLDED = 200


@dataclass(frozen=True)
class Chosen:
    """The columns `names` of a model, in order; `learned` holds the tables of those among them that
    are learned from other leads, and `rows` are the training rows with their values."""

    names: tuple[str, ...]
    learned: Learned
    rows: pd.DataFrame


def choose(rows: pd.DataFrame, features: FeatureSet, leave_out: Collection[str] = ()) -> Chosen:
    """What a model learns from, but for the columns `leave_out`: fitted on these rows and nothing
    else."""
    tables, values = learned.fit(rows, features.learned)
    rows = pd.concat([rows, values], axis=1) if tables.columns else rows
    kept = frequent_columns(rows, [*features.columns, *tables.columns])
    names = tuple(name for name in kept if name not in leave_out)
    return Chosen(names, tables.keep(names), rows)


def frequent_columns(rows: pd.DataFrame, columns: Sequence[Column]) -> list[str]:
    """The columns to learn from, in the order of `columns`.

    A column that was unfolded from a type, a number or an attribute stays if at least MIN_SHARE
    of the leads of these training rows (and at least MIN_LEADS leads) have it: a value that is
    neither missing nor 0. Of more than MOST_UNFOLDED such columns the most frequent stay.
    Declared columns stay where any row has a value.
    """
    leads = rows["root_key"].nunique()
    counts: dict[str, int] = {}
    kept: list[str] = []
    for column in columns:
        values = rows[column.name]
        has = values.notna() if column.kind == "category" else values.fillna(0) != 0
        if column.each is None:
            if values.notna().any():
                kept.append(column.name)
            continue
        count = int(rows.loc[has, "root_key"].nunique())
        if count >= max(MIN_LEADS, MIN_SHARE * leads):
            counts[column.name] = count
    unfolded = sorted(counts, key=lambda name: (-counts[name], name))[:MOST_UNFOLDED]
    chosen = {*kept, *unfolded}
    return [c.name for c in columns if c.name in chosen]
