"""Few ordinary rows, each judged by a model that has not seen it: what a cut rests on where none can be held out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int
from scipy.special import expit

from blemish.core.labels import is_ordinary
from blemish.scoring.scorer import LOG_OFFSET, Evidence, Scorer, part_scores

FOLDS = 4
MIN_TO_CROSS_FIT = 4  # ordinary rows: each of two folds leaves two to learn from
MATCHED = (0.5, 0.9)  # quantiles of the odds
MAX_UNIT = 2.0  # errors of rows that were memorised tell little: a fold may have memorised far better than the model
MIN_SLOPE = 0.01  # the order of the odds is kept
TINY = 1e-300  # a probability of 0 has odds, too


@dataclass(frozen=True)
class Fold:
    """What a model measures that was trained without some of the ordinary rows.

    Attributes:
        evidence: Of all rows of the fit.
        held_out: Numbers of the rows that it has not seen.
        own_network: Whether its network has not seen them either, so that its codes and errors can be used.
        digest: Of all rows: a refit uses the fold again if they are the same.
    """

    evidence: Evidence
    held_out: Int[np.ndarray, " some"]
    own_network: bool
    digest: bytes


@dataclass(frozen=True)
class Unseen:
    """Scores of the ordinary rows, fold by fold.

    Attributes:
        outlier: How unusual.
        defect: How much like the labelled defects; None where none is labelled.
        probabilities: Of normal, other and defect, of the rows of folds with a network of their own: they depend on
            its error.
        of_parts: Of their parts, one row after the other; None where there are none.
    """

    outlier: Float[np.ndarray, " ordinary"]
    defect: Float[np.ndarray, " ordinary"] | None
    probabilities: Float[np.ndarray, "some 3"]
    of_parts: Float[np.ndarray, " part"] | None


def out_of_fold(
    scorer: Scorer,
    folds: Sequence[Fold],
    error: Float[np.ndarray, " row"],
    group: Int[np.ndarray, " row"],
    seed: int,
    *,
    labelled: bool,
) -> Unseen:
    """Scores of the ordinary rows, each by a model and a scorer that have not seen it.

    An error is in a unit of its model's own: of a table, one category more or another scaling changes it. Those of a
    fold are brought to that of the model of all rows, by the rows that trained both.

    Args:
        scorer: Fitted once per fold; its scores are relative to the rows that it has seen.
        folds: At least one.
        error: Of all rows by the model that they trained.
        group: Groups of all rows; some may have been labelled since the folds were dealt.
        seed: Of the scorer.
        labelled: Whether defects are labelled.
    """
    found, probabilities, of_parts = [], [], []
    for fold in folds:
        held_out = fold.held_out[is_ordinary(group[fold.held_out])]
        seen = np.setdiff1d(np.arange(len(group)), held_out)  # a defect labelled since may be the only one
        trained = seen[is_ordinary(group[seen])]
        unit = (error[trained].mean() + LOG_OFFSET) / (fold.evidence.error[trained].mean() + LOG_OFFSET)
        evidence = replace(fold.evidence, error=fold.evidence.error * np.clip(unit, 1 / MAX_UNIT, MAX_UNIT))
        state = scorer.fit(evidence[seen], group[seen], seed)
        found.append(scorer.scores(state, evidence[held_out], labelled=labelled))
        probabilities += [found[-1].probabilities] if fold.own_network else []
        of_parts.append(part_scores(scorer, state, evidence[held_out].parts, labelled=labelled))
    defect = [one.defect for one in found if one.defect is not None]
    return Unseen(
        np.concatenate([one.outlier for one in found]),
        np.concatenate(defect) if labelled else None,
        np.concatenate(probabilities),
        np.concatenate(of_parts) if of_parts[0] is not None else None,
    )


def odds_correction(
    memorised: Float[np.ndarray, "row 3"], unseen: Float[np.ndarray, "some 3"]
) -> Float[np.ndarray, " 3"]:
    """Slope, intercept and end of a line that makes the log-odds of 'other' of unseen ordinary rows the expected ones.

    A scorer takes the spread of rows that trained the model for that of new ones: of 20 rows four fifths of the new
    ones were 'other' (decisions.md 81). Matched are the median and the 90 % quantile; odds are never raised.
    Beyond that quantile the slope is 1: what lies far beyond all rows keeps its distance.

    Args:
        memorised: Probabilities of ordinary rows by the model that they trained.
        unseen: Probabilities of ordinary rows out of fold.
    """
    (expected, high), (median, top) = (np.quantile(_log_odds(p), MATCHED) for p in (memorised, unseen))
    slope = np.clip((high - expected) / (top - median), MIN_SLOPE, 1.0) if top > median else 1.0
    return np.array([slope, min(expected - slope * median, 0.0), top])


def with_corrected_odds(
    probabilities: Float[np.ndarray, "row 3"], correction: Float[np.ndarray, " 3"]
) -> Float[np.ndarray, "row 3"]:
    """Probabilities with the odds of 'other' against 'normal' corrected; that of the defect stays."""
    slope, intercept, end = correction
    odds = _log_odds(probabilities)
    other = expit(slope * np.minimum(odds, end) + intercept + np.maximum(odds - end, 0.0))
    rest = probabilities[:, 0] + probabilities[:, 1]
    return np.stack([rest * (1 - other), rest * other, probabilities[:, 2]]).T


def _log_odds(probabilities: Float[np.ndarray, "row 3"]) -> Float[np.ndarray, " row"]:
    normal, other = np.log(np.maximum(probabilities[:, :2], TINY)).T
    return other - normal
