"""What an expert is: a simple classifier, or outlier score, on one feature set, which it may standardise."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float

from blemish.core.graph import Exportable, Node
from blemish.scoring.scorer import State

Features = Float[np.ndarray, "row feature"]
Flags = Bool[np.ndarray, " row"]
Numbers = Float[np.ndarray, " row"]
MAX_DEVIATION = 10.0
"""Standard deviations at which a feature is cut: one extreme value must not outweigh all others."""


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
        """`score` as part of an ONNX graph, from and to float64."""


@dataclass(frozen=True)
class Value(ExportableExpert):
    """The mean of the features as they are; unsupervised.

    For a feature set that is a score already, such as the reconstruction error.
    """

    uses_labels: ClassVar[bool] = False

    def fit(self, x: Features, is_defect: Flags, weight: Numbers, seed: int) -> State:
        """Nothing to learn; see `Expert`."""
        return {}

    def score(self, state: State, x: Features) -> Numbers:
        """The mean."""
        return x.mean(axis=1, dtype=np.float64)

    def graph(self, state: State, x: Node) -> Node:
        """See `ExportableExpert`."""
        return x.reduce("Mean", 1)


def fit_scaling(x: Features) -> State:
    """'centre' and 'scale' (feature,): mean and standard deviation, 1 where that is 0."""
    scale = x.std(axis=0, dtype=np.float64)
    centre = x.mean(axis=0, dtype=np.float64)
    return {"centre": centre, "scale": np.where(scale > 1e-9 * np.maximum(1, np.abs(centre)), scale, 1.0)}


def scaled(state: State, x: Features) -> Features:
    """In units of each feature's own standard deviation, and cut; unchanged where the state has no scaling."""
    if "centre" not in state:
        return x
    return np.clip((x - state["centre"]) / state["scale"], -MAX_DEVIATION, MAX_DEVIATION)


def scaled_graph(state: State, x: Node) -> Node:
    """`scaled` as part of an ONNX graph."""
    if "centre" not in state:
        return x
    return ((x - state["centre"]) / state["scale"]).op("Clip", -MAX_DEVIATION, MAX_DEVIATION)
