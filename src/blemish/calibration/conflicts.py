"""Labelled rows that are all but the same and yet have different labels."""

import numpy as np
from jaxtyping import Float, Int

from blemish.core.labels import UNLABELLED, is_ordinary
from blemish.scoring.evidence import Evidence

NEAR = 0.1
"""Of the median distance of an ordinary row to its nearest neighbour: pairs closer than this are near-duplicates."""
SAME = 1e-5
"""Of the spread of all rows: closer than this two rows are the same whatever their neighbours."""
MOST_ROWS = 500
MOST_COMPARED = 2000
"""Labelled rows, defects first and normals last."""


def conflicts(evidence: Evidence, group: Int[np.ndarray, " row"], seed: int = 0) -> Int[np.ndarray, "pair 2"]:
    """Pairs of near-duplicates with different labels.

    Args:
        evidence: Rows to compare, by all that their modality says of them (by their codes, if it says nothing).
        group: Their groups; unlabelled rows only say how far apart rows usually are.
        seed: Which ordinary rows are drawn to say so.

    Returns:
        Numbers of the rows, the smaller first.
    """
    labelled = np.flatnonzero(group != UNLABELLED)
    labelled = np.sort(labelled[np.argsort(-group[labelled], kind="stable")][:MOST_COMPARED])
    if len(labelled) < 2 or len(np.unique(group[labelled])) < 2:
        return np.zeros((0, 2), dtype=np.int64)
    usual = np.flatnonzero(is_ordinary(group))
    usual = np.random.default_rng(seed).permutation(usual)[:MOST_ROWS]
    x = np.hstack([evidence.view(name) for name in evidence.features] or [evidence.z]).astype(np.float64)
    x -= x[usual].mean(axis=0)
    spread = np.where(x[usual].std(axis=0) > 0, x[usual].std(axis=0), x.std(axis=0))
    x /= np.where(spread > 0, spread, 1.0)
    between = distances(x[usual])
    np.fill_diagonal(between, np.inf)
    apart = float(np.median(between.min(axis=1))) if len(usual) > 1 else 0.0
    least = max(NEAR * apart, SAME * np.sqrt(x.shape[1]))
    near = np.triu(distances(x[labelled]) <= least, k=1) & (group[labelled][:, None] != group[labelled][None])
    return labelled[np.argwhere(near)]


def distances(x: Float[np.ndarray, "row feature"]) -> Float[np.ndarray, "row row"]:
    """Euclidean distance of every row to every other."""
    squared = np.square(x).sum(axis=1)
    return np.sqrt(np.maximum(squared[:, None] + squared[None] - 2 * x @ x.T, 0))
