"""Which leads a column is held against, and by which of their rows.

Three comparisons, one row per lead each:

    label     leads that the question's own label calls converted, against the others
    end       leads that were won in the end, against those decided otherwise: what is filled at
              closing stands in the rows of early snapshots too, where the label is still 0
    decided   decided leads against open ones that were created in the same month: attributes
              only, for what is filled at any decision
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from scoring.train.separation import FOLDS, testable

Kind = Literal["label", "end", "decided"]


@dataclass(frozen=True)
class Comparison:
    """One row per lead: `rows` with the columns, `y` (n,) 1 for the kind that is looked for."""

    kind: Kind
    rows: pd.DataFrame
    y: np.ndarray
    fold: np.ndarray


def comparisons(
    rows: pd.DataFrame,
    ends: pd.DataFrame,
    outcome: str,
    censored: Sequence[str],
    seed: int,
    *,
    recurs: bool = False,
) -> dict[Kind, Comparison]:
    """The comparisons that the rows can feed; one with too few leads of either kind is absent.

    rows     training rows: label, root_key, group_id and the columns
    ends     root_key, created_at, outcome and decided_at (missing while open)
    recurs   what the question asks for can happen to a lead again and again

    Each lead is there by one of its rows, drawn at random; for `label`, a lead that converts by
    one of those that do. Not where it recurs: the others would be the leads to which it never
    happens, and every honest count of the same events in the past would tell them apart.
    """
    drawn = rows.sample(frac=1, random_state=seed)
    by_lead = ends.set_index("root_key").reindex(drawn["root_key"])
    decided = by_lead["decided_at"].notna().to_numpy()
    counted = decided & ~by_lead["outcome"].isin(list(censored)).to_numpy()
    won = (by_lead["outcome"] == outcome).to_numpy()
    label = drawn["label"].to_numpy() == 1
    order = np.argsort(~label, kind="stable") if not recurs else np.arange(len(label))
    months = by_lead["created_at"].dt.to_period("M").to_numpy()
    first = ~drawn["root_key"].duplicated().to_numpy()
    parts: dict[Kind, tuple[np.ndarray, np.ndarray]] = {
        "label": (order[~drawn["root_key"].iloc[order].duplicated().to_numpy()], label),
        "end": (np.flatnonzero(first & counted), won),
        "decided": (_matched(np.flatnonzero(first), decided, months), decided),
    }
    found: dict[Kind, Comparison] = {}
    for kind, (places, target) in parts.items():
        chosen, y = drawn.iloc[places], target[places].astype(np.int64)
        if not len(y) or not testable(y):
            continue
        people = pd.factorize(chosen["group_id"])[0]
        fold = np.random.default_rng(seed).integers(0, FOLDS, people.max() + 1)[people]
        found[kind] = Comparison(kind, chosen, y, fold)
    if "label" in found and "end" in found and _alike(found["label"], found["end"]):
        del found["end"]
    return found


def _matched(places: np.ndarray, decided: np.ndarray, months: np.ndarray) -> np.ndarray:
    """Of every month equally many decided and open leads, so that no field's first day tells."""
    table = pd.DataFrame({"place": places, "month": months[places], "decided": decided[places]})
    rank = table.groupby(["month", "decided"]).cumcount()
    both = table.groupby(["month", "decided"]).size().unstack(fill_value=0)
    if both.shape[1] < 2:
        return places[:0]
    return table.loc[rank < table["month"].map(both.min(axis=1)), "place"].to_numpy()


def _alike(a: Comparison, b: Comparison) -> bool:
    """Whether both call the same leads the same: then one of them is enough."""
    mine, theirs = (
        pd.Series(one.y, index=one.rows["root_key"].to_numpy()).sort_index() for one in (a, b)
    )
    return mine.equals(theirs)
