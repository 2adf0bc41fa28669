"""What the usual half has in common: trees taught by a cruder expert, without any label."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float
from sklearn.ensemble import ExtraTreesClassifier

from blemish.core.graph import Node
from blemish.scoring.experts.expert import State
from blemish.scoring.experts.neighbours import Neighbours
from blemish.scoring.experts.trees import as_arrays, trees_graph, trees_score

LEAST_SEEN = 10  # rows, where there are as many


def smoothed_share(tree: Any) -> Float[np.ndarray, " node"]:
    """Share of the second class in each node of a tree, by weight, drawn towards a half where a node holds few rows.

    Without it most rows share a few scores.

    Reference:
        Provost and Domingos, "Tree induction for probability-based ranking", 2003 (the Laplace correction).
    """
    weight, n = tree.value[:, 0], tree.n_node_samples
    of_second = weight[:, 1] if weight.shape[1] > 1 else np.zeros(len(weight))
    return (n * of_second / np.maximum(weight.sum(axis=1), 1e-300) + 1) / (n + 2)


@dataclass(frozen=True)
class Student:
    """Trees that tell the most usual half of the rows from the most unusual fifth, as `Neighbours` sees them.

    Where outliers are many and of all sorts, the teacher counts every feature alike; the student finds those that tell
    the two sides apart. Each tree learns from a quarter of the rows, so that most trees have not seen a row that they
    judge. Not for few features, or outliers among the most usual half.

    Attributes:
        usual: Share of the rows that the teacher finds most usual, in (0, 1).
        unusual: Share that it finds most unusual, in (0, 1 - usual].
        seen: Share of these rows that each tree learns from, in (0, 1].
        n_trees: How many, >= 1.

    Reference:
        Yoon, Sohn, Li, Arik, Lee and Pfister, "Self-supervise, refine, repeat: improving unsupervised anomaly
        detection", 2022; they refine by leaving the unusual rows out, we make them the other class.
    """

    usual: float = 0.5
    unusual: float = 0.2
    seen: float = 0.25
    n_trees: int = 100
    uses_labels: ClassVar[bool] = False

    def fit(
        self,
        x: Float[np.ndarray, "row feature"],
        is_defect: Bool[np.ndarray, " row"],
        weight: Float[np.ndarray, " row"],
        seed: int,
    ) -> State:
        """Ask the teacher, then grow the trees; see `Expert`."""
        teacher, x, weight = Neighbours(), x[~is_defect], weight[~is_defect]
        opinion = teacher.score(teacher.fit(x, np.full(len(x), False), weight, seed), x)
        taught = np.argsort(opinion, kind="stable")
        n_usual, n_unusual = max(1, round(self.usual * len(x))), max(1, round(self.unusual * len(x)))
        rows = np.concatenate([taught[:n_usual], taught[-n_unusual:]])
        is_unusual = np.arange(len(rows)) >= n_usual
        model = ExtraTreesClassifier(
            self.n_trees,
            bootstrap=True,
            max_samples=min(len(rows), max(LEAST_SEEN, round(self.seen * len(rows)))),
            class_weight="balanced",
            random_state=seed,
        ).fit(x[rows], is_unusual)
        trees = [tree.tree_ for tree in model.estimators_]
        return as_arrays(trees, [smoothed_share(tree) for tree in trees])

    def score(self, state: State, x: Float[np.ndarray, "row feature"]) -> Float[np.ndarray, " row"]:
        """Mean share of unusual rows in the leaves, by weight, 0 to 1."""
        return trees_score(x, state["roots"], state["feature"], state["threshold"], state["children"], state["value"])

    def graph(self, state: State, x: Node) -> Node:
        """`score` as part of an ONNX graph."""
        return trees_graph(state, x)
