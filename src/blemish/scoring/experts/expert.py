"""What an expert is: a simple classifier, or outlier score, on one feature set, which it may standardise."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from blemish.core.graph import Exportable, Node
from blemish.core.state import Learns, Learnt, State, Stored, need

Features = Float[np.ndarray, "row feature"]
Flags = Bool[np.ndarray, " row"]
Kinds = Int[np.ndarray, " row"]
Numbers = Float[np.ndarray, " row"]
RIVAL_SHARE = 0.1
"""Weight of another kind of defect among the rows that a kind stands against, as a fraction of the kind's own."""
MAX_DEVIATION = 10.0
"""Standard deviations at which a feature is cut: one extreme value must not outweigh all others."""


def against(kind: Kinds, k: int, weight: Numbers) -> Numbers:
    """Weights of the rows where one kind stands against all others."""
    return np.where((kind > 0) & (kind != k), RIVAL_SHARE * weight, weight)


class Expert(Learns[Learnt], ABC):
    """Labelled defects against everything else, from a handful of labels; subclasses are frozen dataclasses of choices.

    Attributes:
        state: The class of what `fit` learns; without one a part cannot be stored.
        uses_labels: Whether it is supervised; an unsupervised expert scores how unusual a row is.
    """

    uses_labels: ClassVar[bool] = True

    @property
    def given(self) -> Mapping[str, bool]:
        """Which optional fields of its state `fit` learns, and which it does not, with these options."""
        return {}

    def read(self, stored: Stored, width: int) -> Learnt:
        """What `fit` learnt from features of a width, from a file: raises ArtifactError if it cannot be that."""
        return self.state.read(stored, self.given, feature=width)

    @abstractmethod
    def fit(self, x: Features, is_defect: Flags, weight: Numbers, seed: int) -> Learnt:
        """Learn from rows of which some are labelled defects.

        Args:
            x: Features, finite, shape (row, feature).
            is_defect: Labelled as the defect, shape (row,).
            weight: What a mistake on each row costs, > 0, shape (row,).
            seed: Source of all randomness.
        """

    def fit_kinds(self, x: Any, kind: Kinds, weight: Numbers, seed: int) -> tuple[Learnt, ...]:
        """What `fit` learns of each kind of defect against all other rows.

        Args:
            x: See `fit`; of experts on parts, these.
            kind: 1, 2, … for the rows labelled as each kind, 0 for all others, shape (row,).
            weight: See `fit`; where all kinds are learnt at once.
            seed: See `fit`.
        """
        return tuple(self.fit(x, kind == k, against(kind, k, weight), seed) for k in range(1, kind.max() + 1))

    @abstractmethod
    def score(self, state: Learnt, x: Features) -> Numbers:
        """How much like the labelled defects, higher = more, on a scale of the expert's own; shape (row,)."""


class ExportableExpert(Expert[Learnt], Exportable):
    """An expert that can be written as part of an ONNX graph."""

    @abstractmethod
    def graph(self, state: Learnt, x: Node) -> Node:
        """`score` as part of an ONNX graph, from and to float64."""


@dataclass(frozen=True)
class Nothing(State):
    """What an expert learns that has nothing to learn."""


@dataclass(frozen=True)
class Value(ExportableExpert[Nothing]):
    """The mean of the features as they are; unsupervised.

    For a feature set that is a score already, such as the reconstruction error.
    """

    state = Nothing
    uses_labels: ClassVar[bool] = False

    def fit(self, x: Features, is_defect: Flags, weight: Numbers, seed: int) -> Nothing:
        """Nothing to learn; see `Expert`."""
        return Nothing()

    def score(self, state: Nothing, x: Features) -> Numbers:
        """The mean."""
        return x.mean(axis=1, dtype=np.float64)

    def graph(self, state: Nothing, x: Node) -> Node:
        """See `ExportableExpert`."""
        return x.reduce("Mean", 1)


@dataclass(frozen=True)
class Scaling(State):
    """Mean and standard deviation of each feature, 1 where that is 0."""

    centre: Float64[np.ndarray, " feature"]
    scale: Float64[np.ndarray, " feature"]

    def check(self) -> None:
        """See `State`."""
        need(self.scale > 0, "a scale is not above 0")

    def __getitem__(self, features: slice) -> "Scaling":
        """The scaling of some of the features."""
        return Scaling(self.centre[features], self.scale[features])


def fit_scaling(x: Features) -> Scaling:
    """See `Scaling`."""
    scale = x.std(axis=0, dtype=np.float64)
    centre = x.mean(axis=0, dtype=np.float64)
    return Scaling(centre, np.where(scale > 1e-9 * np.maximum(1, np.abs(centre)), scale, 1.0))


def scaled(scaling: Scaling | None, x: Features) -> Features:
    """In units of each feature's own standard deviation, and cut; unchanged without a scaling."""
    if scaling is None:
        return x
    return np.clip((x - scaling.centre) / scaling.scale, -MAX_DEVIATION, MAX_DEVIATION)


def scaled_graph(scaling: Scaling | None, x: Node) -> Node:
    """`scaled` as part of an ONNX graph."""
    if scaling is None:
        return x
    return ((x - scaling.centre) / scaling.scale).op("Clip", -MAX_DEVIATION, MAX_DEVIATION)
