"""What a scorer knows about each row: its code, its reconstruction error and the feature sets of its modality."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int

from blemish.core.errors import ConfigError
from blemish.core.graph import Node

OF_THE_NETWORK = frozenset({"code", "error"})  # feature sets that need no modality
LOG_OFFSET = 1e-12  # added to an error before its logarithm: a perfect reconstruction has a log error, too
State = dict[str, np.ndarray]
"""Everything that a scorer or an expert learnt, as named arrays: what a model file stores."""


def under(state: Mapping[str, np.ndarray], prefix: str) -> State:
    """The arrays whose names start with a prefix, by the rest of their names.

    Example:
        >>> under({"0.points": np.zeros(1), "weights": np.ones(2)}, "0.")
        {'points': array([0.])}
    """
    return {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}


@dataclass(frozen=True)
class Evidence:
    """Everything that scores are computed from.

    Attributes:
        z: Codes, shape (row, latent), float64.
        error: Reconstruction error, shape (row,), float64, >= 0.
        features: Feature sets of the modality by name, each (row, feature), float32.
    """

    z: Float[np.ndarray, "row latent"]
    error: Float[np.ndarray, " row"]
    features: Mapping[str, Float[np.ndarray, "row feature"]] = field(default_factory=dict)

    def feature_set(self, name: str) -> Float[np.ndarray, "row feature"]:
        """One feature set; 'code' is the code with the log error, 'error' the log error alone.

        Args:
            name: Several side by side are joined by '+', such as 'texture+pixels'.

        Raises:
            ConfigError: If the data have no such feature set.
        """
        if "+" in name:
            return np.hstack([self.feature_set(one) for one in name.split("+")])
        if name == "code":
            return np.column_stack([self.z, np.log(self.error + LOG_OFFSET)])
        if name == "error":
            return np.log(self.error + LOG_OFFSET)[:, None]
        if name not in self.features:
            raise ConfigError(
                f"feature set {name!r} is unknown; these data have {', '.join(['code', 'error', *self.features])}"
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
        features: Feature sets by name, each (row, feature), float64.
    """

    z: Node
    error: Node
    features: Mapping[str, Node] = field(default_factory=dict)

    def feature_set(self, name: str) -> Node:
        """One feature set; see `Evidence.feature_set`."""
        graph = self.z.graph
        if "+" in name:
            return graph.concat([self.feature_set(one) for one in name.split("+")], axis=1)
        if name == "code":
            return graph.concat([self.z, self.feature_set("error")], axis=1)
        if name == "error":
            return (self.error + LOG_OFFSET).op("Log").expand_dims(1)
        return self.features[name]
