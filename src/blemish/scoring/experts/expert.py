"""What an expert is: a simple classifier, or outlier score, on one feature set."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float

from blemish.core.graph import Exportable, Node
from blemish.scoring.evidence import State

Features = Float[np.ndarray, "row feature"]
Flags = Bool[np.ndarray, " row"]
Numbers = Float[np.ndarray, " row"]


class Expert(ABC):
    """Labelled defects against everything else, from a handful of labels; subclasses are frozen dataclasses of choices.

    Attributes:
        uses_labels: Whether it is supervised; an unsupervised expert scores how unusual a row is.
    """

    uses_labels: ClassVar[bool] = True

    @abstractmethod
    def fit(self, x: Features, is_defect: Flags, weight: Numbers, seed: int) -> State:
        """Learn from rows of which some are labelled defects.

        Args:
            x: Features, finite, shape (row, feature).
            is_defect: Labelled as the defect, shape (row,).
            weight: What a mistake on each row costs, > 0, shape (row,).
            seed: Source of all randomness.

        Returns:
            Everything that was learnt, as named arrays.
        """

    @abstractmethod
    def score(self, state: State, x: Features) -> Numbers:
        """How much like the labelled defects, higher = more, on a scale of the expert's own; shape (row,)."""


class ExportableExpert(Expert, Exportable):
    """An expert that can be written as part of an ONNX graph."""

    @abstractmethod
    def graph(self, state: State, x: Node) -> Node:
        """`score` as part of an ONNX graph.

        Args:
            state: What `fit` learnt.
            x: Shape (row, feature), float64.

        Returns:
            Shape (row,), float64.
        """
