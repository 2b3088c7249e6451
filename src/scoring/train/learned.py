"""What is learned from other leads: fitted on training rows, kept in the model.

    learned, before = fit(rows, columns)   tables, and each training row's values as of its moment
    learned.values(rows)                   a new lead's values, from the tables
    Learned.from_json(learned.to_json())   the same

Other leads count once they are closed and the CRM knew of it: for a training row strictly before
its as_of, for a new lead by the end of the training rows. A lead is looked at only while it is
open, so it is never a part of its own value, and neither is its outcome. The values of training
rows come about like those of new leads, from what was known before ("ordered target statistics",
Prokhorenkova et al. 2018, CatBoost); statistics over all training rows at once would carry each
row's own label into its features.

Values are relative, and those of any lead where nobody can be compared with: an absolute rate, or a
gap in the first months, would tell the time of a training row and with it its base rate.

Rates are shrunk towards the rate of all leads (empirical Bayes for categories: Micci-Barreca 2001).
The strength comes from how alike leads of one value are: the correlation of their outcomes over all
pairs (the moment estimator with equal weights for pairs in Ridout, Demétrio and Firth 1999).
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from scoring.build.columns import Column
from scoring.train.closings import NEVER, Closed

# Fewer closed leads of one value are no group of peers: their rate is that of all leads, and their
# value (it may name a person) is not stored.
FEWEST_PEERS = 5
# Fewer buyers than this have no usual value.
FEWEST_BUYERS = 5
# With fewer training rows that had anybody to compare with, a column would teach what holds where
# nothing is known.
LEAST_COMPARED = 0.5
# How far what was known before holds afterwards is learned from moments, not from rows: of few
# moments (the starts of three courses) it cannot be told from what those moments were like. Fewer
# than about twenty clusters are few (Cameron and Miller 2015).
LEAST_MOMENTS = 20
# The shrinkage, in leads: a group of so many is half itself and half all leads.
STRENGTH = (1.0, 1000.0)


@dataclass(frozen=True)
class Learned:
    """Tables of the learned columns, as they were at the end of the training rows.

    tables   column → what `fit` learned for it: `all` and `rates` for each input of a rate, `usual`
             by value of the second input for `against_won`
    """

    columns: tuple[Column, ...] = ()
    tables: Mapping[str, Any] = field(default_factory=dict)

    def values(self, rows: pd.DataFrame) -> pd.DataFrame:
        """(n, columns) float64 with the index of `rows`, which hold the columns' inputs."""
        made = {}
        for column in self.columns:
            table = self.tables[column.name]
            if column.op == "against_won":
                usual = _looked_up(_by(rows, column), table["usual"], np.nan)
                made[column.name] = _against(_numbers(rows[column.inputs[0]]), usual)
                continue
            rates = []
            for name, of in zip(column.inputs, table, strict=True):
                everyone = np.nan if of["all"] is None else of["all"]
                rate = _looked_up(rows[name], of["rates"], everyone)
                rates.append(
                    _Rate(rate, np.full(len(rows), everyone), rows[name].notna().to_numpy())
                )
            made[column.name] = _said(column, rates)
        return pd.DataFrame(made, index=rows.index, dtype=np.float64)

    def inputs(self, rows: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
        """The columns `names` of `rows`, learned ones included."""
        return self.joined(rows)[list(names)]

    def joined(self, rows: pd.DataFrame) -> pd.DataFrame:
        """`rows` with the learned columns behind the others."""
        return pd.concat([rows, self.values(rows)], axis=1) if self.columns else rows

    def keep(self, names: Sequence[str]) -> Learned:
        """Only the named columns."""
        kept = tuple(c for c in self.columns if c.name in names)
        return Learned(kept, {c.name: self.tables[c.name] for c in kept})

    def to_json(self) -> dict[str, Any]:
        return {"columns": [c.to_json() for c in self.columns], "tables": dict(self.tables)}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Learned:
        columns = tuple(Column.from_json(c) for c in value["columns"])
        return Learned(columns, dict(value["tables"]))


def fit(rows: pd.DataFrame, columns: Sequence[Column]) -> tuple[Learned, pd.DataFrame]:
    """The tables, and the values (n, columns) of the training rows as of their own moments.

    rows   labelled snapshots: root_key, lead_id, as_of, matured_at, closed_at, converted (see
           `Built`) and the columns' inputs. What was closed at the end of `matured_at` or later
           was not known when these rows were, and does not count.

    Columns for which fewer than LEAST_COMPARED of the rows had anybody to compare with, or these
    are of fewer than LEAST_MOMENTS different as_of, are left out. Neither the order of the rows nor
    a lead's own outcome changes its values.
    """
    if not columns:
        return Learned(), pd.DataFrame(index=rows.index)
    closed = Closed.of(rows)
    tables: dict[str, Any] = {}
    made: dict[str, np.ndarray] = {}
    for column in columns:
        if column.op == "against_won":
            usual, tables[column.name] = _usual(rows, column, closed)
            values = _against(_numbers(rows[column.inputs[0]]), usual)
            compared = ~np.isnan(usual)
        else:
            found = [_rates(rows[name], closed) for name in column.inputs]
            tables[column.name] = [table for _, table in found]
            values = _said(column, [rate for rate, _ in found])
            compared = np.any([~np.isnan(rate.peers) for rate, _ in found], axis=0)
        if _teaches(compared[~np.isnan(values)], closed.asked[~np.isnan(values)]):
            made[column.name] = np.where(closed.itself, np.nan, values)
    learned = Learned(tuple(columns), tables).keep(list(made))
    return learned, pd.DataFrame(made, index=rows.index, dtype=np.float64)


def _teaches(compared: np.ndarray, asked: np.ndarray) -> bool:
    """Whether enough of the rows (n,) that have a value had somebody to compare with."""
    if not compared.any() or compared.mean() < LEAST_COMPARED:
        return False
    return len(np.unique(asked[compared])) >= LEAST_MOMENTS


@dataclass(frozen=True)
class _Rate:
    """By row (n,): the shrunk rate of the lead's peers, the rate of all leads (both missing where
    nobody was closed), and whether the lead's own value is known."""

    peers: np.ndarray
    all: np.ndarray
    known: np.ndarray


def _said(column: Column, rates: Sequence[_Rate]) -> np.ndarray:
    """The value (n,) of a column of rates; where nobody is known, that of any lead."""
    if column.op == "peers_rate":
        (rate,) = rates
        with np.errstate(divide="ignore", invalid="ignore"):
            against = rate.peers / rate.all
        return np.where(rate.known, np.where(np.isfinite(against), against, 1.0), np.nan)
    added = np.zeros(len(rates[0].peers))
    for rate in rates:
        with np.errstate(divide="ignore", invalid="ignore"):
            more = np.log(rate.peers / (1 - rate.peers)) - np.log(rate.all / (1 - rate.all))
        added += np.where(rate.known & np.isfinite(more), more, 0.0)
    return np.where(np.any([rate.known for rate in rates], axis=0), added, np.nan)


def _rates(values: pd.Series, closed: Closed) -> tuple[_Rate, dict[str, Any]]:
    """What is known of each row's peers, and the table at the end."""
    code, levels = pd.factorize(values)
    peer = np.flatnonzero(closed.last & (closed.at != NEVER) & (code >= 0))
    peer = peer[np.lexsort((code[peer], closed.at[peer]))]
    group, at, bought = code[peer], closed.at[peer], closed.bought[peer].astype(np.int64)

    pairs, alike = _pairs(group, bought)
    total = np.concatenate([[0], np.cumsum(bought)])
    by_group = np.lexsort((at, group))
    group_total = np.concatenate([[0], np.cumsum(bought[by_group])])
    times = np.unique(at)
    key = group[by_group] * (len(times) + 1) + np.searchsorted(times, at[by_group])
    start = np.searchsorted(group[by_group], np.arange(len(levels)))

    def known(of: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Shrunk rates of the codes `of`, rates of all leads, and the number of peers."""
        n_all = np.searchsorted(at, asked)
        with np.errstate(divide="ignore", invalid="ignore"):
            overall = total[n_all] / n_all
            strength = _strength(overall, pairs[n_all], alike[n_all])
            until = np.searchsorted(key, of * (len(times) + 1) + np.searchsorted(times, asked))
            n = until - start[of]
            k = group_total[until] - group_total[start[of]]
            rate = (k + strength * overall) / (n + strength)
        rate = np.where(n >= FEWEST_PEERS, rate, overall)
        return np.where(n_all > 0, rate, np.nan), overall, n

    rate, overall = np.full(len(code), np.nan), np.full(len(code), np.nan)
    has = np.flatnonzero(code >= 0)
    if len(levels):
        rate[has], overall[has], _ = known(code[has], closed.asked[has])
    codes = np.arange(len(levels))
    table: dict[str, Any] = {"all": None, "rates": {}}
    if len(peer):
        at_end, everyone, n = known(codes, np.full(len(codes), closed.end))
        table["all"] = float(everyone[0])
        kept = np.flatnonzero(n >= FEWEST_PEERS).tolist()
        table["rates"] = dict(sorted((str(levels[j]), float(at_end[j])) for j in kept))
    return _Rate(rate, overall, code >= 0), table


def _pairs(group: np.ndarray, bought: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ordered pairs of one value among the first 0, 1, … n leads, and those that both bought."""
    before = pd.Series(bought).groupby(group)
    size = before.cumcount().to_numpy()
    both = bought * (before.cumsum().to_numpy() - bought)
    return (
        np.concatenate([[0], np.cumsum(2 * size)]),
        np.concatenate([[0], np.cumsum(2 * both)]),
    )


def _strength(overall: np.ndarray, pairs: np.ndarray, alike: np.ndarray) -> np.ndarray:
    """Leads' worth of shrinkage: 1 / correlation - 1 for a beta-distributed rate of groups."""
    correlation = (alike / pairs - overall**2) / (overall * (1 - overall))
    strength = np.where(correlation > 0, 1 / correlation - 1, np.inf)
    return np.clip(np.where(np.isnan(strength), np.inf, strength), *STRENGTH)


def _usual(rows: pd.DataFrame, column: Column, closed: Closed) -> tuple[np.ndarray, dict[str, Any]]:
    """The median among buyers known before each row (n,), and the table at the end."""
    numbers = _numbers(rows[column.inputs[0]])
    code, levels = pd.factorize(_by(rows, column))
    buyer = np.flatnonzero(
        (closed.at != NEVER) & closed.bought & ~closed.itself & ~np.isnan(numbers) & (code >= 0)
    )
    buyer = buyer[np.lexsort((closed.root[buyer], closed.at[buyer]))]
    usual = np.full(len(rows), np.nan)
    table = {}
    for level in range(len(levels)):
        own = buyer[code[buyer] == level]
        medians = _medians(numbers[own], closed.root[own])
        asked = np.flatnonzero(code == level)
        usual[asked] = medians[np.searchsorted(closed.at[own], closed.asked[asked])]
        if not np.isnan(medians[-1]):
            table[str(levels[level])] = float(medians[-1])
    return usual, {"usual": dict(sorted(table.items()))}


def _medians(numbers: np.ndarray, root: np.ndarray) -> np.ndarray:
    """Median of the first 0, 1, … n numbers; NaN below FEWEST_BUYERS different leads."""
    found = np.full(len(numbers) + 1, np.nan)
    held: list[float] = []
    buyers = 0
    for place, value in enumerate(numbers.tolist()):
        buyers += place == 0 or root[place] != root[place - 1]
        insort(held, value)
        if buyers >= FEWEST_BUYERS:
            middle = len(held) // 2
            found[place + 1] = (
                held[middle] if len(held) % 2 else (held[middle - 1] + held[middle]) / 2
            )
    return found


def _against(values: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """(value - usual) / (|value| + |usual|); both 0, or nothing usual known: 0."""
    with np.errstate(invalid="ignore"):
        size = np.abs(values) + np.abs(usual)
        against = np.where((size == 0) | np.isnan(usual), 0.0, (values - usual) / size)
    return np.where(np.isnan(values), np.nan, against)


def _by(rows: pd.DataFrame, column: Column) -> pd.Series:
    """What buyers are told apart by; one value for all where nothing was named."""
    if len(column.inputs) == 2:
        return rows[column.inputs[1]]
    return pd.Series("", index=rows.index)


def _looked_up(values: pd.Series, table: Mapping[str, float], other: float) -> np.ndarray:
    codes, levels = pd.factorize(values)
    found = np.array([table.get(str(level), other) for level in levels] + [np.nan])
    return found[codes]  # a missing value has code -1: the last entry


def _numbers(values: pd.Series) -> np.ndarray:
    return values.to_numpy(dtype=np.float64, na_value=np.nan)
