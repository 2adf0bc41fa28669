"""A view that is a score already, such as the reconstruction error."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float

from blemish.experts.protocol import State
from blemish.graph import Node


@dataclass(frozen=True)
class Value:
    """The mean of the features as they come; it looks at no label."""

    uses_labels: ClassVar[bool] = False

    def fit(
        self,
        x: Float[np.ndarray, "row feature"],  # noqa: ARG002
        is_defect: Bool[np.ndarray, " row"],  # noqa: ARG002
        weight: Float[np.ndarray, " row"],  # noqa: ARG002
        seed: int,  # noqa: ARG002
    ) -> State:
        """Nothing to learn; see `Expert`."""
        return {}

    def score(self, state: State, x: Float[np.ndarray, "row feature"]) -> Float[np.ndarray, " row"]:  # noqa: ARG002
        """The mean."""
        return x.mean(axis=1, dtype=np.float64)

    def graph(self, state: State, x: Node) -> Node:  # noqa: ARG002
        """`score` as part of an ONNX graph."""
        return x.reduce("Mean", 1)
