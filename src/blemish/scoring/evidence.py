"""What a scorer sees of each row, and what it has to offer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int

from blemish.core.errors import ConfigError
from blemish.core.graph import Node

OF_THE_NETWORK = frozenset({"code", "error"})  # views that need no modality
State = dict[str, np.ndarray]
"""All that a scorer learnt, as named float64 arrays: what a model file stores."""


@dataclass(frozen=True)
class Evidence:
    """The network's view of some rows.

    Attributes:
        z: Codes, shape (row, latent), float64.
        error: Reconstruction error, shape (row,), float64, >= 0.
        features: What the modality says of each row beside the network, by view, each (row, feature), float32.
    """

    z: Float[np.ndarray, "row latent"]
    error: Float[np.ndarray, " row"]
    features: Mapping[str, Float[np.ndarray, "row feature"]] = field(default_factory=dict)

    def view(self, name: str) -> Float[np.ndarray, "row feature"]:
        """One view of the rows; 'code' is the code with the log error, 'error' the log error alone.

        Args:
            name: Several views side by side are joined by '+', such as 'texture+pixels'.

        Raises:
            ConfigError: If the data have no such view.
        """
        if "+" in name:
            return np.hstack([self.view(one) for one in name.split("+")])
        if name == "code":
            return np.column_stack([self.z, np.log(self.error + 1e-12)])
        if name == "error":
            return np.log(self.error + 1e-12)[:, None]
        if name not in self.features:
            raise ConfigError(
                f"there is no view {name!r}; these data have {', '.join(['code', 'error', *self.features])}"
            )
        return self.features[name]

    def __getitem__(self, rows: Bool[np.ndarray, " row"] | Int[np.ndarray, " some"]) -> "Evidence":
        """Some of the rows."""
        return Evidence(self.z[rows], self.error[rows], {name: x[rows] for name, x in self.features.items()})

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.error)


@dataclass(frozen=True)
class EvidenceNodes:
    """`Evidence` as part of an ONNX graph.

    Attributes:
        z: Codes, shape (row, latent), float64.
        error: Reconstruction error, shape (row,), float64.
        features: By view, each (row, feature), float64.
    """

    z: Node
    error: Node
    features: Mapping[str, Node] = field(default_factory=dict)

    def view(self, name: str) -> Node:
        """One view of the rows; see `Evidence.view`."""
        graph = self.z.graph
        if "+" in name:
            return graph.concat([self.view(one) for one in name.split("+")], axis=1)
        if name == "code":
            return graph.concat([self.z, self.view("error")], axis=1)
        if name == "error":
            return (self.error + 1e-12).op("Log").expand_dims(1)
        return self.features[name]


@dataclass(frozen=True)
class ScoreNodes:
    """What a scorer says of each row, as part of an ONNX graph.

    Attributes:
        outlier: Shape (row,), float64.
        defect: Shape (row,), float64; None without labelled defects.
        probabilities: Of normal, other and defect, shape (row, 3), float64.
    """

    outlier: Node
    defect: Node | None
    probabilities: Node


@dataclass(frozen=True)
class Scores:
    """All that a scorer says of some rows.

    Attributes:
        outlier: How unusual, shape (row,).
        defect: How much like the labelled defects, shape (row,); None where none was labelled.
        probabilities: Of normal, other and defect, shape (row, 3).
    """

    outlier: Float[np.ndarray, " row"]
    defect: Float[np.ndarray, " row"] | None
    probabilities: Float[np.ndarray, "row 3"]


@runtime_checkable
class Scorer(Protocol):
    """Pure functions of evidence and of what `fit` learnt; a frozen dataclass of choices.

    Attributes:
        contrast: Loss terms that the default objective gains, because the score reads the latent space.
    """

    contrast: ClassVar[tuple[str, ...]]

    def fit(self, evidence: Evidence, group: Int[np.ndarray, " row"], seed: int = 0) -> State:
        """Learn where the groups lie; works with any of them absent but the normals."""
        ...

    def known_scores(
        self, state: State, evidence: Evidence, group: Int[np.ndarray, " row"]
    ) -> Float[np.ndarray, " defect"]:
        """Defect score of each labelled defect by a scorer that has not seen it; empty for a single one.

        Args:
            state: What `fit` learnt from the same rows.
            evidence: The rows.
            group: Their groups.
        """
        ...

    def outlier_score(self, state: State, evidence: Evidence) -> Float[np.ndarray, " row"]:
        """How unusual, higher = more."""
        ...

    def defect_score(self, state: State, evidence: Evidence) -> Float[np.ndarray, " row"]:
        """How much like the labelled defects, higher = more."""
        ...

    def probabilities(self, state: State, evidence: Evidence) -> Float[np.ndarray, "row 3"]:
        """Of normal, other and defect; rows sum to 1."""
        ...

    def graph(self, state: State, evidence: EvidenceNodes, *, labelled: bool) -> ScoreNodes:
        """All three as part of an ONNX graph.

        Args:
            state: What `fit` learnt.
            evidence: The rows.
            labelled: Whether defects were labelled.
        """
        ...


def views_of(scorer: Scorer) -> list[str]:
    """Views of the modality that a scorer looks at, by name; not the network's own, 'code' and 'error'."""
    asked: Mapping[str, object] = getattr(scorer, "experts", {})
    return sorted({one for names in asked for one in names.split("+")} - OF_THE_NETWORK)


def all_scores(scorer: Scorer, state: State, evidence: Evidence, *, labelled: bool) -> Scores:
    """All scores of some rows, by a scorer's own `scores` where it shares work between them.

    Args:
        scorer: Any.
        state: What it learnt.
        evidence: The rows.
        labelled: Whether it learnt from defects.
    """
    together = getattr(scorer, "scores", None)
    if together is not None:
        return together(state, evidence)
    defect = scorer.defect_score(state, evidence) if labelled else None
    return Scores(scorer.outlier_score(state, evidence), defect, scorer.probabilities(state, evidence))
