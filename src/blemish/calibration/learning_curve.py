"""What another label is worth: fit on some of the labelled defects, and rank those that were left out."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from blemish.calibration.conformal import conformal_p_values
from blemish.core.labels import DEFECT, NORMAL, UNLABELLED, is_ordinary
from blemish.scoring.scorer import Evidence, Scorer

MAX_LEARNT, MAX_RANKED = 400, 1000
"""Ordinary rows that the curve is fitted on, and that it ranks the defects among: more cost time and change little."""
DRAWS = 2
"""Draws of each number of labels up to half of them; of three quarters, four, so that every defect is left out once."""
FOLDS = 4
MAX_SIZES = 6


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
    """What to keep of the training rows for `learning_curve`.

    Args:
        evidence: Of all training rows.
        group: Their groups.
        held_out: Ordinary rows that did not train the model.
        seed: Which ordinary rows are drawn.
    """
    rng = np.random.default_rng(seed)
    labelled = np.flatnonzero((group != UNLABELLED) & (group != NORMAL))
    ordinary = np.setdiff1d(np.flatnonzero(is_ordinary(group)), held_out)
    ordinary = rng.permutation(ordinary)[: MAX_LEARNT if len(held_out) else 2 * MAX_LEARNT]
    ranked = rng.permutation(held_out)[:MAX_RANKED]
    rows = np.sort(np.concatenate([labelled, ordinary, ranked]))
    return CurveRows(evidence[rows], group[rows], np.flatnonzero(np.isin(rows, ranked)))


def learning_curve(scorer: Scorer, rows: CurveRows, seed: int) -> Float[np.ndarray, "unseen 3"]:
    """Fit on 1, 2, 4, … and on three quarters of the labelled defects; rank the others.

    Args:
        scorer: A frozen dataclass of choices.
        rows: From `sample_of`, with at least two defects. Where no rows were held out, half of the ordinary ones are
            left out of the fits.
        seed: Which labels are drawn.

    Returns:
        One line per labelled defect and draw that left it out: number of labelled defects fitted on, number of the
        draw, and p-value among the ordinary rows (see `conformal_p_values`).
    """
    rng, group, evidence = np.random.default_rng(seed), rows.group, rows.evidence
    ranked = rows.held_out
    if not len(ranked):
        ordinary = rng.permutation(np.flatnonzero(is_ordinary(group)))
        ranked = ordinary[: len(ordinary) // 2]
    others = np.setdiff1d(np.flatnonzero(group != DEFECT), ranked)
    found = []
    for draw, (chosen, unseen) in enumerate(_draws(np.flatnonzero(group == DEFECT), rng)):
        fitted = np.sort(np.append(others, chosen))
        state = scorer.fit(evidence[fitted], group[fitted], seed)
        against = scorer.defect_score(state, evidence[ranked])
        for p in conformal_p_values(against, scorer.defect_score(state, evidence[unseen])):
            found.append((len(chosen), draw, p))
    return np.array(found, dtype=np.float64)


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
