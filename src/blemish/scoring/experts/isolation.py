"""How quickly is a row cut off from the rest? Isolation forest."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float
from sklearn.ensemble import IsolationForest

from blemish.core.graph import Node
from blemish.scoring.evidence import State
from blemish.scoring.experts.expert import ExportableExpert, Features, Flags, Numbers
from blemish.scoring.experts.trees import as_arrays, trees_graph, trees_score


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
class Isolation(ExportableExpert):
    """Isolation forest; unsupervised.

    Not for outliers that are unusual only in how features go together.

    Attributes:
        n_trees: How many, >= 1.

    Reference:
        Liu, Ting and Zhou, "Isolation forest", 2008.
    """

    n_trees: int = 100
    uses_labels: ClassVar[bool] = False

    def fit(self, x: Features, is_defect: Flags, weight: Numbers, seed: int) -> State:
        """Cut at random; see `Expert`."""
        model = IsolationForest(n_estimators=self.n_trees, random_state=seed).fit(x[~is_defect])
        trees = [tree.tree_ for tree in model.estimators_]
        lengths = [_depths(tree) + path_left(tree.n_node_samples.astype(np.float64)) for tree in trees]
        return as_arrays(trees, lengths)

    def score(self, state: State, x: Features) -> Numbers:
        """Minus the mean number of cuts."""
        return -trees_score(x, state["roots"], state["feature"], state["threshold"], state["children"], state["value"])

    def graph(self, state: State, x: Node) -> Node:
        """See `ExportableExpert`."""
        return -trees_graph(state, x)


def _depths(tree: object) -> Float[np.ndarray, " node"]:
    """Number of cuts above each node; a child always comes after its parent."""
    left, right = tree.children_left, tree.children_right  # pyright: ignore[reportAttributeAccessIssue]
    depth = np.zeros(len(left))
    for node in np.flatnonzero(left >= 0):
        depth[left[node]] = depth[right[node]] = depth[node] + 1
    return depth
