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
    """Directions of one feature set.

    Attributes:
        centre: Mean of the feature set.
        directions: As columns, each in the unit of length along it.
    """

    centre: Float[np.ndarray, " feature"]
    directions: Float[np.ndarray, "feature direction"]

    def place(self, x: Float[np.ndarray, "row feature"]) -> Float[np.ndarray, "row direction"]:
        """Samples along the directions; NaN rows stay NaN."""
        return (x - self.centre) @ self.directions


def fit_axes(x: Float[np.ndarray, "row feature"]) -> Axes:
    """Directions in which the standardised columns of a feature set vary most; rows with NaN are left out.

    Along them, a sample's mean squared distance from the centre is 1.
    """
    x = x[:: max(1, -(-len(x) // MAX_FITTED))].astype(np.float64)
    x = x[np.isfinite(x).all(axis=1)]
    centre, spread = x.mean(axis=0), x.std(axis=0)
    weight = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 1e-9)
    _, lengths, directions = np.linalg.svd((x - centre) * weight, full_matrices=False)
    size = max(float(np.sqrt(np.square(lengths[:DIRECTIONS]).sum() / max(len(x), 1))), 1e-12)
    return Axes(centre, (directions[:DIRECTIONS] * weight).T / size)


def fit_plane(codes: Float[np.ndarray, "row latent"]) -> Axes:
    """The first two principal axes of codes, for the map; rows with NaN are left out, an axis that is missing is 0."""
    known = codes[~np.isnan(codes).any(axis=1)]
    centre = known.mean(axis=0)
    directions = np.linalg.svd(known - centre, full_matrices=False)[2][:2]
    return Axes(centre, np.vstack([directions, np.zeros((2 - len(directions), codes.shape[1]))]).T)


def _feature_sets(found: "Scores") -> Mapping[str, np.ndarray]:
    return {**found.feature_sets, "code": found.codes}


def fit_embedding(found: "Scores") -> dict[str, Axes]:
    """Axes of every feature set and of the code, fitted to the scores of some samples."""
    return {name: fit_axes(x) for name, x in _feature_sets(found).items()}


def embed(found: "Scores", axes: Mapping[str, Axes]) -> Float[np.ndarray, "row direction"]:
    """Samples along all axes from `fit_embedding` of the same model; NaN where one could not be read."""
    sets = _feature_sets(found)
    return np.hstack([one.place(sets[name]).astype(np.float32) for name, one in axes.items()])
