"""What a scorer is: pure functions from evidence to scores."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int

from blemish.core.graph import Exportable, Node
from blemish.scoring.evidence import OF_THE_NETWORK, Evidence, EvidenceNodes, State


@dataclass(frozen=True)
class Scores:
    """The scores of some rows, in their order; NaN where a sample cannot be read.

    Attributes:
        outlier: How unusual, shape (row,).
        defect: How much like the labelled defects, shape (row,); None where none is labelled.
        probabilities: Of normal, other and defect, shape (row, 3).
        codes: Shape (row, latent); (0, 0) where they were not asked for.
        feature_sets: What the modality computes in addition to the network, by name, each (row, feature); empty where
            they were not asked for.
    """

    outlier: Float[np.ndarray, " row"]
    defect: Float[np.ndarray, " row"] | None
    probabilities: Float[np.ndarray, "row 3"]
    codes: Float[np.ndarray, "coded latent"] = field(default_factory=lambda: np.empty((0, 0)))
    feature_sets: Mapping[str, Float[np.ndarray, "row feature"]] = field(default_factory=dict)

    @property
    def views(self) -> Mapping[str, Float[np.ndarray, "row feature"]]:
        """The former name of `feature_sets`."""
        return self.feature_sets


@dataclass(frozen=True)
class ScoreNodes:
    """`Scores` as part of an ONNX graph.

    Attributes:
        outlier: Shape (row,), float64.
        defect: Shape (row,), float64; None without labelled defects.
        probabilities: Of normal, other and defect, shape (row, 3), float64.
    """

    outlier: Node
    defect: Node | None
    probabilities: Node


class Scorer(ABC):
    """Pure functions of evidence and of what `fit` learnt; subclasses are frozen dataclasses of choices.

    Attributes:
        contrast: Loss terms that the default objective gains, because the score reads the latent space.
    """

    contrast: ClassVar[tuple[str, ...]] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the feature sets that the scorer reads, several joined by '+'."""
        return ()

    @property
    def feature_sets(self) -> list[str]:
        """The feature sets of the modality among them, sorted; 'code' and 'error' are the network's."""
        return sorted({one for names in self.sources for one in names.split("+")} - OF_THE_NETWORK)

    @abstractmethod
    def fit(self, evidence: Evidence, group: Int[np.ndarray, " row"], seed: int = 0) -> State:
        """Learn where the groups lie; any group may be absent except the normals."""

    @abstractmethod
    def out_of_fold_scores(
        self, state: State, evidence: Evidence, group: Int[np.ndarray, " row"]
    ) -> Float[np.ndarray, " defect"]:
        """Defect score of each labelled defect by a scorer that was fitted without it; empty for a single one.

        Args:
            state: What `fit` learnt from the same rows.
            evidence: The rows.
            group: Their groups.
        """

    @abstractmethod
    def outlier_score(self, state: State, evidence: Evidence) -> Float[np.ndarray, " row"]:
        """How unusual, higher = more."""

    @abstractmethod
    def defect_score(self, state: State, evidence: Evidence) -> Float[np.ndarray, " row"]:
        """How much like the labelled defects, higher = more."""

    @abstractmethod
    def probabilities(self, state: State, evidence: Evidence) -> Float[np.ndarray, "row 3"]:
        """Of normal, other and defect; rows sum to 1."""

    def scores(self, state: State, evidence: Evidence, *, labelled: bool) -> Scores:
        """All three; a scorer that can share work between them does so here.

        Args:
            state: What `fit` learnt.
            evidence: The rows.
            labelled: Whether defects were labelled.
        """
        defect = self.defect_score(state, evidence) if labelled else None
        return Scores(self.outlier_score(state, evidence), defect, self.probabilities(state, evidence))


class ExportableScorer(Scorer, Exportable):
    """A scorer that can be written as part of an ONNX graph."""

    @abstractmethod
    def graph(self, state: State, evidence: EvidenceNodes, *, labelled: bool) -> ScoreNodes:
        """All three scores as part of an ONNX graph.

        Args:
            state: What `fit` learnt.
            evidence: The rows.
            labelled: Whether defects were labelled.
        """
