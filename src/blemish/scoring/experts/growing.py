"""Scikit-learn's compiled tree builder without what surrounds it for each tree, which takes five times as long."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from sklearn.ensemble import ExtraTreesClassifier

# Their arguments may change with any version: then the public way gives the same trees (decisions.md 118).
from sklearn.tree._criterion import Gini  # pyright: ignore[reportMissingModuleSource]
from sklearn.tree._splitter import RandomSplitter  # pyright: ignore[reportMissingModuleSource]
from sklearn.tree._tree import DepthFirstTreeBuilder, Tree  # pyright: ignore[reportMissingModuleSource]

MAX_INT = np.iinfo(np.int32).max


class Grown(NamedTuple):
    """A tree as scikit-learn's estimators hold it."""

    tree_: Any


def extra_trees(
    x: Float[np.ndarray, "row feature"],
    kind: Int[np.ndarray, " row"],
    weight: Float[np.ndarray, " row"],
    n_trees: int,
    least_rows: int,
    seed: int,
) -> list[Any]:
    """The trees of scikit-learn's `ExtraTreesClassifier`, bit for bit.

    Args:
        x: Features, finite.
        kind: The class of each row, 0 and up.
        weight: Of each row, > 0.
        n_trees: How many, >= 1.
        least_rows: Rows that a leaf must hold, >= 1.
        seed: Of the random splits.

    Returns:
        Objects with the tree as `tree_`.
    """
    n_kinds = int(kind.max()) + 1
    if n_kinds > 1 and np.bincount(kind, minlength=n_kinds).all():
        try:
            return _built(x, kind, weight, n_trees, least_rows, seed)
        except (TypeError, ValueError, AttributeError):
            pass
    model = ExtraTreesClassifier(n_trees, min_samples_leaf=least_rows, random_state=seed)
    return model.fit(x, kind, sample_weight=weight).estimators_


def _built(
    x: np.ndarray, kind: np.ndarray, weight: np.ndarray, n_trees: int, least_rows: int, seed: int
) -> list[Grown]:
    """By the builder; raises TypeError, ValueError or AttributeError where it is not the one that we know."""
    rows, target = np.ascontiguousarray(x, dtype=np.float32), np.ascontiguousarray(kind, dtype=np.float64)[:, None]
    each, n_tried = np.asarray(weight, dtype=np.float64), max(1, int(x.shape[1] ** 0.5))
    classes = np.array([int(kind.max()) + 1], np.intp)
    found = []
    for own in np.random.RandomState(seed).randint(MAX_INT, size=n_trees).tolist():
        state = np.random.RandomState(own)
        splitter = RandomSplitter(Gini(1, classes), n_tried, least_rows, 0.0, state, None)
        tree = Tree(x.shape[1], classes, 1)
        builder = DepthFirstTreeBuilder(splitter, max(2, 2 * least_rows), least_rows, 0.0, MAX_INT, 0.0)
        builder.build(tree, rows, target, each, None)
        found.append(Grown(tree))
    return found
