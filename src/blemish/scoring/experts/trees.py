"""Ensembles of decision trees, kept as plain arrays: extremely randomised trees and random forests."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import finalize

import numpy as np
from jaxtyping import Float, Int
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.ensemble._forest import ForestClassifier
from sklearn.tree._tree import NODE_DTYPE, Tree  # pyright: ignore[reportMissingModuleSource]

from blemish.core.graph import ML, Node, onnx_package
from blemish.scoring.evidence import State
from blemish.scoring.experts.expert import ExportableExpert, Features, Flags, Numbers


def trees_score(
    x: Float[np.ndarray, "row feature"],
    roots: Int[np.ndarray, " tree"],
    feature: Int[np.ndarray, " node"],
    threshold: Float[np.ndarray, " node"],
    children: Int[np.ndarray, "node 2"],
    value: Float[np.ndarray, " node"],
) -> Float[np.ndarray, " row"]:
    """Mean over the trees of the value of the leaf that each row falls into.

    Scikit-learn's compiled walk where it takes our arrays, else `walk` in NumPy; both give the same bits.

    Args:
        x: Features; they are compared in float32.
        roots: Number of each tree's first node.
        feature: Which feature a node compares; -1 marks a leaf.
        threshold: A row goes to child 0 where its feature is at most this.
        children: Numbers of the two next nodes.
        value: Value of each leaf.
    """
    x = np.ascontiguousarray(x, dtype=np.float32)
    arrays = (roots, feature, threshold, children, value)
    compiled = _kept(x.shape[1], arrays)
    total = np.zeros(len(x))
    if compiled is None:
        for tree in _trees(*arrays):
            total += walk(x, *tree)
    else:
        for tree in compiled:
            total += tree.predict(x)[:, 0]
    return total / len(roots)


_COMPILED: dict[tuple[int, ...], list[Any]] = {}
"""The trees of each ensemble in use, by the identity of its arrays: building them takes as long as scoring some hundred
rows per tree."""


def _kept(n_features: int, arrays: tuple[np.ndarray, ...]) -> list[Any] | None:
    """Trees in scikit-learn's compiled form; None where it does not take them."""
    key = tuple(map(id, arrays))
    if key not in _COMPILED:
        compiled = [_compiled(n_features, *tree) for tree in _trees(*arrays)]
        if any(tree is None for tree in compiled):
            return None
        _COMPILED[key] = compiled
        for array in arrays:  # its id may be given to another array as soon as one of these is gone
            finalize(array, _COMPILED.pop, key, None)
        return compiled
    return _COMPILED[key]


def _trees(
    roots: Int[np.ndarray, " tree"],
    feature: Int[np.ndarray, " node"],
    threshold: Float[np.ndarray, " node"],
    children: Int[np.ndarray, "node 2"],
    value: Float[np.ndarray, " node"],
) -> Iterator[tuple[np.ndarray, ...]]:
    """The nodes of each tree: feature, threshold, children and value."""
    for start, end in zip(roots.tolist(), [*roots[1:].tolist(), len(feature)], strict=True):
        here = slice(start, end)
        yield feature[here], threshold[here], children[here] - start, value[here]


def trees_graph(state: State, x: Node) -> Node:
    """`trees_score` as part of an ONNX graph: one `TreeEnsemble`, which holds nodes and leaves apart."""
    tensor = onnx_package().numpy_helper.from_array
    is_leaf, children = state["feature"] < 0, state["children"]
    place = np.where(is_leaf, np.cumsum(is_leaf), np.cumsum(~is_leaf)) - 1
    inner = np.flatnonzero(~is_leaf)
    feature, split = state["feature"][inner], state["threshold"][inner]
    targets, to_leaf = place[children[inner]], is_leaf[children[inner]].astype(np.int64)
    roots = place[state["roots"]].copy()
    bare = np.flatnonzero(is_leaf[state["roots"]])  # a tree of one leaf becomes a node with this leaf twice
    if len(bare):
        feature, split = np.append(feature, np.zeros(len(bare), int)), np.append(split, np.zeros(len(bare)))
        targets = np.vstack([targets, np.repeat(roots[bare][:, None], 2, axis=1)])
        to_leaf = np.vstack([to_leaf, np.ones((len(bare), 2), int)])
        roots[bare] = len(inner) + np.arange(len(bare))
    leaves = state["value"][is_leaf]
    return (
        x.to(np.float32)  # as `trees_score` compares them
        .to(np.float64)
        .op(
            "TreeEnsemble",
            domain=ML,
            n_targets=1,
            aggregate_function=1,  # the sum
            tree_roots=roots.tolist(),
            nodes_featureids=feature.tolist(),
            nodes_splits=tensor(split.astype(np.float64)),
            nodes_modes=tensor(np.zeros(len(feature), np.uint8)),  # 0: "at most"
            nodes_truenodeids=targets[:, 0].tolist(),
            nodes_falsenodeids=targets[:, 1].tolist(),
            nodes_trueleafs=to_leaf[:, 0].tolist(),
            nodes_falseleafs=to_leaf[:, 1].tolist(),
            leaf_targetids=[0] * len(leaves),
            leaf_weights=tensor(leaves.astype(np.float64)),
        )
        .reduce("Sum", 1)
    ) / float(len(roots))


def walk(
    x: Float[np.ndarray, "row feature"],
    feature: Int[np.ndarray, " node"],
    threshold: Float[np.ndarray, " node"],
    children: Int[np.ndarray, "node 2"],
    value: Float[np.ndarray, " node"],
) -> Float[np.ndarray, " row"]:
    """The value of the leaf of one tree that each row falls into: each node splits the rows that reach it.

    Args:
        x: Features, float32.
        feature: See `trees_score`.
        threshold: See `trees_score`.
        children: See `trees_score`.
        value: See `trees_score`.
    """
    found, waiting = np.empty(len(x)), [(0, np.arange(len(x)))]
    while waiting:
        node, here = waiting.pop()
        if feature[node] < 0:
            found[here] = value[node]
        elif len(here):
            above = x[here, feature[node]].astype(np.float64) > threshold[node]
            waiting += [(children[node, 1], here[above]), (children[node, 0], here[~above])]
    return found


# Scikit-learn's compiled trees are several times as fast as NumPy. Their internal form may change with any version:
# `walk` gives the same bits without it (decisions.md 40).
def _compiled(
    n_features: int, feature: np.ndarray, threshold: np.ndarray, children: np.ndarray, value: np.ndarray
) -> Any:
    """One of scikit-learn's trees from our arrays; None where its internal form is not the one that we know."""
    nodes: Any = np.zeros(len(feature), dtype=NODE_DTYPE)
    leaf = feature < 0
    try:
        nodes["left_child"] = np.where(leaf, -1, children[:, 0])
        nodes["right_child"] = np.where(leaf, -1, children[:, 1])
        nodes["feature"], nodes["threshold"] = np.where(leaf, -2, feature), threshold
        tree = Tree(n_features, np.ones(1, dtype=np.intp), 1)
        state = {"max_depth": 0, "node_count": len(nodes), "nodes": nodes, "values": value.reshape(-1, 1, 1).copy()}
        tree.__setstate__(state)
    except (ValueError, TypeError, KeyError):
        return None
    return tree


def as_arrays(trees: Sequence[Any], values: Sequence[np.ndarray]) -> State:
    """Trees of scikit-learn end to end, as `trees_score` wants them.

    Args:
        trees: Their `tree_`.
        values: Value of each node of each tree.
    """
    starts = np.cumsum([0, *(tree.node_count for tree in trees)])[:-1]
    children = [
        np.stack([tree.children_left, tree.children_right], axis=1) + start
        for tree, start in zip(trees, starts, strict=True)
    ]
    return {
        "roots": starts.astype(np.int32),
        "feature": np.concatenate([np.maximum(tree.feature, -1) for tree in trees]).astype(np.int32),
        "threshold": np.concatenate([tree.threshold for tree in trees]),
        "children": np.maximum(np.concatenate(children), 0).astype(np.int32),
        "value": np.concatenate(values),
    }


def fraction_trees(model: ForestClassifier) -> State:
    """Fitted trees as arrays; the value of a node is its fraction of the second class, by weight."""
    trees = [tree.tree_ for tree in model.estimators_]
    return as_arrays(trees, [tree.value[:, 0, 1] / np.maximum(tree.value[:, 0].sum(axis=1), 1e-300) for tree in trees])


class TreeExpert(ExportableExpert):
    """An expert whose score is the mean value of the leaves that a row falls into; its state is from `as_arrays`."""

    def score(self, state: State, x: Features) -> Numbers:
        """Mean value of the leaves."""
        return trees_score(x, state["roots"], state["feature"], state["threshold"], state["children"], state["value"])

    def graph(self, state: State, x: Node) -> Node:
        """See `ExportableExpert`."""
        return trees_graph(state, x)


@dataclass(frozen=True)
class Trees(TreeExpert):
    """Extremely randomised trees.

    The best single expert on most data: it ignores scales and irrelevant features. Its score is coarse, so it ranks
    few rows at the very top.

    Attributes:
        n_trees: How many, >= 1.
        least_rows: Rows that a leaf must hold, >= 1; 2 keeps a single labelled defect from a leaf of its own.

    Reference:
        Geurts, Ernst and Wehenkel, "Extremely randomized trees", 2006.
    """

    n_trees: int = 100
    least_rows: int = 2

    def fit(self, x: Features, is_defect: Flags, weight: Numbers, seed: int) -> State:
        """Grow the trees; see `Expert`."""
        model = ExtraTreesClassifier(self.n_trees, min_samples_leaf=self.least_rows, random_state=seed)
        model.fit(x, is_defect, sample_weight=weight)
        return fraction_trees(model)


@dataclass(frozen=True)
class Forest(TreeExpert):
    """A random forest: each node takes the best of a few splits, each tree learns from a bootstrap sample.

    Extremely randomised trees split at random; these find the few columns that matter, which is better where most
    do not. Not for a single label: a bootstrap sample may not hold it, and such a tree has learnt nothing.

    Attributes:
        n_trees: How many, >= 1.
        least_rows: Rows that a leaf must hold, >= 1; 2 keeps a single labelled defect from a leaf of its own.

    Reference:
        Breiman, "Random forests", 2001.
    """

    n_trees: int = 100
    least_rows: int = 2

    def fit(self, x: Features, is_defect: Flags, weight: Numbers, seed: int) -> State:
        """Grow the trees; see `Expert`."""
        model = RandomForestClassifier(self.n_trees, min_samples_leaf=self.least_rows, random_state=seed)
        return fraction_trees(model.fit(x, is_defect, sample_weight=weight))
