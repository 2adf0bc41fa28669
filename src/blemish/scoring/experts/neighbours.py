"""How far away are the nearest rows? Mean distance to many neighbours."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from blemish.core.graph import Node
from blemish.scoring.experts.expert import ExportableExpert, Features, Flags, Numbers, fit_scaling, scaled, scaled_graph
from blemish.scoring.scorer import State

CHUNK = 256  # rows at a time: their distances from 1,000 points stay in the cache
CANCELLED = 1e-12  # a squared distance below this fraction of the squared lengths is nothing but rounding


def neighbour_distance(
    x: Float[np.ndarray, "row feature"], points: Float[np.ndarray, "point feature"], n_neighbours: int
) -> Float[np.ndarray, " row"]:
    """Mean Euclidean distance to the nearest points, >= 0.

    Args:
        x: Rows.
        points: What they are compared with.
        n_neighbours: How many of the points count, from 1 to all.
    """
    mean = np.empty(len(x))
    centre = points.mean(axis=0)  # far from 0, the difference of squares below would lose its digits
    points = points - centre
    length = np.square(points).sum(axis=1)
    products = np.vstack([-2 * points.T, length, np.ones(len(points))])  # one product gives the squared distances
    farthest = length.max()
    for start in range(0, len(x), CHUNK):
        rows = x[start : start + CHUNK] - centre
        own = np.square(rows).sum(axis=1)[:, None]
        squared = np.hstack([rows, np.ones_like(own), own]) @ products
        squared.partition(n_neighbours - 1, axis=1)
        nearest = squared[:, :n_neighbours]
        nearest = np.where(nearest < CANCELLED * (own + farthest), 0.0, nearest)
        mean[start : start + CHUNK] = np.sqrt(nearest).mean(axis=1)
    return mean


@dataclass(frozen=True)
class Neighbours(ExportableExpert):
    """Mean distance to the nearest eighth of a sample of the rows; unsupervised.

    With this many neighbours a cluster of outliers does not make its own members look normal. Not for normals of many
    small kinds.

    Attributes:
        share: Fraction of the sample that counts as near, in (0, 1].
        n_points: Rows in the sample, >= 1, so that the cost per row does not grow with the data.
        standardise: Divide each feature by its standard deviation first.

    Reference:
        Angiulli and Pizzuti, "Fast outlier detection in high dimensional spaces", 2002 (the k nearest); Sugiyama and
        Borgwardt, "Rapid distance-based outlier detection via sampling", 2013.
    """

    share: float = 0.125
    n_points: int = 1000
    standardise: bool = True
    uses_labels: ClassVar[bool] = False

    def fit(self, x: Features, is_defect: Flags, weight: Numbers, seed: int) -> State:
        """Draw the sample; see `Expert`."""
        x = x[~is_defect]
        scaling = fit_scaling(x) if self.standardise else {}
        drawn = np.random.default_rng(seed).permutation(len(x))[: self.n_points]
        return {**scaling, "points": scaled(scaling, x[drawn]).astype(np.float64)}

    def score(self, state: State, x: Features) -> Numbers:
        """Mean distance, >= 0."""
        points = state["points"]
        n_neighbours = max(1, round(self.share * len(points)))
        return neighbour_distance(scaled(state, x).astype(np.float64), points, n_neighbours)

    def graph(self, state: State, x: Node) -> Node:
        """See `ExportableExpert`."""
        centre = state["points"].mean(axis=0)
        x, points = scaled_graph(state, x) - centre, state["points"] - centre
        own, length = (x * x).reduce("Sum", 1, keepdims=True), np.square(points).sum(axis=1)
        squared = own - (x @ (2 * points.T)) + length
        squared = x.graph.op("Where", squared < (own + length) * CANCELLED, 0.0, squared)
        n_neighbours = np.array([max(1, round(self.share * len(points)))], dtype=np.int64)
        nearest = x.graph.ops("TopK", 2, squared, n_neighbours, axis=1, largest=0)[0]
        return nearest.op("Max", 0.0).op("Sqrt").reduce("Mean", 1)
