"""The naive Bayes that a CRM ships: Odoo's predictive lead scoring, written from its formula.

    OdooFrequencies      closed leads -> the frequencies per team -> percent of an open lead
    NaiveBayesBaseline   the same formula on training rows, with scikit-learn's interface

Of a lead with stage g and field values v_f, by the frequencies of its team:

    S_won  = won / (won + lost)  · won(g) / won   · Π_f won(f, v_f) / Σ_v won(f, v)
    S_lost = lost / (won + lost) · lost(g) / lost · Π_f lost(f, v_f) / Σ_v lost(f, v)
    p      = S_won / (S_won + S_lost)

Each count is that of the team's closed leads plus `SMOOTHING`. A won lead counts in every stage, a
lost one in its own and all earlier ones; `won` and `lost` are the counts of the stage that opens
the pipeline for every team. It is here to be beaten: the source is the published behaviour of
Odoo's CRM, with its coarse edges, except that no lead's score depends on the leads around it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from scoring.train import columns as cols

SMOOTHING = 0.1
# A tag that few closed leads carry would weigh too much.
TAG_LEADS = 50
LOWEST, HIGHEST = 0.01, 99.99  # percent
# Elsewhere an unset value is skipped; here it tells that nobody could check the address.
UNSET_IS_A_VALUE = ("email_state", "phone_state")
NOT_SET = "not set"
TEAM_COLUMNS = ("team", "team_id")
STAGE_COLUMN = "stage"


@dataclass(frozen=True)
class _Factor:
    """What one field adds to the log-odds.

    values     (v,) the values of the closed leads, in the order of the columns of `log_odds`
    log_odds   (teams + 1, v): log of won share by lost share; 0 where the team never had the
               value; the last row pools all teams
    """

    values: pd.Index
    log_odds: np.ndarray

    def term(self, team: np.ndarray, values: pd.Series) -> np.ndarray:
        """What it adds (n,) to each lead; an unset or unseen value adds nothing."""
        if not len(self.values):
            return np.zeros(len(values))
        column = self.values.get_indexer(pd.Index(values))
        return np.where(column >= 0, self.log_odds[team, column], 0.0)


class OdooFrequencies:
    """How often each value of each field was won and lost, per team.

    A lead is a row of a DataFrame; columns are found by name, an absent one counts as unset. A lead
    without a team, or of a team without closed leads, is judged by the frequencies of all teams.
    """

    def __init__(
        self,
        leads: pd.DataFrame,
        won: Any,
        *,
        fields: Sequence[str],
        team: str | None = None,
        stage: str | None = None,
        stages: Sequence[Hashable] = (),
        opening: Hashable | None = None,
        tags: str | None = None,
    ) -> None:
        """Count the closed `leads` (n rows); `won` (n,) is true where the lead was won.

        `fields`, `team`, `stage`, `tags`: names of columns; a lead's tags are any collection, or
        unset, and each is a factor of its own. `stages`: the pipeline, first to last; without it
        the stage plays no part. `opening`: the first stage that belongs to no team in particular,
        by default the first of all. A closed lead whose stage is unset or not among `stages` counts
        as one that never left the first stage.

        Raises ValueError if no closed lead came as far as `opening`, or if it is no stage.
        """
        self._team, self._stage, self._tags = team, stage if stages else None, tags
        pipeline = pd.Index(list(dict.fromkeys(stages)) or [None], dtype=object)
        if opening is not None and opening not in pipeline:
            raise ValueError(f"`opening` must be one of `stages`. Got {opening!r} instead.")
        is_lost = 1 - np.asarray(won, dtype=bool).astype(int)
        owner = _values(leads, team)
        self._teams = pd.Index(owner.dropna().unique(), dtype=object)
        of_team = self._teams.get_indexer(pd.Index(owner))

        reached = np.maximum(pipeline.get_indexer(pd.Index(_values(leads, self._stage))), 0)
        counts = _tally(len(self._teams), len(pipeline), of_team, reached, is_lost)
        counts[0] = counts[0].sum(axis=1, keepdims=True)
        counts[1] = counts[1, :, ::-1].cumsum(axis=1)[:, ::-1]
        counts = _pooled(_smoothed(counts))
        start = counts[:, :, 0 if opening is None else pipeline.get_loc(opening)]
        # A team none of whose leads reached the opening stage has no prior of its own.
        self._has_prior = start[0] > 0
        if not self._has_prior[-1]:
            raise ValueError("At least one closed lead must have reached the opening stage.")
        self._prior = _log_odds(start)

        self._factors = {
            name: _factor(*_counted(_values(leads, name), of_team, is_lost, len(self._teams)))
            for name in fields
        }
        if self._stage is not None:
            self._factors[self._stage] = _Factor(pipeline, _log_odds(counts, start[:, :, None]))
        lead, carried = _exploded(leads, tags)
        names, counts = _counted(carried, of_team[lead], is_lost[lead], len(self._teams))
        self._of_tags = _factor(names, np.where(counts.sum(axis=0) < TAG_LEADS, 0.0, counts))

    def percent(self, leads: pd.DataFrame) -> np.ndarray:
        """Chance (n,) of winning each lead: `LOWEST` to `HIGHEST` percent, two decimals."""
        team = self._teams.get_indexer(pd.Index(_values(leads, self._team)))
        team = np.where(self._has_prior[team], team, -1)
        log_odds = self._prior[team]
        for name, factor in self._factors.items():
            log_odds = log_odds + factor.term(team, _values(leads, name))
        lead, carried = _exploded(leads, self._tags)
        np.add.at(log_odds, lead, self._of_tags.term(team[lead], carried))
        return np.clip(np.round(100 * expit(log_odds), 2), LOWEST, HIGHEST)


class NaiveBayesBaseline(ClassifierMixin, BaseEstimator):
    """Odoo's formula on the columns that Odoo would use, every training row a closed lead.

    Its fields are the columns of texts and categories. Numbers and flags are left out: the formula
    knows no order, and would take each number for a value of its own. A column called `team` or
    `team_id` is the team. `stage` is the stage if `stages` tells the order, and a field like the
    others if not. There are no tags. The probability is the one that Odoo would show: rounded to
    0.01 %, from 0.01 % to 99.99 %.

    Parameters
    ----------
    stages : the pipeline's stages, first to last, as the CRM names them.
    """

    def __init__(self, stages: Sequence[str] = ()) -> None:
        self.stages = stages

    def fit(self, X: Any, y: Any) -> NaiveBayesBaseline:
        """`X` (n, k), `y` (n,) with two labels; the second, sorted, is the won one.

        Missing values and all-empty columns are welcome. Raises ValueError for a single class, and
        for dates in `X`.
        """
        frame = cols.as_frame(X)
        target = np.asarray(y).ravel()
        check_consistent_length(frame, target)
        self.classes_, won = np.unique(target, return_inverse=True)
        if len(self.classes_) != 2:
            raise ValueError(f"`y` must have two classes. Got {len(self.classes_)} instead.")
        apart = {*TEAM_COLUMNS, STAGE_COLUMN} if self.stages else {*TEAM_COLUMNS}
        self.frequencies_ = OdooFrequencies(
            frame,
            won,
            fields=[
                column.name
                for column in cols.fit(frame)
                if column.kind == "category" and column.name not in apart
            ],
            team=next((name for name in TEAM_COLUMNS if name in frame.columns), None),
            stage=STAGE_COLUMN,
            stages=tuple(self.stages),
        )
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (n, 2) in the order of `classes_`; absent columns count as unset."""
        check_is_fitted(self)
        won = self.frequencies_.percent(cols.as_frame(X)) / 100
        return np.column_stack([1 - won, won])


def _values(leads: pd.DataFrame, name: str | None) -> pd.Series:
    """A column as objects, whatever type it was read as; missing where unset."""
    if name is None or name not in leads.columns:
        values = pd.Series(np.nan, index=leads.index, dtype=object)
    else:
        values = leads[name].astype(object)
    return values.where(values.notna(), NOT_SET) if name in UNSET_IS_A_VALUE else values


def _exploded(leads: pd.DataFrame, tags: str | None) -> tuple[np.ndarray, pd.Series]:
    """One entry per lead and tag: the lead's position, and the tag."""
    carried = _values(leads, tags).set_axis(range(len(leads)))
    pairs = carried.dropna().map(set).explode().dropna()
    return pairs.index.to_numpy(dtype=int), pairs.astype(object)


def _counted(
    values: pd.Series, team: np.ndarray, is_lost: np.ndarray, teams: int
) -> tuple[pd.Index, np.ndarray]:
    """The different values, and their smoothed counts (2, teams + 1, values)."""
    codes, uniques = pd.factorize(values)
    return pd.Index(uniques), _smoothed(_tally(teams, len(uniques), team, codes, is_lost))


def _tally(
    teams: int, values: int, team: np.ndarray, value: np.ndarray, is_lost: np.ndarray
) -> np.ndarray:
    """Leads (2, teams + 1, values): won and lost; the last team is none; -1 is no value."""
    counts = np.zeros((2, teams + 1, values))
    has = value >= 0
    np.add.at(counts, (is_lost[has], team[has], value[has]), 1)
    return counts


def _smoothed(counts: np.ndarray) -> np.ndarray:
    return np.where(counts.sum(axis=0) > 0, counts + SMOOTHING, 0.0)


def _pooled(counts: np.ndarray) -> np.ndarray:
    """The last row, the leads of no team, becomes the sum of all rows, smoothing included."""
    counts = counts.copy()
    counts[:, -1] = counts.sum(axis=1)
    return counts


def _factor(values: pd.Index, counts: np.ndarray) -> _Factor:
    counts = _pooled(counts)
    return _Factor(values, _log_odds(counts, counts.sum(axis=2, keepdims=True)))


def _log_odds(counts: np.ndarray, totals: np.ndarray | None = None) -> np.ndarray:
    """log(won / lost), as shares if there are `totals`; 0 where nothing was counted."""
    seen = counts[0] > 0
    won, lost = np.where(seen, counts, 1.0)
    log_odds = np.log(won) - np.log(lost)
    if totals is not None:
        won, lost = np.where(totals[0] > 0, totals, 1.0)
        log_odds = log_odds - (np.log(won) - np.log(lost))
    return np.where(seen, log_odds, 0.0)
