"""Cross-validation of an expert over the labelled defects of one kind or several."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from blemish.core.groups import Clusters, deal, n_groups
from blemish.core.labels import DEFECT
from blemish.scoring.experts.expert import Expert


def numbered(group: Int[np.ndarray, " row"], labelled: list[int]) -> Int[np.ndarray, " row"]:
    """1, 2, … for the rows of the labelled kinds in their order, 0 for all others."""
    kind = np.zeros(len(group), dtype=np.int64)
    for number, k in enumerate(labelled, start=1):
        kind[group == DEFECT + k] = number
    return kind


def folds(kind: Int[np.ndarray, " row"], n_folds: int, seed: int, cluster: Clusters) -> Int[np.ndarray, " row"]:
    """A fold for each row, kinds dealt evenly; -1, in no fold, for the only defect, or group of them, of a kind."""
    fold = deal(kind, n_folds, np.random.default_rng(seed), cluster)
    for k in range(1, kind.max() + 1):
        if n_groups(np.flatnonzero(kind == k), cluster) == 1:
            fold[kind == k] = -1
    return fold


def out_of_fold(
    expert: Expert,
    x: Any,
    kind: Int[np.ndarray, " row"],
    weight: Float[np.ndarray, " row"],
    fold: Int[np.ndarray, " row"],
    seed: int,
) -> Float[np.ndarray, "row kind"]:
    """Each row's score for each kind by an expert that was fitted without its fold; x are its features, or parts."""
    scores = np.zeros((len(x), kind.max()))
    for k in range(fold.max() + 1):
        out = fold == k
        seen = ~out
        if len(np.unique(kind[seen])) <= kind.max():
            seen = np.full(len(x), True)  # too few rows to leave any out
        states = expert.fit_kinds(x[seen], kind[seen], weight[seen], seed)
        scores[out] = np.stack([expert.score(state, x[out]) for state in states], axis=1)
    return scores


def mean_surprisal(
    scores: Float[np.ndarray, " row"],
    is_defect: Bool[np.ndarray, " row"],
    fold: Int[np.ndarray, " row"],
    cluster: Clusters = None,
) -> float:
    """Mean surprisal of the unseen defects, each among the other rows of its fold, in nats, >= 0; groups count once."""
    found, weights = [], []
    size = np.ones(len(fold)) if cluster is None else np.bincount(cluster, is_defect)[cluster]
    for k in range(fold.max() + 1):
        rest, unseen = np.sort(scores[(fold == k) & ~is_defect]), (fold == k) & is_defect
        above = len(rest) - np.searchsorted(rest, scores[unseen], side="left")
        found.extend(-np.log((above + 1) / (len(rest) + 1)))
        weights.extend(1 / size[unseen])
    return float(np.average(found, weights=weights)) if found else 0.0
