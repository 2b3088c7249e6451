"""LightGBM's model text, read into arrays: what each tree asks, and what its leaves say.

The text is LightGBM's own format (its `Tree::ToString`), version 4.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

_CATEGORY, _LEFT_BY_DEFAULT, _MISSING_IS_NAN = 1, 2, 8


@dataclass(frozen=True)
class Tree:
    """One tree. Nodes are numbered as in LightGBM: 0.. inner nodes, ~0.. leaves.

    feature, left, right   (nodes,) of inner nodes
    threshold              (nodes,) of numeric questions `value <= threshold`; NaN otherwise
    levels                 by categorical node: codes that go left
    missing_left           (nodes,) where a missing value goes
    inner_rows             (nodes,) training rows that came to the node
    leaf_rows, value       (leaves,)
    """

    feature: np.ndarray
    threshold: np.ndarray
    levels: dict[int, np.ndarray]
    missing_left: np.ndarray
    left: np.ndarray
    right: np.ndarray
    inner_rows: np.ndarray
    leaf_rows: np.ndarray
    value: np.ndarray

    def rows(self, node: int) -> float:
        return float(self.inner_rows[node] if node >= 0 else self.leaf_rows[~node])

    def paths(self) -> Iterator[tuple[int, list[tuple[int, bool]]]]:
        """(leaf, [(inner node, whether it goes left there), ...]) from the root down."""
        stack: list[tuple[int, list[tuple[int, bool]]]] = [(0, [])]
        while stack:
            node, path = stack.pop()
            if node < 0:
                yield ~node, path
            else:
                stack.append((int(self.right[node]), [*path, (node, False)]))
                stack.append((int(self.left[node]), [*path, (node, True)]))


def parse(text: str) -> list[Tree]:
    """The trees of LightGBM's model text that ask anything, in order."""
    trees = []
    for block in text.split("end of trees")[0].split("\nTree=")[1:]:
        fields = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if int(fields["num_leaves"]) > 1:
            trees.append(_tree(fields))
    return trees


def _tree(fields: dict[str, str]) -> Tree:
    def numbers(name: str, kind: type = int) -> np.ndarray:
        return np.array(fields[name].split(), dtype=kind)

    kinds, threshold = numbers("decision_type"), numbers("threshold", float)
    category = (kinds & _CATEGORY) > 0
    levels = {}
    if category.any():
        bounds, words = numbers("cat_boundaries"), numbers("cat_threshold")
        for node in np.flatnonzero(category):
            which = int(threshold[node])
            own = words[bounds[which] : bounds[which + 1]]
            bits = (own[:, None] >> np.arange(32)) & 1
            levels[int(node)] = np.flatnonzero(bits.ravel())
    # Where fit saw no missing value, LightGBM takes a missing one for 0.
    by_default = np.where(kinds & _MISSING_IS_NAN, (kinds & _LEFT_BY_DEFAULT) > 0, threshold >= 0)
    return Tree(
        feature=numbers("split_feature"),
        threshold=np.where(category, np.nan, threshold),
        levels=levels,
        missing_left=by_default & ~category,
        left=numbers("left_child"),
        right=numbers("right_child"),
        inner_rows=numbers("internal_count", float),
        leaf_rows=numbers("leaf_count", float),
        value=numbers("leaf_value", float),
    )
