"""What a fit measures of its labels, for the report on them: contradictions, and what another label is worth."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, Int64
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from blemish.calibration.calibration import apart_from_outliers
from blemish.calibration.conformal import conformal_p_values
from blemish.core.groups import n_groups, one_each, together
from blemish.core.labels import NORMAL, UNLABELLED, is_defect, is_ordinary
from blemish.core.state import State, need
from blemish.scoring.scorer import Evidence, Scorer

NEAR = 0.1
"""Near-duplicates are closer than this fraction of the median distance of an ordinary row to its nearest neighbour."""
BEYOND, BY_ACCIDENT, MAX_DIMENSION, LEAP = 24, 1 / 300, 12.0, 4.0
"""For copies, which are not equal: a neighbour beyond any; the fraction of rows with a neighbour as near as a copy
by accident; a bound on the dimension; and a growth from one neighbour to the next that no dimension explains."""
SAME = 1e-5
"""Two rows closer than this fraction of the spread of all rows are the same, whatever their neighbours."""
MAX_MEASURED = 500  # ordinary rows that the median distance is measured on
MAX_COMPARED = 2000  # labelled rows; of more, the defects first and the normals last
MAX_LEARNT, MAX_RANKED = 400, 1000
"""Ordinary rows that the curve is fitted on, and that it ranks the defects among: more cost time and change little."""
DRAWS = 2
"""Draws of each number of labels up to half of them; of three quarters, four, so that every defect is left out once."""
FOLDS = 4
MAX_SIZES = 6


@dataclass(frozen=True)
class LabelStatistics(State):
    """What the label report reads in addition to the calibration.

    Attributes:
        outlier: Outlier score of each labelled defect, shape (defect,).
        negative_is_normal: 1 where a labelled negative is labelled 'normal', 0 for 'other', shape (negative,).
        conflicts: Pairs of near-duplicates with different labels, as positions among the labelled rows: first the
            defects, then the negatives.
        curve: From `learning_curve`; None where it was not computed.
        copies: From `copies`; None where it was not computed.
    """

    may_be_empty = ("negative", "pair")
    stored_as: ClassVar[Mapping[str, str]] = {"negative_is_normal": "rejected_normal"}

    outlier: Float64[np.ndarray, " defect"]
    negative_is_normal: Float64[np.ndarray, " negative"]
    conflicts: Int64[np.ndarray, "pair 2"]
    curve: Float64[np.ndarray, "unseen 3"] | None = None
    copies: Float64[np.ndarray, " 4"] | None = None

    def check(self) -> None:
        """See `State`."""
        n = len(self.outlier) + len(self.negative_is_normal)
        need((self.conflicts >= 0) & (self.conflicts < n), f"a conflict is not among the {n} labelled rows")
        if self.curve is not None:
            need((self.curve[:, 2] > 0) & (self.curve[:, 2] <= 1), "a p-value of the curve is not in (0, 1]")
            need(self.curve[:, :2] >= 0, "a number of the curve is negative")


def conflicts(evidence: Evidence, group: Int[np.ndarray, " row"], seed: int = 0) -> Int[np.ndarray, "pair 2"]:
    """Pairs of near-duplicates with different labels.

    Rows are compared by all feature sets of their modality (by their codes, if there are none). Unlabelled and normal
    rows, drawn by the seed, only measure how far apart rows usually are.

    Returns:
        Numbers of the rows, the smaller first.
    """
    labelled = np.flatnonzero(group != UNLABELLED)
    labelled = np.sort(labelled[np.argsort(-group[labelled], kind="stable")][:MAX_COMPARED])
    if len(labelled) < 2 or len(np.unique(group[labelled])) < 2:
        return np.zeros((0, 2), dtype=np.int64)
    x, usual = _scaled(evidence, group, seed)
    between = distances(x[usual])
    np.fill_diagonal(between, np.inf)
    apart = float(np.median(between.min(axis=1))) if len(usual) > 1 else 0.0
    least = max(NEAR * apart, SAME * np.sqrt(x.shape[1]))
    near = np.triu(distances(x[labelled]) <= least, k=1) & (group[labelled][:, None] != group[labelled][None])
    return labelled[np.argwhere(near)]


def _scaled(
    evidence: Evidence, group: Int[np.ndarray, " row"], seed: int
) -> tuple[Float[np.ndarray, "row feature"], Int[np.ndarray, " usual"]]:
    """All feature sets in units of how ordinary rows vary, and some ordinary rows, to tell how far apart they are."""
    usual = np.flatnonzero(is_ordinary(group))
    usual = np.random.default_rng(seed).permutation(usual)[:MAX_MEASURED]
    x = np.hstack([evidence.feature_set(name) for name in evidence.features] or [evidence.z]).astype(np.float64)
    x -= x[usual].mean(axis=0)
    spread = np.where(x[usual].std(axis=0) > 0, x[usual].std(axis=0), x.std(axis=0))
    return x / np.where(spread > 0, spread, 1.0), usual


def distances(x: Float[np.ndarray, "row feature"]) -> Float[np.ndarray, "row row"]:
    """Euclidean distance of every row to every other."""
    squared = np.square(x).sum(axis=1)
    return np.sqrt(np.maximum(squared[:, None] + squared[None] - 2 * x @ x.T, 0))


@dataclass(frozen=True)
class CurveRows:
    """A sample of the training rows: all labelled ones, and as many others as the curve needs.

    Attributes:
        evidence: Of the rows.
        group: Their groups.
        held_out: Which of them did not train the model, as numbers.
    """

    evidence: Evidence
    group: Int[np.ndarray, " row"]
    held_out: Int[np.ndarray, " held_out"]


def sample_of(
    evidence: Evidence, group: Int[np.ndarray, " row"], held_out: Int[np.ndarray, " held_out"], seed: int
) -> CurveRows:
    """What to keep of the training rows, of which `held_out` did not train the model, for `learning_curve`."""
    rng = np.random.default_rng(seed)
    labelled = np.flatnonzero((group != UNLABELLED) & (group != NORMAL))
    ordinary = np.flatnonzero(is_ordinary(group) & ~together(held_out, evidence.cluster, len(group)))
    ordinary = rng.permutation(ordinary)[: MAX_LEARNT if len(held_out) else 2 * MAX_LEARNT]
    ranked = rng.permutation(held_out)[:MAX_RANKED]
    rows = np.sort(np.concatenate([labelled, ordinary, ranked]))
    return CurveRows(evidence[rows], group[rows], np.flatnonzero(np.isin(rows, ranked)))


def learning_curve(scorer: Scorer, rows: CurveRows, seed: int, *, last: bool = False) -> Float[np.ndarray, "unseen 3"]:
    """Fit on 1, 2, 4, … and on three quarters of the labelled defects; rank the others.

    There are at least two defects. Where no rows were held out, half of the ordinary ones are left out of the fits.
    Where there are groups, each counts as one defect, and nothing of the group of a row that is ranked is fitted on.

    Args:
        scorer: Fitted about ten times.
        rows: What `sample_of` gave.
        seed: Source of all randomness.
        last: Only the last point, of three quarters.

    Returns:
        One line per labelled defect and draw that left it out: number of labelled defects fitted on, number of the
        draw, and p-value among the ordinary rows (see `conformal_p_values`).
    """
    rng, group, evidence, cluster = np.random.default_rng(seed), rows.group, rows.evidence, rows.evidence.cluster
    ranked, defects = rows.held_out, np.flatnonzero(is_defect(group))
    if not len(ranked):
        free = apart_from_outliers(group, cluster)
        ordinary = rng.permutation(one_each(free if len(free) else np.flatnonzero(is_ordinary(group)), cluster, rng))
        ranked = ordinary[: len(ordinary) // 2]
    found = []
    defect_of = one_each(defects, cluster, rng)
    most = max(sizes_of(len(defect_of)))
    for draw, (chosen, unseen) in enumerate(_draws(defect_of, rng)):
        learnt = ~together(np.append(ranked, unseen), cluster, len(group))
        learnt[defects] = together(chosen, cluster, len(group))[defects]
        fitted, judging = np.flatnonzero(learnt), ranked[~together(chosen, cluster, len(group))[ranked]]
        if (last and len(chosen) < most) or not len(judging):
            continue
        state = scorer.fit(evidence[fitted], group[fitted], seed)
        against = scorer.defect_score(state, evidence[judging])
        for p in conformal_p_values(against, scorer.defect_score(state, evidence[unseen])):
            found.append((len(chosen), draw, p))
    return np.array(found, dtype=np.float64)


def copies(scorer: Scorer, rows: CurveRows, curve: Float[np.ndarray, "unseen 3"], seed: int) -> Float[np.ndarray, " 4"]:
    """How many rows have a near-duplicate that no group keeps together with them, and how much that flatters.

    Args:
        scorer: Of the fit.
        rows: What `sample_of` gave.
        curve: Of these rows.
        seed: Source of all randomness.

    Returns:
        Labelled defects with one, held-out rows with one among the others, and the mean fraction of ordinary rows below
        an unseen defect: as it is, and if near-duplicates are kept together; both -1 where there is nothing to compare.
    """
    group, cluster, n = rows.group, rows.evidence.cluster, len(rows.group)
    own = np.arange(n) if cluster is None else cluster
    near = _near(rows.evidence, group, seed) & (own[:, None] != own[None])
    held_out = together(rows.held_out, None, n)
    defects = near[is_defect(group)].any(axis=1).sum()
    found = [defects, (near[held_out][:, ~held_out]).any(axis=1).sum(), -1.0, -1.0]
    if defects or found[1]:
        _, merged = connected_components(csr_array(near | (own[:, None] == own[None])), directed=False)
        if n_groups(np.flatnonzero(is_defect(group)), merged) > 1:
            evidence = replace(rows.evidence, cluster=merged.astype(np.int64))
            kept = learning_curve(scorer, replace(rows, evidence=evidence), seed, last=True)
            found[2:] = [1 - one[one[:, 0] == one[:, 0].max(), 2].mean() for one in (curve, kept)]
    return np.array(found, dtype=np.float64)


def _near(evidence: Evidence, group: Int[np.ndarray, " row"], seed: int) -> Bool[np.ndarray, "row row"]:
    """Which rows are near-duplicates: nearer than rows come by accident, but for one in 300.

    How near they come is told from distances to neighbours beyond any copies: in d dimensions the k-th is as far as the
    d-th root of k, and the growth from half of `BEYOND` to all of it tells d. Where most rows have copies, distances
    leap where these end, which tells them in few dimensions, too.

    Reference:
        Facco et al., "Estimating the intrinsic dimension of datasets by a minimal neighborhood information", 2017.
    """
    x, usual = _scaled(evidence, group, seed)
    k = min(BEYOND, len(usual) - 1)
    near, apart = np.median(np.sort(distances(x[usual]), axis=1)[:, 1 : k + 1], axis=0), 0.0
    if k > 1 and near[-1] > near[k // 2 - 1] > 0:
        dimension = min(MAX_DIMENSION, np.log(2) / np.log(near[-1] / near[k // 2 - 1]))
        apart = near[-1] * (BY_ACCIDENT * len(usual) / len(x) / k) ** (1 / dimension)
    leaps = near[1:] / np.maximum(near[:-1], 1e-300)
    if leaps.max(initial=0.0) > LEAP:
        end = int(np.argmax(leaps))
        apart = max(apart, np.sqrt(near[end] * near[end + 1]))
    return (distances(x) <= max(apart, SAME * np.sqrt(x.shape[1]))) & ~np.eye(len(x), dtype=bool)


def sizes_of(n: int) -> list[int]:
    """1, 2, 4, … up to half of n, then three quarters of n.

    Example:
        >>> sizes_of(8), sizes_of(2), sizes_of(3)
        ([1, 2, 4, 6], [1], [1, 2])
    """
    doubled = [2**i for i in range(n.bit_length()) if 2**i <= n // 2]
    return sorted({*doubled[-MAX_SIZES:], n - _fold_of(n)})


def _fold_of(n: int) -> int:
    return max(1, round(n / FOLDS))


def _draws(
    defects: Int[np.ndarray, " defect"], rng: np.random.Generator
) -> Iterator[tuple[Int[np.ndarray, " chosen"], Int[np.ndarray, " unseen"]]]:
    n = len(defects)
    *small, most = sizes_of(n)
    for size in small:
        for _ in range(DRAWS):
            order = rng.permutation(defects)
            yield order[:size], order[size:]
    order, fold = rng.permutation(defects), n - most
    for start in range(0, n, fold):
        unseen = order[start : start + fold]
        yield np.setdiff1d(order, unseen)[:most], unseen
