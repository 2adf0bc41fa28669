"""Embedding of all samples for suggestions: their feature sets side by side, each scaled to the same variance.

The network's code alone will not do: it keeps what the network needs to reconstruct a sample, and on pictures that is
not what tells one kind of defect from another.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:
    from blemish.scoring.scorer import Scores

DIRECTIONS = 32
"""Per feature set, at most."""
MAX_FITTED = 2000
"""Samples that directions are fitted to; of more, evenly spaced ones."""


@dataclass(frozen=True, eq=False)
class Axes:
    """Principal directions of one feature set.

    Attributes:
        centre: Mean of the feature set.
        directions: In units in which a sample's mean squared distance from the centre is 1.
    """

    centre: Float[np.ndarray, " feature"]
    directions: Float[np.ndarray, "feature direction"]


def fit_axes(x: Float[np.ndarray, "row feature"]) -> Axes:
    """Directions in which the standardised columns of a feature set vary most.

    Args:
        x: The feature set; rows with NaN are left out.
    """
    x = x[:: max(1, -(-len(x) // MAX_FITTED))].astype(np.float64)
    x = x[np.isfinite(x).all(axis=1)]
    centre, spread = x.mean(axis=0), x.std(axis=0)
    weight = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 1e-9)
    _, lengths, directions = np.linalg.svd((x - centre) * weight, full_matrices=False)
    size = max(float(np.sqrt(np.square(lengths[:DIRECTIONS]).sum() / max(len(x), 1))), 1e-12)
    return Axes(centre, (directions[:DIRECTIONS] * weight).T / size)


def _feature_sets(found: "Scores") -> Mapping[str, np.ndarray]:
    return {**found.feature_sets, "code": found.codes}


def fit_embedding(found: "Scores") -> dict[str, Axes]:
    """Axes of every feature set and of the code.

    Args:
        found: One model's assessment of some samples.
    """
    return {name: fit_axes(x) for name, x in _feature_sets(found).items()}


def embed(found: "Scores", axes: Mapping[str, Axes]) -> Float[np.ndarray, "row direction"]:
    """Samples along all axes; NaN where one could not be read.

    Args:
        found: The same model's assessment of samples.
        axes: From `fit_embedding`.
    """
    sets = _feature_sets(found)
    return np.hstack([((sets[name] - one.centre) @ one.directions).astype(np.float32) for name, one in axes.items()])
