"""A view that is a score already, such as the reconstruction error."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float

from blemish.core.graph import Node
from blemish.scoring.experts.expert import State


@dataclass(frozen=True)
class Value:
    """The mean of the features as they come; it looks at no label."""

    uses_labels: ClassVar[bool] = False

    def fit(
        self,
        x: Float[np.ndarray, "row feature"],
        is_defect: Bool[np.ndarray, " row"],
        weight: Float[np.ndarray, " row"],
        seed: int,
    ) -> State:
        """Nothing to learn; see `Expert`."""
        return {}

    def score(self, state: State, x: Float[np.ndarray, "row feature"]) -> Float[np.ndarray, " row"]:
        """The mean."""
        return x.mean(axis=1, dtype=np.float64)

    def graph(self, state: State, x: Node) -> Node:
        """`score` as part of an ONNX graph."""
        return x.reduce("Mean", 1)
