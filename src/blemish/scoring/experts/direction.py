"""Does a row point where most rows point? Likeness to a trimmed mean direction."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from blemish.core.graph import Node
from blemish.scoring.experts.expert import ExportableExpert, Features, Flags, Numbers
from blemish.scoring.scorer import State

MAX_ROUNDS = 20  # concentration steps; a handful is usual


def common_direction(x: Float[np.ndarray, "row feature"], fraction: float) -> Float[np.ndarray, " feature"]:
    r"""A unit vector along the mean of the fraction of the rows that lie furthest along it.

    From the leading right singular vector, by concentration steps: :math:`K \leftarrow` the rows with the largest
    :math:`x_i^\top m`, :math:`m \leftarrow \sum_{i \in K} x_i / \lVert \sum_{i \in K} x_i \rVert`. Each step raises
    the mean of the kept :math:`x_i^\top m`, or leaves it as it is.

    Args:
        x: Rows, not centred.
        fraction: Fraction of the rows that are kept, in (0, 1].

    Reference:
        Rousseeuw and Van Driessen, "A fast algorithm for the minimum covariance determinant estimator", 1999,
        theorem 1 (concentration steps, there for a covariance).
    """
    direction = np.linalg.svd(x, full_matrices=False)[2][0]
    direction = direction * (np.sign((x @ direction).sum()) or 1.0)
    n_kept = max(1, round(fraction * len(x)))
    kept = np.empty(0, dtype=int)
    for _ in range(MAX_ROUNDS):
        now = np.sort(np.argsort(-(x @ direction), kind="stable")[:n_kept])
        if np.array_equal(now, kept):
            break
        kept, total = now, x[now].sum(axis=0)
        direction = total / (np.linalg.norm(total) or 1.0)
    return direction


@dataclass(frozen=True)
class Direction(ExportableExpert):
    """How little a row has of what half of the rows have in common; unsupervised.

    For texts and other rows whose length is bounded and whose zero means "nothing of it". Not for centred numbers,
    where a direction and its opposite are alike.

    Attributes:
        share: Fraction of the rows that have it in common, in (0, 1].
    """

    share: float = 0.5
    uses_labels: ClassVar[bool] = False

    def fit(self, x: Features, is_defect: Flags, weight: Numbers, seed: int) -> State:
        """Find the direction; see `Expert`."""
        return {"direction": common_direction(x[~is_defect].astype(np.float64), self.share)}

    def score(self, state: State, x: Features) -> Numbers:
        """Minus the length along the direction."""
        return -(x @ state["direction"])

    def graph(self, state: State, x: Node) -> Node:
        """See `ExportableExpert`."""
        return -(x @ state["direction"])
