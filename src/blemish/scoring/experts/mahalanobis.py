"""How far a row lies from where the rows are, in units of how they vary: extrapolates where trees cannot."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Float64
from scipy.linalg import eigh

from blemish.core.graph import Node
from blemish.core.state import State, need
from blemish.modalities.column import arcsinh_graph
from blemish.scoring.experts.expert import ExportableExpert, Features, Flags, Numbers
from blemish.scoring.mixture import squared_lengths

MIN_SPREAD = 0.1
"""Least standard deviation of a feature, in units of the median one: a feature that was constant has none, and one that
hardly varied would outweigh all others with its rounding."""
MIN_RELATIVE = 0.01  # least standard deviation as a fraction of the mean: below that float32 shows little but rounding
MIN_VARIANCE = 0.01
"""Least variance along a direction, in units of the mean one, for the same reason."""
SOFT = 20.0
"""Standard deviations up to which a deviation counts in full, and beyond which its logarithm counts: a glitch or a
heavy tail among the rows must not decide what is far, and yet further must stay further."""
ROWS_PER_DIRECTION = 4  # fewer would not tell how much rows vary along it


@dataclass(frozen=True)
class Ellipsoid(State):
    """Where rows lie, and how they vary; see `Mahalanobis`.

    Attributes:
        centre: Their mean.
        unit: Spread of each feature.
        axes: Leading principal directions.
        factors: What the inverse variance along each of them has beyond that along all others.
        rest: Mean variance along all others.
    """

    centre: Float64[np.ndarray, " feature"]
    unit: Float64[np.ndarray, " feature"]
    axes: Float64[np.ndarray, "feature direction"]
    factors: Float64[np.ndarray, " direction"]
    rest: Float64[np.ndarray, ""]

    def check(self) -> None:
        """See `State`."""
        need(self.unit > 0, "a spread is not above 0")
        need(self.rest > 0, "the variance is not above 0")


@dataclass(frozen=True)
class Mahalanobis(ExportableExpert[Ellipsoid]):
    r"""Distance from the mean by a low-rank covariance; unsupervised.

    .. math:: d^2 = \sum_{k \le K} \frac{(v_k^\top u)^2}{\lambda_k} +
        \frac{\lVert u \rVert^2 - \sum_{k \le K} (v_k^\top u)^2}{\lambda_0}

    where :math:`u = 20 \operatorname{arsinh}((x - \bar x) / 20 s)` is the row in units s of each feature's spread; the
    v are the K leading principal directions with variances :math:`\lambda_k`, and :math:`\lambda_0` is the mean
    variance along all others. It grows without bound in every direction. Not for rows of several separate kinds: what
    lies between them is near the mean.

    Attributes:
        directions: K at most, >= 1; at most one per four rows.

    Reference:
        Mahalanobis, "On the generalised distance in statistics", 1936; the covariance as in Tipping and Bishop,
        "Probabilistic principal component analysis", 1999.
    """

    directions: int = 64
    state = Ellipsoid
    uses_labels: ClassVar[bool] = False

    def fit(self, x: Features, is_defect: Flags, weight: Numbers, seed: int) -> Ellipsoid:
        """Centre, units and directions; see `Expert`."""
        x = x[~is_defect].astype(np.float64)
        spread = x.std(axis=0)
        typical = float(np.median(spread[spread > 0])) if (spread > 0).any() else 1.0
        centre = x.mean(axis=0)
        unit = np.maximum(np.maximum(spread, MIN_SPREAD * typical), MIN_RELATIVE * np.abs(centre))
        u = _softened(centre, unit, x)
        n, p = u.shape
        k = max(1, min(self.directions, p, n // ROWS_PER_DIRECTION))
        if n < p:  # the same directions from the smaller matrix
            variance, rows = _leading(u @ u.T / n, k)
            axes = u.T @ rows
            axes /= np.maximum(np.linalg.norm(axes, axis=0), 1e-300)
        else:
            variance, axes = _leading(u.T @ u / n, k)
        total = float(np.square(u).sum()) / n
        least = MIN_VARIANCE * (total / p or 1.0)
        rest = max((total - variance.sum()) / max(1, p - k), least)
        factors = 1 / np.maximum(variance, least) - 1 / rest
        return Ellipsoid(centre, unit, axes, factors, np.array(rest))

    def score(self, state: Ellipsoid, x: Features) -> Numbers:
        """The distance, >= 0."""
        return np.sqrt(np.maximum(_squared(state, x), 0.0))

    def graph(self, state: Ellipsoid, x: Node) -> Node:
        """See `ExportableExpert`."""
        return _squared_graph(state, x).op("Max", 0.0).op("Sqrt")


def nearest(
    state: Ellipsoid, x: Float[np.ndarray, "row feature"], points: Float[np.ndarray, "point feature"]
) -> Float[np.ndarray, " row"]:
    """Distance of each row from the nearest point, of which there is at least one, by the same covariance."""
    slopes, own = _of_points(state, points)
    u = _softened(state.centre, state.unit, x)
    return np.sqrt(np.maximum((_squared(state, x)[:, None] - u @ slopes + own).min(axis=1), 0.0))


def nearest_graph(state: Ellipsoid, x: Node, points: Float[np.ndarray, "point feature"]) -> Node:
    """`nearest` as part of an ONNX graph."""
    slopes, own = _of_points(state, points)
    u = _softened_graph(state, x)
    squared = _squared_graph(state, x).expand_dims(1) - u @ slopes + own
    return squared.reduce("Min", 1).op("Max", 0.0).op("Sqrt")


def _of_points(state: Ellipsoid, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Twice the inner product with each point as a matrix (feature, point), and their squared lengths."""
    u = _softened(state.centre, state.unit, points)
    along = (u @ state.axes) * state.factors
    return 2 * (u / float(state.rest) + along @ state.axes.T).T, _squared(state, points)


def _squared(state: Ellipsoid, x: np.ndarray) -> np.ndarray:
    """Squared distance from the centre."""
    u = _softened(state.centre, state.unit, x)
    along = u @ state.axes
    return squared_lengths(u) / float(state.rest) + np.square(along) @ state.factors


def _squared_graph(state: Ellipsoid, x: Node) -> Node:
    u = _softened_graph(state, x)
    along = u @ state.axes
    return (u * u).reduce("Sum", 1) / float(state.rest) + (along * along) @ state.factors


def _softened(centre: np.ndarray, unit: np.ndarray, x: np.ndarray) -> np.ndarray:
    return SOFT * np.arcsinh((x - centre) / (SOFT * unit))


def _softened_graph(state: Ellipsoid, x: Node) -> Node:
    return arcsinh_graph((x - state.centre) / (SOFT * state.unit)) * SOFT


def _leading(symmetric: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k greatest eigenvalues, >= 0, with their vectors as columns."""
    n = len(symmetric)
    values, vectors = eigh(symmetric, subset_by_index=(n - k, n - 1))
    return np.maximum(values, 0.0), vectors
