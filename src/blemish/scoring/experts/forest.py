"""Many good questions: a random forest."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float
from sklearn.ensemble import RandomForestClassifier

from blemish.core.graph import Node
from blemish.scoring.experts.expert import State
from blemish.scoring.experts.trees import share_trees, trees_graph, trees_score


@dataclass(frozen=True)
class Forest:
    """A random forest: each node asks the best of a few questions, each tree learns from a redrawn sample.

    Where extremely randomised trees ask at random, these find the few columns that matter: better where most columns
    do not. Not for a single label: a redrawn sample may not hold it, and such a tree knows nothing.

    Attributes:
        n_trees: How many, >= 1.
        least_rows: Rows that a leaf must hold, >= 1; 2 keeps a single labelled defect from a leaf of its own.

    Reference:
        Breiman, "Random forests", 2001.
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
        model = RandomForestClassifier(self.n_trees, min_samples_leaf=self.least_rows, random_state=seed)
        return share_trees(model.fit(x, is_defect, sample_weight=weight))

    def score(self, state: State, x: Float[np.ndarray, "row feature"]) -> Float[np.ndarray, " row"]:
        """Mean share of defects in the leaves, by weight."""
        return trees_score(x, state["roots"], state["feature"], state["threshold"], state["children"], state["value"])

    def graph(self, state: State, x: Node) -> Node:
        """`score` as part of an ONNX graph."""
        return trees_graph(state, x)
