"""From a score to the probability of a defect, under any prior, and whether such probabilities are calibrated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import expit, logit, softmax
from sklearn.linear_model import LogisticRegression

from blemish.calibration.thresholds import clopper_pearson
from blemish.core.errors import ConfigError
from blemish.core.labels import CLASSES, ONE_KIND
from blemish.scoring.mixture import PRIOR

EPSILON = 1e-15  # a probability this close to 1 has odds, too
MIN_OUT_OF_FOLD = 2  # scores of labelled defects, before there is a slope to fit
EDGES = (0.0, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 1.0)
"""Edges of the bins of a reliability figure, finer at both ends, where most rows lie."""


def defect_probability(
    out_of_fold: Float[np.ndarray, " defect"],
    ordinary: Float[np.ndarray, " held_out"],
    scores: Float[np.ndarray, " row"],
    prior: float,
) -> Float[np.ndarray, " row"]:
    r"""Probability that a row is a defect, given its defect score.

    .. math:: \operatorname{logit} p = \operatorname{logit} \pi + a s + b

    where :math:`a s + b` is the log ratio of the score's densities among defects and ordinary rows, by logistic
    regression with both groups at the same total weight: how many defects were labelled does not tell how many there
    are, so their fraction is an argument (decisions.md 33). A score that is lower at defects (a < 0) is not used.

    Args:
        out_of_fold: Scores of labelled defects by scorers fitted without them, at least one.
        ordinary: Scores of ordinary rows that did not train the model, at least one.
        scores: To turn into probabilities.
        prior: Assumed fraction of defects among these rows, in (0, 1).

    Reference:
        Platt, "Probabilistic outputs for support vector machines", 1999; the prior as in King and Zeng, "Logistic
        regression in rare events data", 2001, section 4.1.
    """
    return probability_at(scores, log_ratio(out_of_fold, ordinary), prior)


def probability_at(
    scores: Float[np.ndarray, " row"], ratio: tuple[float, float], prior: float
) -> Float[np.ndarray, " row"]:
    """`defect_probability` for a known slope and intercept."""
    slope, intercept = ratio
    return expit(logit(prior) + slope * scores + intercept)


def shared(log_odds: Sequence[Float[np.ndarray, " row"]], share: Mapping[str, float]) -> Float[np.ndarray, "kind row"]:
    r"""Probability of each of several kinds of defect, from its odds against the rows that are not a defect.

    .. math:: p_k = \frac{\pi_k r_k}{\pi_0 + \sum_j \pi_j r_j}, \quad \pi_0 = 1 - \sum_j \pi_j

    where :math:`r_k` is the ratio of densities that the odds of one kind alone stand for: each is calibrated on
    out-of-fold scores of its own labelled defects, and a row that is like two kinds shares its probability.

    Args:
        log_odds: Of each kind alone, under its own fraction.
        share: Assumed fraction of each kind, in the same order.
    """
    priors = np.array(list(share.values()))
    weights = np.stack(log_odds) + np.log1p(-priors)[:, None]
    found = np.vstack([np.full(weights.shape[1], np.log1p(-priors.sum())), weights])
    return softmax(found, axis=0)[1:]


def log_ratio(
    out_of_fold: Float[np.ndarray, " defect"], ordinary: Float[np.ndarray, " held_out"]
) -> tuple[float, float]:
    """Slope a and intercept b of `defect_probability`; both 0 where the score is lower at defects."""
    x, y = np.concatenate([out_of_fold, ordinary])[:, None], np.repeat([1, 0], [len(out_of_fold), len(ordinary)])
    middle, spread = float(x.mean()), float(x.std()) or 1.0
    model = LogisticRegression(class_weight="balanced").fit((x - middle) / spread, y)
    slope = float(model.coef_[0, 0]) / spread
    return (slope, float(model.intercept_[0]) - slope * middle) if slope > 0 else (0.0, 0.0)


@dataclass(frozen=True)
class Bin:
    """Rows of similar probability, and how many of them are defects.

    Attributes:
        predicted: Their mean probability.
        observed: Fraction of defects among them.
        low: Lower end of the exact 90 % interval of that fraction.
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
    p: Float[np.ndarray, " row"], defect: Bool[np.ndarray, " row"], prior: float | None = None
) -> list[Bin]:
    """Do events with a probability of 20 % happen in one of five cases?

    Args:
        p: Probabilities that rows are defects.
        defect: Which of them are.
        prior: Fraction of defects that `p` assumes: defects and other rows are weighted to it, because labelled defects
            are not a random sample; None: the rows are a random sample.

    Returns:
        The bins that are not empty, by probability.

    Reference:
        Murphy and Winkler, "Reliability of subjective probability forecasts", Applied Statistics 26, 1977.
    """
    n_all = int(defect.sum())
    odds = 1.0 if prior is None else prior / (1 - prior) * (len(p) - n_all) / max(n_all, 1)
    of_row, found = np.clip(np.searchsorted(EDGES, p, side="right") - 1, 0, len(EDGES) - 2), []
    for k in range(len(EDGES) - 1):
        here = of_row == k
        n, n_defects = int(here.sum()), int(defect[here].sum())
        if not n:
            continue
        weight = np.where(defect[here], odds, 1.0)
        low, high = (_weighted(bound, odds) for bound in clopper_pearson(n_defects, n))
        found.append(
            Bin(float(np.average(p[here], weights=weight)), _weighted(n_defects / n, odds), low, high, n, n_defects)
        )
    return found


def _weighted(fraction: float, odds: float) -> float:
    """A fraction of defects, where each defect counts as `odds` rows."""
    return odds * fraction / (odds * fraction + 1 - fraction)


def brier(p: Float[np.ndarray, " row"], defect: Bool[np.ndarray, " row"]) -> float:
    """Mean squared difference of probability and outcome, 0 = best.

    Example:
        >>> brier(np.array([0.9, 0.1]), np.array([True, False]))
        0.01

    Reference:
        Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78, 1950.
    """
    return round(float(np.mean(np.square(p - defect))), 12)


def prior_of(
    defect: float | Mapping[str, float], other: float | None = None, kinds: tuple[str, ...] = ONE_KIND
) -> dict[str, float]:
    """Fractions of the groups, checked.

    Args:
        defect: Expected fraction of defects among the rows to score, in (0, 1), the same for each kind; or a fraction
            for each kind by its word.
        other: Expected fraction of other outliers, in [0, 1); None: the usual fraction of what is not a defect.
        kinds: Words of the kinds of defect.

    Raises:
        ConfigError: If a fraction lies outside, or nothing is left for the normal rows.

    Example:
        >>> prior_of(0.01, 0.05)
        {'normal': 0.94, 'other': 0.05, 'defect': 0.01}
        >>> prior_of({"crack": 0.01, "pinhole": 0.04}, 0.05, ("crack", "pinhole"))
        {'normal': 0.9, 'other': 0.05, 'crack': 0.01, 'pinhole': 0.04}
    """
    each = dict(defect) if isinstance(defect, Mapping) else dict.fromkeys(kinds, defect / len(kinds))
    if set(each) != set(kinds):
        raise ConfigError(
            f"defect names the kinds {', '.join(map(str, each))}; give one for each of {', '.join(kinds)}"
        )
    total = sum(each.values())
    if not (all(0 < one < 1 for one in each.values()) and total < 1):
        raise ConfigError(f"defect={defect!r} must lie strictly between 0 and 1: it is a fraction of the rows")
    if other is None:
        other = (1 - total) * PRIOR["other"] / (PRIOR["normal"] + PRIOR["other"])
    if not 0 <= other < 1:
        raise ConfigError(f"other={other!r} must lie between 0 and 1: it is a fraction of the rows")
    if total + other >= 1:
        raise ConfigError(f"defect={total:g} and other={other:g} leave nothing for normal rows; give less")
    return {"normal": round(1 - total - other, 12), "other": float(other), **{k: float(each[k]) for k in kinds}}


def reweighted(
    probabilities: Float[np.ndarray, "row 3"], before: Mapping[str, float], after: Mapping[str, float]
) -> Float[np.ndarray, "row 3"]:
    r"""Probabilities under another prior.

    .. math:: p'_k \propto p_k \, \pi'_k / \pi_k

    The fractions of the groups `before` are those that the probabilities assume, `after` those to assume.

    Reference:
        Saerens, Latinne and Decaestecker, "Adjusting the outputs of a classifier to new a priori probabilities",
        Neural Computation 14, 2002, eq. (2.4).
    """
    ratio = np.array([after[name] / before[name] for name in CLASSES])
    if (ratio == 1).all():
        return probabilities
    weighted = probabilities * ratio
    total = weighted.sum(axis=1, keepdims=True)
    return np.where(total > 0, weighted / np.where(total > 0, total, 1.0), probabilities)
