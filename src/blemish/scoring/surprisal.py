"""Surprisal: minus the log of the fraction of ordinary rows that score as high, in nats. One scale for all experts."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

from blemish.core.graph import Node
from blemish.core.state import State, need

TAIL, MIN_TAIL_ROWS, MAX_TAIL = 0.02, 10, 0.5
"""Fraction of the ordinary rows that the exponential tail is fitted to; its fewest rows; the largest such fraction.
Of a hundred rows, 2 % are two: these alone would decide how high a score can get (decisions.md 52)."""
N_LEVELS = 200
GRID = 1e-6
"""Step of the grid in units of the range of the ordinary scores. Equal rows have scores that are equal to 1e-8 or so,
depending on their batch-mates; where many are equal, a level lies on their score, and that difference would decide on
which side of it a row is."""
SLACK = 1.5
"""Steps of the grid that a score may lie below a level and still reach it: rounding falls to either side of a step."""
MAX_BEYOND_TAIL = 20.0
"""Nats beyond the tail's start that half of the labelled defects reach at most: where ordinary rows are nearly
identical, a defect reaches this, and what differs a little from them does not."""


@dataclass(frozen=True)
class Tail(State):
    """Levels of ordinary scores.

    Attributes:
        tail: Fraction of the rows above the last level, at most a half.
        levels: Ascending quantiles up to there.
        excess: Mean of what lies above the last of them, > 0.
        grid: Step that scores are rounded to, > 0.
    """

    tail: Float64[np.ndarray, ""]
    levels: Float64[np.ndarray, " level"]
    excess: Float64[np.ndarray, ""]
    grid: Float64[np.ndarray, ""]

    def check(self) -> None:
        """See `State`."""
        need((self.tail > 0) & (self.tail <= MAX_TAIL), "the tail is not a fraction up to a half")
        need(np.diff(self.levels) >= 0, "the levels do not ascend")
        need((self.excess > 0) & (self.grid > 0), "excess and grid are not above 0")


def fit_tail(scores: Float[np.ndarray, " row"], defects: Float[np.ndarray, " defect"]) -> Tail:
    """Levels of ordinary scores.

    Args:
        scores: Out-of-fold scores of ordinary rows, at least one.
        defects: Out-of-fold scores of labelled defects; may be empty.
    """
    spread = float(scores.max() - scores.min()) or 1.0
    grid = GRID * spread
    scores = _on_grid(scores, grid)
    tail = min(MAX_TAIL, max(TAIL, MIN_TAIL_ROWS / len(scores)))
    levels = np.quantile(scores, np.linspace(0, 1 - tail, N_LEVELS))
    above = scores[scores > levels[-1]] - levels[-1]
    least = max(1e-3 * spread, float(np.median(defects) - levels[-1]) / MAX_BEYOND_TAIL if len(defects) else 0.0)
    excess = max(float(above.mean()) if len(above) else 0.0, least)
    return Tail(np.array(tail), levels, np.array(excess), np.array(grid))


def surprisal(state: Tail, scores: Float[np.ndarray, " row"]) -> Float[np.ndarray, " row"]:
    r"""Minus the logarithm of the fraction of ordinary rows that score at least as high.

    Above the last level :math:`q` the fraction is that of an exponential distribution, so that rows beyond all ordinary
    ones keep their order: :math:`-\log \mathrm{tail} + (s - q) / \mathrm{excess}`, in nats, >= 0.

    Reference:
        Pickands, "Statistical inference using extreme order statistics", 1975 (the exponential is his limit's middle
        case).
    """
    levels, excess, tail = state.levels, float(state.excess), float(state.tail)
    scores = _on_grid(scores, float(state.grid))
    below = np.linspace(0, 1 - tail, len(levels))
    slack = SLACK * float(state.grid)
    inside = -np.log1p(-below[np.maximum(np.searchsorted(levels, scores + slack, side="right") - 1, 0)])
    return np.where(scores > levels[-1] + slack, -np.log(tail) + (scores - levels[-1] - slack) / excess, inside)


def surprisal_graph(state: Tail, scores: Node) -> Node:
    """`surprisal` as part of an ONNX graph, of scores of any shape."""
    levels, grid, tail = state.levels, state.grid, float(state.tail)
    scores = (scores / grid).op("Round") * grid
    slack = SLACK * grid
    reached = ((scores + slack).expand_dims(-1) >= levels).to(np.int64).reduce("Sum", -1)
    place = reached.op("Sub", np.array(1)).op("Max", np.array(0))
    inside = scores.graph.constant(-np.log1p(-np.linspace(0, 1 - tail, len(levels)))).take(place, axis=0)
    beyond = (scores - (levels[-1] + slack)) / state.excess + -np.log(tail)
    return scores.graph.op("Where", scores > levels[-1] + slack, beyond, inside)


def _on_grid(scores: Float[np.ndarray, " row"], grid: float) -> Float[np.ndarray, " row"]:
    return np.round(scores / grid) * grid
