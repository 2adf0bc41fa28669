"""Ensembles of decision trees, kept as plain arrays: extremely randomised trees, random forests, isolation forests."""

import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple
from weakref import finalize

import numpy as np
from jaxtyping import Float, Float64, Int, Int32
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.tree._tree import NODE_DTYPE, Tree  # pyright: ignore[reportMissingModuleSource]

from blemish.core.graph import ML, Node, onnx_package
from blemish.core.state import State, Stored, need
from blemish.scoring.experts.expert import ExportableExpert, Features, Flags, Kinds, Numbers
from blemish.scoring.experts.growing import extra_trees


class Nodes(NamedTuple):
    """The nodes of one tree.

    Attributes:
        feature: Which feature a node compares; -1 marks a leaf.
        threshold: A row goes to child 0 where its feature is at most this.
        children: Numbers of the two next nodes, shape (node, 2).
        value: Value of each leaf.
    """

    feature: Int[np.ndarray, " node"]
    threshold: Float[np.ndarray, " node"]
    children: Int[np.ndarray, "node 2"]
    value: Float[np.ndarray, " node"]


@dataclass(frozen=True)
class Grove(State):
    """The nodes of all trees end to end; see `Nodes`.

    Attributes:
        roots: Number of the first node of each tree.
        children: Numbers among all nodes; of a leaf one less than its tree's root, or 0.
    """

    roots: Int32[np.ndarray, " tree"]
    feature: Int32[np.ndarray, " node"]
    threshold: Float64[np.ndarray, " node"]
    children: Int32[np.ndarray, "node 2"]
    value: Float64[np.ndarray, " node"]

    def check(self) -> None:
        """Refuse nodes that a compiled walk would leave its memory by, or go round in circles (decisions.md 89)."""
        n, roots = len(self.feature), self.roots.astype(np.int64)
        need(roots[0] == 0 and (np.diff(roots) > 0).all() and roots[-1] < n, "roots do not ascend from 0 within nodes")
        need(self.feature >= -1, "a node compares a feature below 0")
        sizes_of_trees = np.diff(roots, append=n)
        first, end = (np.repeat(one, sizes_of_trees)[:, None] for one in (roots, roots + sizes_of_trees))
        leaf, node = self.feature < 0, np.arange(n)[:, None]
        inside = (self.children > node) & (self.children < end)
        need(
            np.where(leaf[:, None], self.children == np.maximum(first - 1, 0), inside), "a child is not below its node"
        )


def trees_score(state: Grove, x: Features) -> Numbers:
    """Mean over the trees of the value of the leaf that each row falls into.

    Scikit-learn's compiled walk where it takes our arrays, else `walk` in NumPy; both give the same bits.

    Args:
        state: From `as_arrays`.
        x: Features; they are compared in float32.
    """
    x = np.ascontiguousarray(x, dtype=np.float32)
    compiled = _kept(state, x.shape[1])
    total = np.zeros(len(x))
    if compiled is None:
        for tree in _trees(state):
            total += walk(x, tree)
    else:
        for tree in compiled:
            total += tree.predict(x)[:, 0]
    return total / len(state.roots)


_COMPILED: dict[tuple[int, ...], list[Any]] = {}
"""The trees of each ensemble in use, by the identity of its arrays: building them takes as long as scoring some hundred
rows per tree."""


def _kept(state: Grove, n_features: int) -> list[Any] | None:
    """Trees in scikit-learn's compiled form; None where it does not take them."""
    arrays = [state.roots, *_nodes(state)]
    key = tuple(map(id, arrays))
    if key not in _COMPILED:
        compiled = [_compiled(n_features, tree) for tree in _trees(state)]
        if any(tree is None for tree in compiled):
            return None
        _COMPILED[key] = compiled
        for array in arrays:  # its id may be given to another array as soon as one of these is gone
            finalize(array, _COMPILED.pop, key, None)
        return compiled
    return _COMPILED[key]


def _trees(state: Grove) -> Iterator[Nodes]:
    roots, (feature, threshold, children, value) = state.roots.tolist(), _nodes(state)
    for start, end in pairwise([*roots, len(feature)]):
        here = slice(start, end)
        yield Nodes(feature[here], threshold[here], children[here] - start, value[here])


def _nodes(state: Grove) -> Nodes:
    """The nodes of all trees."""
    return Nodes(state.feature, state.threshold, state.children, state.value)


def trees_graph(state: Grove, x: Node) -> Node:
    """`trees_score` as part of an ONNX graph: one `TreeEnsemble`, which holds nodes and leaves apart."""
    tensor = onnx_package().numpy_helper.from_array
    is_leaf, children = state.feature < 0, state.children
    place = np.where(is_leaf, np.cumsum(is_leaf), np.cumsum(~is_leaf)) - 1
    inner = np.flatnonzero(~is_leaf)
    feature, split = state.feature[inner], state.threshold[inner]
    targets, to_leaf = place[children[inner]], is_leaf[children[inner]].astype(np.int64)
    roots = place[state.roots].copy()
    bare = np.flatnonzero(is_leaf[state.roots])  # a tree of one leaf becomes a node with this leaf twice
    if len(bare):
        feature, split = np.append(feature, np.zeros(len(bare), int)), np.append(split, np.zeros(len(bare)))
        targets = np.vstack([targets, np.repeat(roots[bare][:, None], 2, axis=1)])
        to_leaf = np.vstack([to_leaf, np.ones((len(bare), 2), int)])
        roots[bare] = len(inner) + np.arange(len(bare))
    leaves = state.value[is_leaf]
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


def walk(x: Float[np.ndarray, "row feature"], tree: Nodes) -> Float[np.ndarray, " row"]:
    """The value of the leaf that each row, of float32, falls into: each node splits the rows that reach it."""
    feature, threshold, children, value = tree
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
def _compiled(n_features: int, tree: Nodes) -> Any:
    """One of scikit-learn's trees from our arrays; None where its internal form is not the one that we know."""
    feature, threshold, children, value = tree
    nodes: Any = np.zeros(len(feature), dtype=NODE_DTYPE)
    leaf = feature < 0
    try:
        nodes["left_child"] = np.where(leaf, -1, children[:, 0])
        nodes["right_child"] = np.where(leaf, -1, children[:, 1])
        nodes["feature"], nodes["threshold"] = np.where(leaf, -2, feature), threshold
        compiled = Tree(n_features, np.ones(1, dtype=np.intp), 1)
        state = {"max_depth": 0, "node_count": len(nodes), "nodes": nodes, "values": value.reshape(-1, 1, 1).copy()}
        compiled.__setstate__(state)
    except (ValueError, TypeError, KeyError):
        return None
    return compiled


def as_arrays(estimators: Sequence[Any], values: Callable[[Any], np.ndarray]) -> Grove:
    """Trees of scikit-learn, end to end.

    Args:
        estimators: What holds each as `tree_`.
        values: From one of its trees to the value of each node.
    """
    trees = [one.tree_ for one in estimators]
    starts = np.cumsum([0, *(tree.node_count for tree in trees)])[:-1]
    children = [
        np.stack([tree.children_left, tree.children_right], axis=1) + start
        for tree, start in zip(trees, starts, strict=True)
    ]
    return Grove(
        roots=starts.astype(np.int32),
        feature=np.concatenate([np.maximum(tree.feature, -1) for tree in trees]).astype(np.int32),
        threshold=np.concatenate([tree.threshold for tree in trees]),
        children=np.maximum(np.concatenate(children), 0).astype(np.int32),
        value=values_of(estimators, values),
    )


def values_of(estimators: Sequence[Any], values: Callable[[Any], np.ndarray]) -> Float[np.ndarray, " node"]:
    """The value of each node of all trees, end to end."""
    return np.concatenate([values(one.tree_) for one in estimators])


def fraction(tree: Any, kind: int = 1) -> Float[np.ndarray, " node"]:
    """Fraction of a class, by default the second, in each node of a tree, by weight."""
    return tree.value[:, 0, kind] / np.maximum(tree.value[:, 0].sum(axis=1), 1e-300)


class _OfGrove(ExportableExpert[Grove]):
    """What all experts of trees share."""

    state = Grove

    def read(self, stored: Stored, width: int) -> Grove:
        """See `Expert`."""
        state = super().read(stored, width)
        need(state.feature < width, f"a node of {stored.prefix}… compares a feature that there is not")
        return state


class TreeExpert(_OfGrove):
    """An expert whose score is the mean value of the leaves that a row falls into; its state is from `as_arrays`."""

    def score(self, state: Grove, x: Features) -> Numbers:
        """Mean value of the leaves."""
        return trees_score(state, x)

    def graph(self, state: Grove, x: Node) -> Node:
        """See `ExportableExpert`."""
        return trees_graph(state, x)


class Classifying(TreeExpert):
    """Trees that tell classes apart: several kinds of defect at the price of one."""

    @abstractmethod
    def grown(self, x: Features, kind: Kinds, weight: Numbers, seed: int) -> Sequence[Any]:
        """Trees of scikit-learn that tell the kinds and the rest apart; see `Expert.fit_kinds`."""

    def fit(self, x: Features, is_defect: Flags, weight: Numbers, seed: int) -> Grove:
        """Grow the trees; see `Expert`."""
        return as_arrays(self.grown(x, is_defect.astype(np.int64), weight, seed), fraction)

    def fit_kinds(self, x: Features, kind: Kinds, weight: Numbers, seed: int) -> tuple[Grove, ...]:
        """The same trees for all kinds, whose leaves hold the fraction of each; see `Expert`."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # many kinds of few labels are classes all the same
            trees = self.grown(x, kind, weight, seed)
        first = as_arrays(trees, fraction)
        others = [partial(fraction, kind=k) for k in range(2, kind.max() + 1)]
        return first, *(replace(first, value=values_of(trees, of)) for of in others)


@dataclass(frozen=True)
class Trees(Classifying):
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

    def grown(self, x: Features, kind: Kinds, weight: Numbers, seed: int) -> Sequence[Any]:
        """See `Classifying`."""
        return extra_trees(x, kind, weight, self.n_trees, self.least_rows, seed)


@dataclass(frozen=True)
class Forest(Classifying):
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

    def grown(self, x: Features, kind: Kinds, weight: Numbers, seed: int) -> Sequence[Any]:
        """See `Classifying`."""
        model = RandomForestClassifier(self.n_trees, min_samples_leaf=self.least_rows, random_state=seed)
        return model.fit(x, kind, sample_weight=weight).estimators_


def path_left(n_rows: Float[np.ndarray, " node"]) -> Float[np.ndarray, " node"]:
    r"""Mean number of further random cuts that would single a row out of n.

    .. math:: c(n) = 2 (\ln(n - 1) + \gamma) - 2 (n - 1) / n, \quad c(2) = 1, \quad c(1) = 0

    Reference:
        Liu, Ting and Zhou, "Isolation forest", 2008, equation 1.
    """
    n = np.maximum(n_rows, 3.0)
    many = 2 * (np.log(n - 1) + np.euler_gamma) - 2 * (n - 1) / n
    return np.where(n_rows <= 1, 0.0, np.where(n_rows <= 2, 1.0, many))


@dataclass(frozen=True)
class Isolation(_OfGrove):
    """Isolation forest; unsupervised.

    Not for outliers that are unusual only in how features go together.

    Attributes:
        n_trees: How many, >= 1.

    Reference:
        Liu, Ting and Zhou, "Isolation forest", 2008.
    """

    n_trees: int = 100
    uses_labels: ClassVar[bool] = False

    def fit(self, x: Features, is_defect: Flags, weight: Numbers, seed: int) -> Grove:
        """Cut at random; see `Expert`."""
        model = IsolationForest(n_estimators=self.n_trees, random_state=seed).fit(x[~is_defect])
        return as_arrays(
            model.estimators_, lambda tree: _depths(tree) + path_left(tree.n_node_samples.astype(np.float64))
        )

    def score(self, state: Grove, x: Features) -> Numbers:
        """Minus the mean number of cuts."""
        return -trees_score(state, x)

    def graph(self, state: Grove, x: Node) -> Node:
        """See `ExportableExpert`."""
        return -trees_graph(state, x)


def _depths(tree: Any) -> Float[np.ndarray, " node"]:
    """Number of cuts above each node; a child always comes after its parent."""
    left, right = tree.children_left, tree.children_right
    depth = np.zeros(len(left))
    for node in np.flatnonzero(left >= 0):
        depth[left[node]] = depth[right[node]] = depth[node] + 1
    return depth
