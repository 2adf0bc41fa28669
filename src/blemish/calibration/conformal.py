"""Conformal p-values: how many held-out rows score at least as high?"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import false_discovery_control

from blemish.calibration.thresholds import ordered


def conformal_p_values(
    calibration: Float[np.ndarray, " held_out"], scores: Float[np.ndarray, " row"]
) -> Float[np.ndarray, " row"]:
    r"""Probability that an ordinary row scores at least this high.

    .. math:: p = \frac{1 + \#\{c : c \ge s\}}{n + 1}

    Valid at every level if calibration rows and an ordinary new row are exchangeable; outliers hidden among the
    calibration rows only make it larger.

    Args:
        calibration: Scores of rows that did not train the model.
        scores: Of the new rows.

    Raises:
        DataError: If a score is NaN.

    Example:
        >>> conformal_p_values(np.array([1.0, 2.0, 2.0]), np.array([2.0, 3.0])).tolist()
        [0.75, 0.25]

    Reference:
        Bates et al., "Testing for outliers with conformal p-values", Annals of Statistics 51, 2023, eq. (2).
    """
    return (1 + _as_high(calibration, scores)) / (len(calibration) + 1)


def _as_high(calibration: Float[np.ndarray, " held_out"], scores: Float[np.ndarray, " row"]) -> Int[np.ndarray, " row"]:
    ordered(scores)  # a NaN would get the smallest p-value of all
    return len(calibration) - np.searchsorted(ordered(calibration), scores, side="left")


def cross_conformal_p_values(
    folds: Sequence[Float[np.ndarray, " _"]], scores: Float[np.ndarray, "fold row"]
) -> Float[np.ndarray, " row"]:
    r"""The same where no row is held out permanently: each fold of the rows is scored by a fit without that fold.

    .. math:: p = \frac{1 + \sum_k \#\{c \in C_k : c \ge s_k\}}{n + 1}

    where fit k gives the scores :math:`C_k` to the rows that it has not seen and :math:`s_k` to the new row. Not valid
    at every level as one held-out set is: with K equal folds it is only certain that
    :math:`P(p \le \alpha) \le 2\alpha + 2(1 - \alpha)(K - 1)/(n + K)`. That takes fits that contradict each other;
    where they agree, it is near :math:`\alpha` or below.

    Args:
        folds: For each fit the scores of the rows that it has not seen.
        scores: Scores of the new rows by each fit.

    Raises:
        DataError: If a score is NaN.

    Example:
        >>> cross_conformal_p_values([np.array([1.0]), np.array([2.0, 5.0])], np.array([[2.0], [2.0]])).tolist()
        [0.75]

    Reference:
        Vovk, "Cross-conformal predictors", Annals of Mathematics and Artificial Intelligence 74, 2015. The bound
        follows from twice the mean of K p-values being one: Vovk and Wang, "Combining p-values via averaging",
        Biometrika 107, 2020; see Barber et al., "Predictive inference with the jackknife+", 2021, theorem 4.
    """
    # Twice the level is all that is certain, so this is a call of its own and not the default (decisions.md 42).
    above = [_as_high(fold, some) for fold, some in zip(folds, scores, strict=True)]
    return (1 + np.sum(above, axis=0)) / (sum(map(len, folds)) + 1)


def discoveries(p_values: Float[np.ndarray, " row"], fdr: float) -> Bool[np.ndarray, " row"]:
    """Rows to report so that at most a fraction `fdr`, in (0, 1), of them is expected to be ordinary.

    Reference:
        Benjamini and Hochberg, "Controlling the false discovery rate", JRSS B 57, 1995.
    """
    return false_discovery_control(p_values) <= fdr
