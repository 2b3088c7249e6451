"""Columns that know the outcome, found by evidence and not by name. Pure functions.

Every rule asks for two things: a measure beyond its limit, and a lower bound (one-sided, at
`LEVEL` shared by all columns and comparisons, after Bonferroni) that rules out luck. The limits lie
far from what honest columns of sales histories reach, so that one lead more or less moves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from scoring.build.columns import Column
from scoring.train.leak_rows import Comparison
from scoring.train.leak_times import Found, follows_decision, set_at_decision
from scoring.train.separation import Certainty, auc, certainty, codes, out_of_fold, weaker

Reason = Literal[
    "separation", "certainty", "missingness", "changes", "timing", "collapse", "origin"
]

# Of one false alarm among all columns of a question.
LEVEL = 0.01
# A single column with an AUC that live models do not reach with all of theirs.
AUC_LIMIT, AUC_LOWER = 0.95, 0.90
# Leads with certain values that are all of one kind, where few leads are.
CERTAIN_LIMIT = 0.95
CERTAIN_ODDS, CERTAIN_ODDS_LOWER = 20.0, 5.0
# A late stage makes a sale likely, and so does an event of that stage; what was known at creation
# does so less.
CERTAIN_LOWER = {"event": 0.8, "attribute": 0.5}
CHANGES_LIMIT, CHANGES_LOWER = 0.95, 0.5
TIMING_LIMIT, TIMING_LOWER = 0.8, 0.7
# Half of the strength is lost in a day, by a column that was strong.
COLLAPSE_LIMIT, COLLAPSE_AUC = 0.5, 0.7

SAID = {
    "label": ("leads that convert", "all others"),
    "end": ("leads that were won in the end", "leads that were not"),
    "decided": ("leads that were decided", "open leads of the same age"),
}


@dataclass(frozen=True)
class Leak:
    """A column that knows the outcome.

    reason    separation: the column alone tells the leads apart; certainty: some values of it are
              held by one kind of lead only; missingness: whether it is filled does one of the two;
              changes: its values change at or after the decision only; timing: its number goes with
              the time of the decision; collapse: it is much weaker a day before the snapshot;
              origin: it reads the events of another leaking column
    value     the measure: an AUC, a share, a rank correlation, or what is left of the strength
    limit     from which on (for collapse: up to which) it counts as a leak
    evidence  one sentence with the numbers behind it
    excluded  left out of the model; false where `allow_leaks` lets it stay
    """

    column: str
    reason: Reason
    value: float
    limit: float
    evidence: str
    excluded: bool = True

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def telling(
    column: Column, comparisons: Sequence[Comparison], *, attribute: bool, alpha: float
) -> Leak | None:
    """Whether a column alone gives the outcome away, by its values or by being filled.

    attribute   its value stands in the lead's row: it may be compared with open leads, and being
                filled for those only who do not buy counts, too. A value may honestly mean that
                (a student), and so may an event (an unsubscription).
    """
    held = [one for one in comparisons if attribute or one.kind != "decided"]
    for by in ("filled", "value"):
        for one in held:
            values = one.rows[column.name]
            if by == "filled":
                values = values.notna().astype(np.int8)
                if values.min() == values.max():
                    continue
            found = _told(column.name, values, by, one, attribute=attribute, alpha=alpha)
            if found:
                return found
    return None


def _told(
    name: str, values: pd.Series, by: str, one: Comparison, *, attribute: bool, alpha: float
) -> Leak | None:
    score = out_of_fold(codes(values), one.y, one.fold)
    these, others = SAID[one.kind]
    what = "whether it is filled" if by == "filled" else "it"
    area = auc(one.y, score, alpha)
    if area.value >= AUC_LIMIT and area.lower >= AUC_LOWER:
        return Leak(
            name,
            "missingness" if by == "filled" else "separation",
            area.value,
            AUC_LIMIT,
            f"{what} alone tells {these} from {others} with an AUC of {area.value:.3f} "
            f"(at least {area.lower:.3f}; {len(one.y):,} leads)",
        )
    usual = float(one.y.mean())
    for y, ranked, share, (whose, _) in (
        (one.y, score, usual, (these, others)),
        (1 - one.y, 1 - score, 1 - usual, (others, these)),
    ):
        surest = certainty(y, ranked, alpha)
        if _is_certain(surest, share, attribute=attribute):
            return Leak(
                name,
                "missingness" if by == "filled" else "certainty",
                surest.share,
                CERTAIN_LIMIT,
                f"of {surest.leads:,} leads told apart by {what}"
                f"{'' if by == 'filled' else 's values'}, {surest.share:.1%} are {whose} "
                f"(at least {surest.lower:.1%}; usual are {share:.1%})",
            )
        if not attribute or (by == "value" and one.kind != "decided"):
            break
    return None


def _is_certain(found: Certainty, usual: float, *, attribute: bool) -> bool:
    odds = usual / (1 - usual)
    # Half a lead is added: nobody is certain after finitely many.
    share = (found.leads * found.share + 0.5) / (found.leads + 1)
    return (
        found.share >= CERTAIN_LIMIT
        and share / (1 - share) >= CERTAIN_ODDS * odds
        and found.lower >= CERTAIN_LOWER["attribute" if attribute else "event"]
        and found.lower / (1 - found.lower) >= CERTAIN_ODDS_LOWER * odds
    )


def changing(
    column: Column,
    changes: pd.DataFrame,
    ends: pd.DataFrame,
    *,
    compared: bool,
    until: pd.Timestamp,
    alpha: float,
) -> Leak | None:
    """Whether an attribute's history begins, or moves, only when leads are decided."""
    found = set_at_decision(changes, ends, compared=compared, until=until, alpha=alpha)
    if found is None or found.value < CHANGES_LIMIT or found.lower < CHANGES_LOWER:
        return None
    return Leak(
        column.name,
        "changes",
        found.value,
        CHANGES_LIMIT,
        f"for {found.value:.1%} of {found.leads:,} decided leads its first change came at or after "
        f"the decision (at least {found.lower:.1%})",
    )


def timed(column: Column, values: pd.Series, ends: pd.DataFrame, alpha: float) -> Leak | None:
    """Whether an attribute's number, by root_key, goes with the time of the decision."""
    found: Found | None = follows_decision(values, ends, alpha)
    if found is None or found.value < TIMING_LIMIT or found.lower < TIMING_LOWER:
        return None
    return Leak(
        column.name,
        "timing",
        found.value,
        TIMING_LIMIT,
        f"its number goes with the time of the decision: rank correlation {found.value:.2f} "
        f"(at least {found.lower:.2f}; {found.leads:,} leads)",
    )


def collapsing(column: Column, now: Comparison, before: pd.DataFrame, alpha: float) -> Leak | None:
    """Whether a strong column loses most of its strength when every snapshot is a day earlier.

    before   the same leads in the same order, as of a day earlier
    """
    score = out_of_fold(codes(now.rows[column.name]), now.y, now.fold)
    area = auc(now.y, score, alpha)
    if area.value < COLLAPSE_AUC:
        return None
    earlier = out_of_fold(codes(before[column.name]), now.y, now.fold)
    left, surely = weaker(now.y, score, earlier, alpha)
    if left > COLLAPSE_LIMIT or not surely:
        return None
    return Leak(
        column.name,
        "collapse",
        left,
        COLLAPSE_LIMIT,
        f"a day earlier {left:.0%} of its strength is left: AUC {area.value:.3f} at the snapshot, "
        f"{0.5 + left * (area.value - 0.5):.3f} the day before ({len(now.y):,} leads)",
    )


def related(columns: Sequence[Column], found: Sequence[Leak]) -> list[Leak]:
    """The other columns that read nothing but the events of a leaking one.

    An event that is written when a deal is closed leaks in every window and as its last date, also
    where too few leads have it to prove that for each. Where it leaks by a property of the events,
    the others are honest.
    """
    leaking = {leak.column: leak for leak in found}
    sources = [
        c for c in columns if c.name in leaking and _one_type(c) and not (c.of or c.part or c.then)
    ]
    more = []
    for column in columns:
        of = next((s for s in sources if _reads_only(column, s)), None)
        if of is None or column.name in leaking:
            continue
        why = f"reads the same events as {of.name}: {leaking[of.name].evidence}"
        more.append(replace(leaking[of.name], column=column.name, reason="origin", evidence=why))
    return more


def _one_type(column: Column) -> bool:
    return column.types is not None and len(column.types) == 1


def _reads_only(column: Column, source: Column) -> bool:
    """Whether the rows of `column` are among those of `source`."""
    same = (column.stream, column.types) == (source.stream, source.types)
    return same and (not source.where or column.where == source.where)
