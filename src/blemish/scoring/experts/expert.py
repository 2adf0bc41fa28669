"""What an expert has to offer: an opinion from one view of the data."""

from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from blemish.core.graph import Node

State = dict[str, np.ndarray]


@runtime_checkable
class Expert(Protocol):
    """Labelled defects against everything else, from a handful of labels; a frozen dataclass of choices.

    Attributes:
        uses_labels: Whether the labels matter; an expert without them says how unusual a row is.
    """

    uses_labels: ClassVar[bool]

    def fit(
        self,
        x: Float[np.ndarray, "row feature"],
        is_defect: Bool[np.ndarray, " row"],
        weight: Float[np.ndarray, " row"],
        seed: int,
    ) -> State:
        """Learn from rows of which some are labelled defects.

        Args:
            x: Features, finite.
            is_defect: Labelled as the defect.
            weight: What a mistake on each row costs, > 0.
            seed: Source of all randomness.

        Returns:
            All that was learnt, as named arrays.
        """
        ...

    def score(self, state: State, x: Float[np.ndarray, "row feature"]) -> Float[np.ndarray, " row"]:
        """How much like the labelled defects, higher = more, on a scale of the expert's own."""
        ...

    def graph(self, state: State, x: Node) -> Node:
        """`score` as part of an ONNX graph.

        Args:
            state: What `fit` learnt.
            x: Shape (row, feature), float64.

        Returns:
            Shape (row,), float64.
        """
        ...
