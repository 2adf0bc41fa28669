"""Where each sample lies among the others, for suggestions: all that is said of it side by side, each view as loud.

The code of the network alone will not do: it keeps what the network needs to draw a sample again, and on pictures that
is not what tells one kind of defect from another.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from blemish.scoring.scorer import Scores

DIRECTIONS = 32
"""Of each view, at most."""
MOST_LEARNT = 2000
"""Samples that directions are learnt from; of more, evenly some."""


@dataclass(frozen=True, eq=False)
class Axes:
    """Principal directions of one view.

    Attributes:
        centre: Mean of the view.
        directions: In units in which a sample's squared distance from the centre is 1 on average.
    """

    centre: Float[np.ndarray, " feature"]
    directions: Float[np.ndarray, "feature direction"]


def learn_axes(x: Float[np.ndarray, "row feature"]) -> Axes:
    """Directions in which the standardised columns of a view vary most.

    Args:
        x: The view; rows with NaN are left out.
    """
    x = x[:: max(1, -(-len(x) // MOST_LEARNT))].astype(np.float64)
    x = x[np.isfinite(x).all(axis=1)]
    centre, spread = x.mean(axis=0), x.std(axis=0)
    weight = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 1e-9)
    _, lengths, directions = np.linalg.svd((x - centre) * weight, full_matrices=False)
    size = max(float(np.sqrt(np.square(lengths[:DIRECTIONS]).sum() / max(len(x), 1))), 1e-12)
    return Axes(centre, (directions[:DIRECTIONS] * weight).T / size)


def _views(found: Scores) -> Mapping[str, np.ndarray]:
    return {**found.feature_sets, "code": found.codes}


def learn_looks(found: Scores) -> dict[str, Axes]:
    """Axes of every view and of the code.

    Args:
        found: What a model says of some samples.
    """
    return {name: learn_axes(x) for name, x in _views(found).items()}


def looks(found: Scores, axes: Mapping[str, Axes]) -> Float[np.ndarray, "row look"]:
    """Samples along all axes, NaN where one could not be read.

    Args:
        found: What the same model says of samples.
        axes: From `learn_looks`.
    """
    views = _views(found)
    return np.hstack([((views[name] - one.centre) @ one.directions).astype(np.float32) for name, one in axes.items()])
