"""A mixture of three groups: the normals, the labelled defects, and a broad background for any other outlier.

All densities live in *whitened* space, in which the normals have mean 0 and unit covariance.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int
from sklearn.covariance import ledoit_wolf

from blemish.core.graph import Node
from blemish.core.labels import DEFECT, is_ordinary, is_other
from blemish.core.state import State
from blemish.scoring.scorer import Values

PRIOR = {"normal": 0.90, "other": 0.07, "defect": 0.03}
"""Assumed fractions of the groups: labelled defects are not a random sample, so they cannot tell (decisions.md 33)."""

BREADTH = 4.0
"""Standard deviation of the background, in units of that of the normals."""

WIDTHS = (0.25, 0.5, 1.0)
"""Widths of the kernels in the same units: a handful of labels cannot tell how far new defects lie from labelled ones,
so each counts equally (decisions.md 59). Narrower ones would amplify the last digits of float32."""


@dataclass(frozen=True)
class Whitening(State):
    """Centre and matrix that bring the normals to mean 0 and unit covariance."""

    centre: Float64[np.ndarray, " feature"]
    whiten: Float64[np.ndarray, "feature feature"]


@dataclass(frozen=True)
class Mixture(State):
    """The whitening, and the labelled rows in whitened space."""

    may_be_empty = ("defect", "other")

    whitening: Whitening
    defects: Float64[np.ndarray, "defect feature"]
    others: Float64[np.ndarray, "other feature"]


def fit_whitening(features: Float[np.ndarray, "row feature"]) -> Whitening:
    """Centre and matrix that make the rows' covariance the identity.

    The covariance is shrunk towards a multiple of the identity, by less the more rows there are; there is at least one.

    Reference:
        Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", 2004.
    """
    centre = np.median(features, axis=0)
    unit = np.maximum(features.std(axis=0), 1e-6)
    if len(features) < 2:
        return Whitening(centre, np.eye(len(centre)))
    covariance, _ = ledoit_wolf((features - centre) / unit, assume_centered=True)
    values, vectors = np.linalg.eigh(covariance)
    return Whitening(centre, vectors / np.sqrt(np.maximum(values, 1e-6)) / unit[:, None])


def whitened(state: Whitening, features: Values) -> Values:
    """Features, shape (row, feature), in units of the normals' spread."""
    return (features - state.centre) @ state.whiten


def squared_lengths(u: Float[np.ndarray, "row feature"]) -> Float[np.ndarray, " row"]:
    """Sum of the squares of each row; `sum(axis=1)` takes ten times as long where rows are short."""
    return np.einsum("rf,rf->r", u, u)


def log_sum_exp(parts: Float[np.ndarray, "part row"]) -> Float[np.ndarray, " row"]:
    """Log of the sum of exponentials over the first axis; at least one part is finite.

    Example:
        >>> log_sum_exp(np.log([[1.0], [2.0]])).round(6) == np.log(3.0).round(6)
        array([ True])
    """
    top = parts.max(axis=0)
    return top + np.log(np.exp(parts - top).sum(axis=0))


def posterior(joint: Float[np.ndarray, "row group"]) -> Float[np.ndarray, "row group"]:
    """Joint log-densities as probabilities: rows sum to 1."""
    parts = joint.T
    found = np.exp(parts - parts.max(axis=0))
    found /= found.sum(axis=0)
    return found.T


def log_normal(u: Float[np.ndarray, "row feature"], stdev: float = 1.0) -> Float[np.ndarray, " row"]:
    r"""Log-density of N(0, s²) in every direction, up to the constant that all densities share.

    .. math:: -\lVert u \rVert^2 / 2 s^2 - D \log s
    """
    return (-0.5 / stdev**2) * squared_lengths(u) - u.shape[1] * np.log(stdev)


def log_kernels(
    u: Float[np.ndarray, "row feature"], points: Float[np.ndarray, "point feature"]
) -> Float[np.ndarray, " row"]:
    r"""Log of the mean of Gaussian kernels of all `WIDTHS` at the points, up to the shared constant.

    .. math:: \log \tfrac1{m |H|} \sum_{h \in H} \sum_d \exp(-\lVert u - u_d \rVert^2 / 2 h^2 - D \log h)

    Reference:
        Parzen, "On estimation of a probability density function and mode", 1962, of a mixture of widths.
    """
    squared = np.stack([squared_lengths(u - point) for point in points])
    kernels = [log_sum_exp((-0.5 / width**2) * squared) - u.shape[1] * np.log(width) for width in WIDTHS]
    return log_sum_exp(np.stack(kernels)) - np.log(len(points) * len(WIDTHS))


def log_joint(
    u: Float[np.ndarray, "row feature"],
    defects: Float[np.ndarray, "defect feature"],
    others: Float[np.ndarray, "other feature"],
) -> Float[np.ndarray, "row 3"]:
    """Log of prior times density of normal, other and defect; -inf for the defect where none is labelled."""
    broad = log_normal(u, BREADTH)
    if len(others):
        broad = np.logaddexp(broad, log_kernels(u, others)) - np.log(2)
    like_defect = log_kernels(u, defects) if len(defects) else np.full(len(u), -np.inf)
    densities = (log_normal(u), broad, like_defect)
    return np.stack([one + np.log(prior) for one, prior in zip(densities, PRIOR.values(), strict=True)]).T


def fit_mixture(features: Float[np.ndarray, "row feature"], group: Int[np.ndarray, " row"]) -> Mixture:
    """Whiten by the ordinary rows, at least one, and keep where the labelled ones lie: for `mixture_log_joint`."""
    whitening = fit_whitening(features[is_ordinary(group)])
    u = whitened(whitening, features)
    return Mixture(whitening, u[group == DEFECT], u[is_other(group)])


def mixture_log_joint(state: Mixture, features: Float[np.ndarray, "row feature"]) -> Float[np.ndarray, "row 3"]:
    """`log_joint` of features by what `fit_mixture` learnt."""
    return log_joint(whitened(state.whitening, features), state.defects, state.others)


def mixture_log_joint_graph(state: Mixture, features: Node) -> list[Node]:
    """`mixture_log_joint` as part of an ONNX graph, in the parts of `log_joint_graph`."""
    return log_joint_graph(whitened(state.whitening, features), state.defects, state.others)


def log_joint_graph(
    u: Node,
    defects: Float[np.ndarray, "defect feature"],
    others: Float[np.ndarray, "other feature"],
) -> list[Node]:
    """`log_joint` as part of an ONNX graph: normal, other, and defect where any is labelled; each (row, 1)."""
    width = defects.shape[1]

    def normal(stdev: float) -> Node:
        return (u * u).reduce("Sum", 1, keepdims=True) * (-0.5 / stdev**2) - width * np.log(stdev)

    def kernels(points: np.ndarray) -> Node:
        away = u.expand_dims(1) - points
        squared = (away * away).reduce("Sum", 2)
        each = [squared * (-0.5 / size**2) - width * np.log(size) for size in WIDTHS]
        return u.graph.concat(each, axis=1).reduce("LogSumExp", 1, keepdims=True) - np.log(len(points) * len(WIDTHS))

    broad = normal(BREADTH)
    if len(others):
        broad = u.graph.concat([broad, kernels(others)], axis=1).reduce("LogSumExp", 1, keepdims=True) - np.log(2)
    parts = [normal(1.0) + np.log(PRIOR["normal"]), broad + np.log(PRIOR["other"])]
    return [*parts, kernels(defects) + np.log(PRIOR["defect"])] if len(defects) else parts


def posterior_graph(joint: list[Node]) -> Node:
    """The parts of `log_joint_graph` as probabilities, shape (row, 3); 0 for the defect where none is labelled."""
    posterior = joint[0].graph.concat(joint, axis=1).op("Softmax", axis=1)
    return posterior if len(joint) == 3 else posterior.op("Pad", np.array([0, 0, 0, 1]), 0.0)
