"""Few ordinary rows, each judged by a model that has not seen it: what a cut rests on where none can be held out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int
from scipy.special import expit

from blemish.core.groups import Clusters, together
from blemish.core.labels import DEFECT, is_ordinary
from blemish.core.state import State
from blemish.scoring.scorer import LOG_OFFSET, Evidence, Scorer, Scores, part_scores

FOLDS = 4
MIN_TO_CROSS_FIT = 4  # ordinary rows: each of two folds leaves two to learn from
MATCHED = (0.5, 0.9)  # quantiles of the odds
MAX_UNIT = 2.0  # errors of rows that were memorised tell little: a fold may have memorised far better than the model
MIN_SLOPE = 0.01  # the order of the odds is kept
TINY = 1e-300  # a probability of 0 has odds, too
MAX_NATS = 300.0  # nats that are told from other odds: less than those of TINY


@dataclass(frozen=True)
class Fold:
    """What a model measures that was trained without some of the ordinary rows.

    Attributes:
        evidence: Of all rows of the fit.
        held_out: Numbers of the rows that it has not seen; of groups, one row each.
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
        odds: See `odds_within`, of the rows of folds with a network of their own: they depend on its error.
        of_parts: Of their parts, one row after the other; None where there are none.
        kinds: Defect scores of each kind alone, where there are several; None for a kind without labels.
    """

    outlier: Float[np.ndarray, " ordinary"]
    defect: Float[np.ndarray, " ordinary"] | None
    odds: Float[np.ndarray, " some"]
    of_parts: Float[np.ndarray, " part"] | None
    kinds: tuple[Float[np.ndarray, " ordinary"] | None, ...] = ()


def out_of_fold(
    scorer: Scorer,
    whole: State,
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
        scorer: Fitted once per fold.
        whole: What it learnt from all rows, which gives the scale.
        folds: At least one.
        error: Of all rows by the model that they trained.
        group: Groups of all rows; some may have been labelled since the folds were dealt.
        seed: Of the scorer.
        labelled: Whether defects are labelled.
    """
    found, odds, of_parts = [], [], []
    for fold in folds:
        held_out, seen = split(fold.held_out, group, fold.evidence.cluster)
        trained = seen[is_ordinary(group[seen])]
        unit = (error[trained].mean() + LOG_OFFSET) / (fold.evidence.error[trained].mean() + LOG_OFFSET)
        evidence = replace(fold.evidence, error=fold.evidence.error * np.clip(unit, 1 / MAX_UNIT, MAX_UNIT))
        state = scorer.fit_fold(evidence[seen], group[seen], seed, whole)
        found.append(scorer.scores(state, evidence[held_out], labelled=labelled))
        odds += [odds_within(found[-1])] if fold.own_network else []
        of_parts.append(part_scores(scorer, state, evidence[held_out].parts, labelled=labelled))
    defect = [one.defect for one in found if one.defect is not None]
    return Unseen(
        np.concatenate([one.outlier for one in found]),
        np.concatenate(defect) if labelled else None,
        np.concatenate(odds),
        np.concatenate(of_parts) if of_parts[0] is not None else None,
        tuple(
            None if each[0].defect is None else np.concatenate([one.defect for one in each])
            for each in zip(*(one.kinds for one in found), strict=True)
        ),
    )


def split(
    held_out: Int[np.ndarray, " some"], group: Int[np.ndarray, " row"], cluster: Clusters
) -> tuple[Int[np.ndarray, " held_out"], Int[np.ndarray, " seen"]]:
    """The rows of a fold that judge, and those that a scorer learns from: none of a group that judges.

    A row labelled since trains. Where all labelled defects are of groups of the fold, these train and do not judge.
    """
    held_out = held_out[is_ordinary(group[held_out])]
    seen, defects = np.flatnonzero(~together(held_out, cluster, len(group))), np.flatnonzero(group == DEFECT)
    if len(defects) and not np.isin(defects, seen).any():
        held_out = held_out[~together(defects, cluster, len(group))[held_out]]
        seen = np.flatnonzero(~together(held_out, cluster, len(group)))
    return held_out, seen


def odds_within(found: Scores) -> Float[np.ndarray, " row"]:
    """Log-odds of other against normal, as if no row lay beyond the training rows."""
    normal, other = np.log(np.maximum(found.probabilities[:, :2], TINY)).T
    return other - normal - np.minimum(found.beyond, MAX_NATS)


def odds_correction(
    memorised: Float[np.ndarray, " row"], unseen: Float[np.ndarray, " some"]
) -> Float[np.ndarray, " 3"]:
    """Slope, intercept and end of a line that makes the log-odds of 'other' of unseen ordinary rows the expected ones.

    A scorer takes the spread of rows that trained the model for that of new ones: of 20 rows four fifths of the new
    ones were 'other' (decisions.md 81). Matched are the median and the 90 % quantile; odds are never raised.
    Beyond that quantile the slope is 1: what is far off keeps its distance.

    Args:
        memorised: `odds_within` of ordinary rows by the model that they trained.
        unseen: `odds_within` of ordinary rows out of fold.
    """
    (expected, high), (median, top) = (np.quantile(odds, MATCHED) for odds in (memorised, unseen))
    slope = np.clip((high - expected) / (top - median), MIN_SLOPE, 1.0) if top > median else 1.0
    return np.array([slope, min(expected - slope * median, 0.0), top])


def with_corrected_odds(
    found: Scores, correction: Float[np.ndarray, " 3"], n_ordinary: int
) -> Float[np.ndarray, "row 3"]:
    """Probabilities with the odds of 'other' against 'normal' corrected; that of the defect stays.

    Not corrected is what lying beyond the training rows adds: its distances are out-of-fold ones already, and an error
    that was memorised would make normal rows of those that are far from everything. One of n ordinary rows lies beyond,
    by b nats one of n exp(b); so there the odds rise by the logarithm of that.

    Args:
        found: Scores of any rows.
        correction: What `odds_correction` gave.
        n_ordinary: Ordinary rows that it was learnt from.
    """
    (slope, intercept, end), odds = correction, odds_within(found)
    within = slope * np.minimum(odds, end) + intercept + np.maximum(odds - end, 0.0)
    other = expit(within + np.log1p(n_ordinary * np.expm1(np.minimum(found.beyond, MAX_NATS))))
    rest = found.probabilities[:, 0] + found.probabilities[:, 1]
    return np.stack([rest * (1 - other), rest * other, found.probabilities[:, 2]]).T
