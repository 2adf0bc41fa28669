"""Similarity to the labelled defects against similarity to the rest: a support vector machine."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from sklearn.svm import SVC

from blemish.core.graph import Node
from blemish.scoring.experts.expert import ExportableExpert, Features, Flags, Numbers, fit_scaling, scaled, scaled_graph
from blemish.scoring.scorer import State

CHUNK = 2048  # rows at a time


def kernel_score(
    x: Float[np.ndarray, "row feature"],
    points: Float[np.ndarray, "point feature"],
    weights: Float[np.ndarray, " point"],
    offset: float,
    gamma: float,
) -> Float[np.ndarray, " row"]:
    r"""Weighted sum of Gaussian bumps.

    .. math:: s(x) = \sum_i a_i \exp(-\gamma \lVert x - p_i \rVert^2) + b

    Args:
        x: Features.
        points: Centres p of the bumps.
        weights: Their weights a, positive for defects.
        offset: b.
        gamma: Inverse squared width, > 0.
    """
    total = np.empty(len(x))
    length = np.square(points).sum(axis=1)
    for start in range(0, len(x), CHUNK):
        rows = x[start : start + CHUNK]
        squared = np.square(rows).sum(axis=1)[:, None] - 2 * rows @ points.T + length
        total[start : start + CHUNK] = np.exp(-gamma * np.maximum(squared, 0)) @ weights
    return total + offset


@dataclass(frozen=True)
class Kernel(ExportableExpert):
    """A support vector machine with a Gaussian kernel.

    The best expert where defects form an island in the data. Not for hundreds of irrelevant features: all of them
    count in the distance.

    Attributes:
        softness: Upper bound C of a bump's weight, > 0.
        width: Of the bumps, in units of the features' root mean square distance from their mean, > 0.
        standardise: Divide each feature by its standard deviation first.

    Reference:
        Cortes and Vapnik, "Support-vector networks", 1995.
    """

    softness: float = 0.3
    width: float = 1.0
    standardise: bool = True

    def fit(self, x: Features, is_defect: Flags, weight: Numbers, seed: int) -> State:
        """Place the bumps; see `Expert`."""
        scaling = fit_scaling(x) if self.standardise else {}
        x = scaled(scaling, x)
        gamma = 1.0 / (self.width**2 * x.shape[1] * max(float(x.var()), 1e-12))
        model = SVC(C=self.softness, gamma=gamma, cache_size=500, random_state=seed)
        model.fit(x, is_defect, sample_weight=weight)
        return {
            **scaling,
            "points": model.support_vectors_.astype(np.float64),
            "weights": model.dual_coef_[0].astype(np.float64),
            "offset": np.array(float(model.intercept_[0])),
            "gamma": np.array(gamma),
        }

    def score(self, state: State, x: Features) -> Numbers:
        """Sum of the bumps."""
        x = scaled(state, x).astype(np.float64)
        return kernel_score(x, state["points"], state["weights"], float(state["offset"]), float(state["gamma"]))

    def graph(self, state: State, x: Node) -> Node:
        """See `ExportableExpert`."""
        x, points = scaled_graph(state, x), state["points"]
        own = (x * x).reduce("Sum", 1, keepdims=True)
        squared = (own - (x @ (2 * points.T)) + np.square(points).sum(axis=1)).op("Max", 0.0)
        return (squared * -state["gamma"]).op("Exp") @ state["weights"] + state["offset"]
