"""How far from the middle? Distance to the geometric median."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float

from blemish.experts.protocol import State
from blemish.experts.scaling import fit_scaling, scaled

N_ROUNDS = 30


def geometric_median(x: Float[np.ndarray, "row feature"]) -> Float[np.ndarray, " feature"]:
    r"""The point with the least sum of distances to the rows, by Weiszfeld's iteration from the median.

    .. math:: m \leftarrow \sum_i x_i / \lVert x_i - m \rVert \Big/ \sum_i 1 / \lVert x_i - m \rVert

    Reference:
        Weiszfeld, "Sur le point pour lequel la somme des distances de n points donnés est minimum", 1937.
    """
    middle = np.median(x, axis=0)
    for _ in range(N_ROUNDS):
        inverse = 1.0 / np.maximum(np.sqrt(np.square(x - middle).sum(axis=1)), 1e-9)
        middle = inverse @ x / inverse.sum()
    return middle


@dataclass(frozen=True)
class Distance:
    """Euclidean distance to the geometric median; it looks at no label.

    Half of the rows may be outliers without moving the middle far. Not for normals that form several clusters.

    Attributes:
        standardise: Divide each feature by its standard deviation first.
    """

    standardise: bool = True
    uses_labels: ClassVar[bool] = False

    def fit(
        self,
        x: Float[np.ndarray, "row feature"],
        is_defect: Bool[np.ndarray, " row"],
        weight: Float[np.ndarray, " row"],  # noqa: ARG002
        seed: int,  # noqa: ARG002
    ) -> State:
        """Find the middle; see `Expert`."""
        scaling = fit_scaling(x[~is_defect]) if self.standardise else {}
        return {**scaling, "middle": geometric_median(scaled(scaling, x[~is_defect]).astype(np.float64))}

    def score(self, state: State, x: Float[np.ndarray, "row feature"]) -> Float[np.ndarray, " row"]:
        """Distance, >= 0."""
        return np.sqrt(np.square(scaled(state, x) - state["middle"]).sum(axis=1, dtype=np.float64))
