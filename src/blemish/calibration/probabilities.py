"""From a score to a probability by blind scores, and whether such probabilities come true."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from blemish.calibration.thresholds import clopper_pearson

LEAST_KNOWN = 2  # blind scores of labelled defects
EDGES = (0.0, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 1.0)
"""Of the bins of a reliability figure: most rows are surely no defect, and some surely are."""
CONFIDENCE = 0.9


def chance_of_defect(
    known: Float[np.ndarray, " defect"],
    ordinary: Float[np.ndarray, " held_out"],
    scores: Float[np.ndarray, " row"],
    share: float,
) -> Float[np.ndarray, " row"]:
    r"""Probability that a row is a defect, given its defect score.

    .. math:: \operatorname{logit} p = \operatorname{logit} \pi + a s + b

    where :math:`a s + b` is the log ratio of the score's densities among defects and ordinary rows, by logistic
    regression with both groups at the same total weight: how many defects were labelled says nothing of how many there
    are, so the share is an argument. A score that speaks against defects (a < 0) counts as saying nothing.

    Args:
        known: Scores of labelled defects by scorers that had not seen them, at least one.
        ordinary: Scores of ordinary rows that did not train the model, at least one.
        scores: To turn into probabilities.
        share: Assumed share of defects among these rows, in (0, 1).

    Returns:
        Shape (row,), in [0, 1].

    Reference:
        Platt, "Probabilistic outputs for support vector machines", 1999; the prior as in King and Zeng, "Logistic
        regression in rare events data", 2001, section 4.1.
    """
    return chance_at(scores, log_ratio(known, ordinary), share)


def chance_at(scores: Float[np.ndarray, " row"], ratio: tuple[float, float], share: float) -> Float[np.ndarray, " row"]:
    """`chance_of_defect` for a slope and an intercept that are known."""
    slope, intercept = ratio
    return expit(logit(share) + slope * scores + intercept)


def log_ratio(known: Float[np.ndarray, " defect"], ordinary: Float[np.ndarray, " held_out"]) -> tuple[float, float]:
    """Slope a and intercept b of `chance_of_defect`; both 0 where the score speaks against defects."""
    x, y = np.concatenate([known, ordinary])[:, None], np.repeat([1, 0], [len(known), len(ordinary)])
    middle, spread = float(x.mean()), float(x.std()) or 1.0
    model = LogisticRegression(class_weight="balanced").fit((x - middle) / spread, y)
    slope = float(model.coef_[0, 0]) / spread
    return (slope, float(model.intercept_[0]) - slope * middle) if slope > 0 else (0.0, 0.0)


@dataclass(frozen=True)
class Bin:
    """Rows of similar probability, and what became of them.

    Attributes:
        predicted: Their mean probability.
        observed: Share of defects among them.
        low: Lower end of the exact 90 % interval of that share.
        high: Upper end.
        n: Rows in the bin.
        n_defects: Defects among them.
    """

    predicted: float
    observed: float
    low: float
    high: float
    n: int
    n_defects: int


def reliability(
    p: Float[np.ndarray, " row"], defect: Bool[np.ndarray, " row"], share: float | None = None
) -> list[Bin]:
    """Do events of 20 % happen in one of five cases?

    Args:
        p: Probabilities that rows are defects.
        defect: Which of them are.
        share: Share of defects in the world that `p` speaks of: defects and other rows are weighed to it, because
            labelled defects are no random sample; None: the rows are a random sample.

    Returns:
        Bins that hold rows, by probability.

    Reference:
        Murphy and Winkler, "Reliability of subjective probability forecasts", Applied Statistics 26, 1977.
    """
    n_all = int(defect.sum())
    odds = 1.0 if share is None else share / (1 - share) * (len(p) - n_all) / max(n_all, 1)
    of_row, found = np.clip(np.searchsorted(EDGES, p, side="right") - 1, 0, len(EDGES) - 2), []
    for k in range(len(EDGES) - 1):
        here = of_row == k
        n, mine = int(here.sum()), int(defect[here].sum())
        if not n:
            continue
        weight = np.where(defect[here], odds, 1.0)
        low, high = (_weighed(bound, odds) for bound in clopper_pearson(mine, n, CONFIDENCE))
        found.append(Bin(float(np.average(p[here], weights=weight)), _weighed(mine / n, odds), low, high, n, mine))
    return found


def _weighed(share: float, odds: float) -> float:
    """A share of defects, each of which counts as so many rows."""
    return odds * share / (odds * share + 1 - share)


def brier(p: Float[np.ndarray, " row"], defect: Bool[np.ndarray, " row"]) -> float:
    """Mean squared difference of probability and outcome, 0 = best.

    Example:
        >>> brier(np.array([0.9, 0.1]), np.array([True, False]))
        0.01

    Reference:
        Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78, 1950.
    """
    return round(float(np.mean(np.square(p - defect))), 12)
