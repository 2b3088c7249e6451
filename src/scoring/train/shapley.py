"""Exact Shapley values of LightGBM trees, many rows at a time, in NumPy.

Same game as TreeSHAP (Lundberg et al. 2018, path-dependent): a column that is not in the coalition
sends a row down both sides in proportion to the training rows that went there. Same values as
LightGBM's `pred_contrib`, up to the order of adding; that one takes each row through each tree,
which is too slow for a night of two hundred thousand leads.

Two facts make it fast. What a tree says of a row depends only on the answers to the tree's own
questions, so each tree is worked out once per distinct set of answers, not once per row. And what a
leaf adds is

    v (o_i - z_i) * integral over t in [0, 1] of the product over j != i of (z_j (1-t) + o_j t)

with `v` the leaf's value, `z_j` the share of training rows that follow the path at column j's
questions and `o_j` 1 or 0, whether the row does: a polynomial of degree d - 1 in t, which
Gauss-Legendre quadrature with d // 2 + 1 points integrates exactly (Yu et al. 2022, Linear
TreeShap, use the same form). It is worked out for those of the 2^d outcomes that occur.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np

from scoring.train.tree_text import Tree, parse

# More sets of answers than this are not tabulated but looked for among the rows.
_TABLE_AT_MOST = 1 << 20
# Rows worked on at a time, by a thread: fewer repeat each tree's tables, more need more memory.
_ROWS = 100_000


@dataclass(frozen=True)
class _Column:
    """How a column's values become codes; equal codes get equal answers everywhere.

    `edges`: numeric, sorted thresholds of the whole forest; code i: edges[i-1] < value <= edges[i].
    `codes`: how many codes there are, missing (the last) included.
    """

    edges: np.ndarray | None
    codes: int

    def encode(self, values: np.ndarray) -> np.ndarray:
        missing = np.isnan(values)
        if self.edges is not None:
            code = np.searchsorted(self.edges, values, side="left")
        else:
            known = np.where(missing, -1, values).astype(np.intp)
            # A level that no tree asks for is like any other of the kind: code codes - 2.
            code = np.where((known >= 0) & (known < self.codes - 2), known, self.codes - 2)
        code[missing] = self.codes - 1
        return code


@dataclass(frozen=True)
class _Leaf:
    """One leaf's game between the columns on its path.

    columns   (d,) as positions in its tree's list
    follows   per column: for each of the tree's classes of that column, 1 if it stays on the path
    share     (d,) of the training rows, that stay on the path at that column's questions
    """

    columns: list[int]
    follows: list[np.ndarray]
    share: np.ndarray
    value: float


@dataclass(frozen=True)
class _Game:
    """A tree made ready. Each set of answers to its questions has a number below `possible`.

    features    (f,) columns of the matrix
    numbers     per feature: what each code of its column adds to that number
    sizes       per feature: how many classes of codes the tree tells apart
    """

    features: list[int]
    numbers: list[np.ndarray]
    sizes: list[int]
    leaves: list[_Leaf]
    possible: int


class Forest:
    """The trees of one LightGBM model, of at most 63 leaves each: a set of answers is an int64."""

    def __init__(self, text: str) -> None:
        trees = parse(text)
        self._columns = _columns(trees)
        self._games = [_game(tree, self._columns) for tree in trees]

    def contributions(self, matrix: np.ndarray) -> np.ndarray:
        """Log-odds (n, k) that each column of `matrix` (n, k) adds to the expected margin."""
        total = np.zeros(matrix.shape[::-1])
        starts = range(0, len(matrix), _ROWS)
        # NumPy leaves the interpreter's lock while it gathers; a row's sums do not depend on who
        # works next to it.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda start: self._add(matrix, total, start), starts))
        return total.T

    def _add(self, matrix: np.ndarray, total: np.ndarray, start: int) -> None:
        rows = slice(start, start + _ROWS)
        codes = {f: column.encode(matrix[rows, f]) for f, column in self._columns.items()}
        n = len(matrix[rows])
        number, part, own = np.empty(n, np.intp), np.empty(n, np.intp), np.empty(n)
        for game in self._games:
            number[:] = 0
            for feature, adds in zip(game.features, game.numbers, strict=True):
                number += adds.take(codes[feature], out=part, mode="clip")
            distinct, which = _distinct(number, game.possible)
            for feature, added in zip(game.features, _tabulate(game, distinct), strict=True):
                total[feature, rows] += added.take(which, out=own, mode="clip")


def _distinct(numbers: np.ndarray, possible: int) -> tuple[np.ndarray, np.ndarray]:
    """The values of `numbers`, sorted, and for each of them its place there."""
    if possible > _TABLE_AT_MOST:
        return np.unique(numbers, return_inverse=True)
    seen = np.zeros(possible, dtype=bool)
    seen[numbers] = True
    distinct = np.flatnonzero(seen)
    place = np.empty(possible, dtype=np.intp)
    place[distinct] = np.arange(len(distinct))
    return distinct, place[numbers]


def _tabulate(game: _Game, numbers: np.ndarray) -> list[np.ndarray]:
    """What each feature of the tree adds, (m,) each, for the sets of answers `numbers` (m,)."""
    classes: list[np.ndarray] = []
    rest = numbers
    for size in game.sizes:
        rest, own = np.divmod(rest, size)
        classes.append(own)
    total = [np.zeros(len(numbers)) for _ in game.features]
    for leaf in game.leaves:
        outcome = np.zeros(len(numbers), dtype=np.intp)
        for bit, (column, follows) in enumerate(zip(leaf.columns, leaf.follows, strict=True)):
            outcome += follows[classes[column]] << bit
        distinct, which = _distinct(outcome, 1 << len(leaf.columns))
        added = _shapley(leaf, distinct)
        for column, own in zip(leaf.columns, added, strict=True):
            total[column] += own[which]
    return total


def _shapley(leaf: _Leaf, outcomes: np.ndarray) -> np.ndarray:
    """What each of the leaf's columns adds (d, m); bit j of an outcome: column j stays."""
    d = len(leaf.columns)
    stays = (outcomes >> np.arange(d)[:, None]) & 1
    share = leaf.share[:, None]
    added = np.zeros(stays.shape)
    for point, weight in _quadrature(d // 2 + 1):
        factors = share * (1 - point) + stays * point
        added += weight * factors.prod(axis=0) / factors
    return leaf.value * (stays - share) * added


@cache
def _quadrature(n: int) -> list[tuple[float, float]]:
    """Gauss-Legendre points and weights on [0, 1]."""
    points, weights = np.polynomial.legendre.leggauss(n)
    return list(zip(((points + 1) / 2).tolist(), (weights / 2).tolist(), strict=True))


def _columns(trees: list[Tree]) -> dict[int, _Column]:
    edges: dict[int, set[float]] = {}
    levels: dict[int, int] = {}
    for tree in trees:
        for node, (feature, threshold) in enumerate(
            zip(tree.feature.tolist(), tree.threshold.tolist(), strict=True)
        ):
            if node in tree.levels:
                levels[feature] = max(levels.get(feature, 0), int(tree.levels[node].max()) + 1)
            else:
                edges.setdefault(feature, set()).add(threshold)
    columns = {f: _Column(np.array(sorted(values)), len(values) + 2) for f, values in edges.items()}
    return columns | {f: _Column(None, count + 2) for f, count in levels.items()}


def _game(tree: Tree, columns: dict[int, _Column]) -> _Game:
    nodes: dict[int, list[int]] = {}
    for node, feature in enumerate(tree.feature.tolist()):
        nodes.setdefault(feature, []).append(node)
    features = sorted(nodes)
    numbers: list[np.ndarray] = []
    sizes: list[int] = []
    goes_left: dict[int, np.ndarray] = {}
    possible = 1
    for feature in features:
        # (codes, nodes): codes with the same answers are one class.
        answers = np.column_stack([_left(tree, node, columns[feature]) for node in nodes[feature]])
        kinds, class_of_code = np.unique(answers, axis=0, return_inverse=True)
        numbers.append(class_of_code.ravel().astype(np.intp) * possible)
        sizes.append(len(kinds))
        goes_left.update({node: kinds[:, i] for i, node in enumerate(nodes[feature])})
        possible *= len(kinds)
    place = {feature: i for i, feature in enumerate(features)}
    leaves = []
    for leaf, path in tree.paths():
        share: dict[int, float] = {}
        follows: dict[int, np.ndarray] = {}
        for node, left in path:
            feature = int(tree.feature[node])
            child = int((tree.left if left else tree.right)[node])
            share[feature] = share.get(feature, 1.0) * tree.rows(child) / tree.rows(node)
            stays = goes_left[node] == left
            follows[feature] = follows[feature] & stays if feature in follows else stays
        leaves.append(
            _Leaf(
                columns=[place[feature] for feature in share],
                follows=[follows[feature].astype(np.intp) for feature in share],
                share=np.array(list(share.values())),
                value=float(tree.value[leaf]),
            )
        )
    return _Game(features, numbers, sizes, leaves, possible)


def _left(tree: Tree, node: int, column: _Column) -> np.ndarray:
    """(codes,) whether a value with the code goes left at the node; missing last."""
    if column.edges is None:
        left = np.zeros(column.codes, dtype=bool)
        left[tree.levels[node]] = True
    else:
        left = np.append(column.edges, [np.inf, np.nan]) <= tree.threshold[node]
    left[-1] = tree.missing_left[node]
    return left
