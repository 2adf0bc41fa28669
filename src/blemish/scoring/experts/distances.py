"""Experts by how far a row lies from points: a support vector machine, and the mean distance to many neighbours."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Float64
from sklearn.svm import SVC

from blemish.core.graph import Node
from blemish.core.state import State, need
from blemish.scoring.experts.expert import (
    ExportableExpert,
    Features,
    Flags,
    Numbers,
    Scaling,
    fit_scaling,
    scaled,
    scaled_graph,
)

KERNEL_CHUNK = 2048  # rows at a time
CHUNK = 256  # rows at a time: their distances from 1,000 points stay in the cache
CANCELLED = 1e-12  # a squared distance below this fraction of the squared lengths is nothing but rounding


def kernel_score(
    x: Float[np.ndarray, "row feature"],
    points: Float[np.ndarray, "point feature"],
    weights: Float[np.ndarray, " point"],
    offset: float,
    gamma: float,
) -> Float[np.ndarray, " row"]:
    r"""Weighted sum of Gaussian bumps.

    .. math:: s(x) = \sum_i a_i \exp(-\gamma \lVert x - p_i \rVert^2) + b

    The weights a of the points p are positive for defects; gamma > 0 is an inverse squared width.
    """
    total = np.empty(len(x))
    length = np.square(points).sum(axis=1)
    for start in range(0, len(x), KERNEL_CHUNK):
        rows = x[start : start + KERNEL_CHUNK]
        squared = np.square(rows).sum(axis=1)[:, None] - 2 * rows @ points.T + length
        total[start : start + KERNEL_CHUNK] = np.exp(-gamma * np.maximum(squared, 0)) @ weights
    return total + offset


@dataclass(frozen=True)
class Bumps(State):
    """Gaussian bumps at points; see `kernel_score`."""

    points: Float64[np.ndarray, "point feature"]
    weights: Float64[np.ndarray, " point"]
    offset: Float64[np.ndarray, ""]
    gamma: Float64[np.ndarray, ""]
    scaling: Scaling | None = None

    def check(self) -> None:
        """See `State`."""
        need(self.gamma > 0, "gamma is not above 0")


@dataclass(frozen=True)
class Kernel(ExportableExpert[Bumps]):
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
    state = Bumps

    @property
    def given(self) -> Mapping[str, bool]:
        """See `Expert`."""
        return {"scaling": self.standardise}

    def fit(self, x: Features, is_defect: Flags, weight: Numbers, seed: int) -> Bumps:
        """Place the bumps; see `Expert`."""
        scaling = fit_scaling(x) if self.standardise else None
        x = scaled(scaling, x)
        gamma = 1.0 / (self.width**2 * x.shape[1] * max(float(x.var()), 1e-12))
        model = SVC(C=self.softness, gamma=gamma, cache_size=500, random_state=seed)
        model.fit(x, is_defect, sample_weight=weight)
        return Bumps(
            points=model.support_vectors_.astype(np.float64),
            weights=model.dual_coef_[0].astype(np.float64),
            offset=np.array(float(model.intercept_[0])),
            gamma=np.array(gamma),
            scaling=scaling,
        )

    def score(self, state: Bumps, x: Features) -> Numbers:
        """Sum of the bumps."""
        x = scaled(state.scaling, x).astype(np.float64)
        return kernel_score(x, state.points, state.weights, float(state.offset), float(state.gamma))

    def graph(self, state: Bumps, x: Node) -> Node:
        """See `ExportableExpert`."""
        *_, squared = _squared_graph(scaled_graph(state.scaling, x), state.points)
        return (squared.op("Max", 0.0) * -state.gamma).op("Exp") @ state.weights + state.offset


def neighbour_distance(
    x: Float[np.ndarray, "row feature"], points: Float[np.ndarray, "point feature"], n_neighbours: int
) -> Float[np.ndarray, " row"]:
    """Mean Euclidean distance of each row to the nearest `n_neighbours` of the points, >= 0."""
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
class Points(State):
    """A sample of the rows."""

    points: Float64[np.ndarray, "point feature"]
    scaling: Scaling | None = None


@dataclass(frozen=True)
class Neighbours(ExportableExpert[Points]):
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
    state = Points
    uses_labels: ClassVar[bool] = False

    @property
    def given(self) -> Mapping[str, bool]:
        """See `Expert`."""
        return {"scaling": self.standardise}

    def fit(self, x: Features, is_defect: Flags, weight: Numbers, seed: int) -> Points:
        """Draw the sample; see `Expert`."""
        x = x[~is_defect]
        scaling = fit_scaling(x) if self.standardise else None
        drawn = np.random.default_rng(seed).permutation(len(x))[: self.n_points]
        return Points(scaled(scaling, x[drawn]).astype(np.float64), scaling)

    def score(self, state: Points, x: Features) -> Numbers:
        """Mean distance, >= 0."""
        return neighbour_distance(scaled(state.scaling, x).astype(np.float64), state.points, self._n_near(state))

    def _n_near(self, state: Points) -> int:
        return max(1, min(len(state.points), round(self.share * len(state.points))))

    def graph(self, state: Points, x: Node) -> Node:
        """See `ExportableExpert`."""
        centre = state.points.mean(axis=0)
        points = state.points - centre
        own, length, squared = _squared_graph(scaled_graph(state.scaling, x) - centre, points)
        squared = x.graph.op("Where", squared < (own + length) * CANCELLED, 0.0, squared)
        n_near = np.array([self._n_near(state)], dtype=np.int64)
        nearest = x.graph.ops("TopK", 2, squared, n_near, axis=1, largest=0)[0]
        return nearest.op("Max", 0.0).op("Sqrt").reduce("Mean", 1)


def _squared_graph(x: Node, points: Float[np.ndarray, "point feature"]) -> tuple[Node, np.ndarray, Node]:
    """Squared length of every row and of every point, and the squared distances between them."""
    own, length = (x * x).reduce("Sum", 1, keepdims=True), np.square(points).sum(axis=1)
    return own, length, own - (x @ (2 * points.T)) + length
