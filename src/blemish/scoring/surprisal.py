"""How far out is a score among ordinary rows? One scale for all experts."""

import numpy as np
from jaxtyping import Float

from blemish.core.graph import Node
from blemish.scoring.evidence import State

TAIL, LEAST_ROWS = 0.02, 10
"""Share of the ordinary rows that the exponential tail is fitted to, and how many rows at least."""
N_LEVELS = 200
GRID = 1e-6
"""Of the spread of the ordinary scores. Equal rows score equal to 1e-8 or so, depending on what is scored beside them;
where many are equal, a level lies on their score, and that difference would decide on which side of it a row is."""
SLACK = 1.5
"""Steps of the grid that a score may lie below a level and still reach it: rounding falls to either side of a step."""
FARTHEST = 20.0
"""Nats beyond the tail's start that half of the labelled defects reach at most: where ordinary rows are all but equal,
a defect is this far out, and what differs a little from them is not."""


def fit_tail(scores: Float[np.ndarray, " row"], known: Float[np.ndarray, " defect"]) -> State:
    """Levels of ordinary scores.

    Args:
        scores: Of ordinary rows, by a model that has not seen them; at least one.
        known: Of labelled defects, likewise; may be empty.

    Returns:
        'tail', the share of the rows above the last level, half at most; 'levels' (level,), ascending quantiles up to
        there; 'excess', the mean of what lies above the last of them; 'grid', the step that scores are rounded to.
    """
    spread = float(scores.max() - scores.min()) or 1.0
    grid = GRID * spread
    scores = _on_grid(scores, grid)
    tail = min(0.5, max(TAIL, LEAST_ROWS / len(scores)))
    levels = np.quantile(scores, np.linspace(0, 1 - tail, N_LEVELS))
    above = scores[scores > levels[-1]] - levels[-1]
    least = max(1e-3 * spread, float(np.median(known) - levels[-1]) / FARTHEST if len(known) else 0.0)
    excess = max(float(above.mean()) if len(above) else 0.0, least)
    return {"tail": np.array(tail), "levels": levels, "excess": np.array(excess), "grid": np.array(grid)}


def tail_rank(state: State, scores: Float[np.ndarray, " row"], prefix: str = "") -> Float[np.ndarray, " row"]:
    r"""Minus the logarithm of the share of ordinary rows that score at least as high.

    Above the last level :math:`q` the share is that of an exponential distribution, so that rows far out keep their
    order: :math:`-\log \mathrm{tail} + (s - q) / \mathrm{excess}`.

    Args:
        state: What `fit_tail` learnt.
        scores: Any.
        prefix: Of the names in the state.

    Returns:
        Shape (row,), >= 0.

    Reference:
        Pickands, "Statistical inference using extreme order statistics", 1975 (the exponential is his limit's middle
        case).
    """
    levels, excess = state[f"{prefix}levels"], float(state[f"{prefix}excess"])
    scores = _on_grid(scores, float(state[f"{prefix}grid"]))
    tail = float(state[f"{prefix}tail"])
    share = np.linspace(0, 1 - tail, len(levels))
    slack = SLACK * float(state[f"{prefix}grid"])
    inside = -np.log1p(-share[np.maximum(np.searchsorted(levels, scores + slack, side="right") - 1, 0)])
    return np.where(scores > levels[-1] + slack, -np.log(tail) + (scores - levels[-1] - slack) / excess, inside)


def tail_rank_graph(state: State, scores: Node, prefix: str = "") -> Node:
    """`tail_rank` as part of an ONNX graph."""
    levels, grid, tail = state[f"{prefix}levels"], state[f"{prefix}grid"], float(state[f"{prefix}tail"])
    scores = (scores / grid).op("Round") * grid
    slack = SLACK * grid
    reached = ((scores + slack).expand_dims(1) >= levels).to(np.int64).reduce("Sum", 1)
    place = reached.op("Sub", np.array(1)).op("Max", np.array(0))
    inside = scores.graph.constant(-np.log1p(-np.linspace(0, 1 - tail, len(levels)))).take(place, axis=0)
    beyond = (scores - (levels[-1] + slack)) / state[f"{prefix}excess"] + -np.log(tail)
    return scores.graph.op("Where", scores > levels[-1] + slack, beyond, inside)


def _on_grid(scores: Float[np.ndarray, " row"], grid: float) -> Float[np.ndarray, " row"]:
    return np.round(scores / grid) * grid
