"""Labelled rows that are nearly identical and yet have different labels."""

import numpy as np
from jaxtyping import Float, Int

from blemish.core.labels import UNLABELLED, is_ordinary
from blemish.scoring.scorer import Evidence

NEAR = 0.1
"""Near-duplicates are closer than this fraction of the median distance of an ordinary row to its nearest neighbour."""
SAME = 1e-5
"""Two rows closer than this fraction of the spread of all rows are the same, whatever their neighbours."""
MAX_ROWS = 500  # ordinary rows that the median distance is measured on
MAX_COMPARED = 2000  # labelled rows; of more, the defects first and the normals last


def conflicts(evidence: Evidence, group: Int[np.ndarray, " row"], seed: int = 0) -> Int[np.ndarray, "pair 2"]:
    """Pairs of near-duplicates with different labels.

    Args:
        evidence: Rows to compare, by all feature sets of their modality (by their codes, if there are none).
        group: Their groups; unlabelled rows only measure how far apart rows usually are.
        seed: Which ordinary rows are drawn for that.

    Returns:
        Numbers of the rows, the smaller first.
    """
    labelled = np.flatnonzero(group != UNLABELLED)
    labelled = np.sort(labelled[np.argsort(-group[labelled], kind="stable")][:MAX_COMPARED])
    if len(labelled) < 2 or len(np.unique(group[labelled])) < 2:
        return np.zeros((0, 2), dtype=np.int64)
    usual = np.flatnonzero(is_ordinary(group))
    usual = np.random.default_rng(seed).permutation(usual)[:MAX_ROWS]
    x = np.hstack([evidence.feature_set(name) for name in evidence.features] or [evidence.z]).astype(np.float64)
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
