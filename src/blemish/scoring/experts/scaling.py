"""Features in units of their own standard deviation."""

import numpy as np
from jaxtyping import Float

from blemish.core.graph import Node
from blemish.scoring.evidence import State

MAX_DEVIATION = 10.0
"""Standard deviations at which a feature is cut: one extreme value must not outweigh all others."""


def fit_scaling(x: Float[np.ndarray, "row feature"]) -> State:
    """'centre' and 'scale' (feature,): mean and standard deviation, 1 where that is 0."""
    scale = x.std(axis=0, dtype=np.float64)
    centre = x.mean(axis=0, dtype=np.float64)
    return {"centre": centre, "scale": np.where(scale > 1e-9 * np.maximum(1, np.abs(centre)), scale, 1.0)}


def scaled(state: State, x: Float[np.ndarray, "row feature"]) -> Float[np.ndarray, "row feature"]:
    """Standardised and cut; unchanged where the state has no scaling."""
    if "centre" not in state:
        return x
    return np.clip((x - state["centre"]) / state["scale"], -MAX_DEVIATION, MAX_DEVIATION)


def scaled_graph(state: State, x: Node) -> Node:
    """`scaled` as part of an ONNX graph."""
    if "centre" not in state:
        return x
    return ((x - state["centre"]) / state["scale"]).op("Clip", -MAX_DEVIATION, MAX_DEVIATION)
