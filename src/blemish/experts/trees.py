"""Many random questions: extremely randomised trees."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.ensemble._forest import ForestClassifier

from blemish.experts.protocol import State
from blemish.graph import ML, Node, onnx_package

CHUNK = 4096  # rows at a time: a chunk's node numbers stay in the cache


def trees_score(
    x: Float[np.ndarray, "row feature"],
    roots: Int[np.ndarray, " tree"],
    feature: Int[np.ndarray, " node"],
    threshold: Float[np.ndarray, " node"],
    children: Int[np.ndarray, "node 2"],
    value: Float[np.ndarray, " node"],
) -> Float[np.ndarray, " row"]:
    """Mean over the trees of the value of the leaf that each row falls into.

    Args:
        x: Features; they are compared in float32.
        roots: Number of each tree's first node.
        feature: Which feature a node asks about; -1 marks a leaf.
        threshold: A row goes to child 0 where its feature is at most this.
        children: Numbers of the two next nodes.
        value: What a leaf is worth.
    """
    x = np.ascontiguousarray(x, dtype=np.float32)
    total = np.zeros(len(x))
    for start in range(0, len(x), CHUNK):
        rows = x[start : start + CHUNK]
        for root in roots:
            node = np.full(len(rows), root)
            going = np.arange(len(rows))
            while len(going):
                here = node[going]
                going, here = going[feature[here] >= 0], here[feature[here] >= 0]
                right = rows[going, feature[here]] > threshold[here]
                node[going] = children[here, right.astype(np.intp)]
            total[start : start + CHUNK] += value[node]
    return total / len(roots)


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


def as_arrays(trees: Sequence[Any], values: Sequence[np.ndarray]) -> State:
    """Trees of scikit-learn end to end, as `trees_score` wants them.

    Args:
        trees: Their `tree_`.
        values: What each node of each tree is worth.
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


def share_trees(model: ForestClassifier) -> State:
    """Fitted trees as arrays; a node is worth its share of the second class, by weight."""
    trees = [tree.tree_ for tree in model.estimators_]
    return as_arrays(trees, [tree.value[:, 0, 1] / np.maximum(tree.value[:, 0].sum(axis=1), 1e-300) for tree in trees])


@dataclass(frozen=True)
class Trees:
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
    uses_labels: ClassVar[bool] = True

    def fit(
        self,
        x: Float[np.ndarray, "row feature"],
        is_defect: Bool[np.ndarray, " row"],
        weight: Float[np.ndarray, " row"],
        seed: int,
    ) -> State:
        """Grow the trees; see `Expert`."""
        model = ExtraTreesClassifier(self.n_trees, min_samples_leaf=self.least_rows, random_state=seed)
        model.fit(x, is_defect, sample_weight=weight)
        return share_trees(model)

    def score(self, state: State, x: Float[np.ndarray, "row feature"]) -> Float[np.ndarray, " row"]:
        """Mean share of defects in the leaves, by weight."""
        return trees_score(x, state["roots"], state["feature"], state["threshold"], state["children"], state["value"])

    def graph(self, state: State, x: Node) -> Node:
        """`score` as part of an ONNX graph."""
        return trees_graph(state, x)
