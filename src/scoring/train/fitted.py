"""Which unfolded columns are frequent enough: learned from training rows, saved with the model."""

from collections.abc import Sequence

import pandas as pd

from scoring.build.columns import Column
from scoring.build.unfold import MIN_LEADS

MIN_SHARE = 0.01
MOST_UNFOLDED = 200


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
