"""What a scorer sees of each row, and what it has to offer."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int

State = dict[str, np.ndarray]
"""All that a scorer learnt, as named float64 arrays: what a model file stores."""


@dataclass(frozen=True)
class Evidence:
    """The network's view of some rows.

    Attributes:
        z: Codes, shape (row, latent), float64.
        error: Reconstruction error, shape (row,), float64, >= 0.
    """

    z: Float[np.ndarray, "row latent"]
    error: Float[np.ndarray, " row"]

    def __getitem__(self, rows: Bool[np.ndarray, " row"] | Int[np.ndarray, " some"]) -> "Evidence":
        """Some of the rows."""
        return Evidence(self.z[rows], self.error[rows])

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.error)


@runtime_checkable
class Scorer(Protocol):
    """Pure functions of evidence and of what `fit` learnt; a frozen dataclass of choices."""

    def fit(self, evidence: Evidence, group: Int[np.ndarray, " row"]) -> State:
        """Learn where the groups lie; works with any of them absent but the normals."""
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
