"""Where to cut a score so that a target is met."""

from math import ceil, floor

import numpy as np
from jaxtyping import Float
from scipy.stats import beta

from blemish.core.errors import ConfigError, DataError


def for_false_positive_rate(calibration: Float[np.ndarray, " held_out"], rate: float) -> float:
    """The score that an ordinary new row exceeds with a probability of at most `rate`.

    The (n + 1)(1 - rate)-th smallest of the n calibration scores, rounded up.

    Args:
        calibration: Scores of ordinary rows that did not train the model, shape (held_out,).
        rate: In (0, 1).

    Raises:
        DataError: If there are too few calibration rows for a rate this low.

    Reference:
        Vovk et al., "Algorithmic learning in a random world", 2005, proposition 4.1.
    """
    _check_fraction("false_positive_rate", rate)
    rank = ceil((len(calibration) + 1) * (1 - rate) - 1e-9)
    if rank > len(calibration):
        raise DataError(
            f"a false positive rate of {rate:g} needs at least {ceil(1 / rate) - 1} held-out rows, there are "
            f"{len(calibration)}; fit on more rows or allow more"
        )
    return float(ordered(calibration)[rank - 1])


def ordered(scores: Float[np.ndarray, " some"]) -> Float[np.ndarray, " some"]:
    """Scores, smallest first.

    Raises:
        DataError: If one is NaN: it has no rank among the others, and would count as the highest.
    """
    missing = int(np.isnan(scores).sum())
    if missing:
        raise DataError(f"{missing} of {len(scores)} score(s) are NaN; leave those rows out, or fit again")
    return np.sort(scores)


def for_fraction(calibration: Float[np.ndarray, " row"], fraction: float) -> float:
    """The quantile that leaves at most this fraction of the scores above: a default, without a promise.

    Example:
        >>> for_fraction(np.array([1.0, 2.0, 3.0, 4.0]), 0.25)
        4.0
    """
    return float(np.quantile(ordered(calibration), 1 - fraction, method="higher"))


def for_contamination(calibration: Float[np.ndarray, " held_out"], fraction: float) -> float:
    """The score that this fraction of rows like the training rows, including their outliers, exceeds.

    Args:
        calibration: Scores of held-out rows.
        fraction: In (0, 1).
    """
    _check_fraction("contamination", fraction)
    return for_fraction(calibration, fraction)


def for_budget(calibration: Float[np.ndarray, " held_out"], budget: int) -> float:
    """The score that `budget` rows of a batch as large as the calibration set exceed.

    Raises:
        DataError: If the budget is not between 1 and the number of rows - 1.
    """
    if not 1 <= budget < len(calibration):
        raise DataError(f"budget={budget} must lie between 1 and {len(calibration) - 1}, the calibration rows less one")
    return float(ordered(calibration)[len(calibration) - budget - 1])


def for_recall(out_of_fold: Float[np.ndarray, " defect"], recall: float) -> float:
    """The highest score that leaves this fraction of new defects above.

    Args:
        out_of_fold: Scores of labelled defects, each by a scorer fitted without it, shape (defect,).
        recall: In (0, 1).

    Raises:
        DataError: If there are too few labelled defects to lower the threshold far enough.
    """
    _check_fraction("recall", recall)
    rank = floor((len(out_of_fold) + 1) * (1 - recall) + 1e-9)
    if rank < 1:
        n, needed = len(out_of_fold), ceil(recall / (1 - recall) - 1e-9)
        most = f"; {n} support at most recall={floor(100 * n / (n + 1)) / 100:g}" if n else ""
        raise DataError(
            f"recall={recall:g} needs at least {needed} labelled defects, "
            f"there are {n}{most}; label more or ask for less"
        )
    return float(np.nextafter(ordered(out_of_fold)[rank - 1], -np.inf))


def for_precision(
    out_of_fold: Float[np.ndarray, " defect"], negatives: Float[np.ndarray, " negative"], precision: float
) -> float:
    """The lowest score above which this fraction of the labelled rows are defects.

    Args:
        out_of_fold: Scores of labelled defects, each by a scorer fitted without it.
        negatives: Scores of rows labelled 'normal' or 'other'.
        precision: In (0, 1).

    Raises:
        DataError: If nothing was labelled 'normal' or 'other', or no threshold reaches the target.
    """
    _check_fraction("precision", precision)
    if not len(negatives):
        raise DataError(
            "precision needs rows labelled 'other' or 'normal' in addition to the defects; mark some and refit"
        )
    for cut in ordered(np.concatenate([out_of_fold, negatives])):
        above, false = (out_of_fold >= cut).sum(), (negatives >= cut).sum()
        if above and above / (above + false) >= precision:
            return float(np.nextafter(cut, -np.inf))
    n = len(out_of_fold) + len(negatives)
    raise DataError(f"no threshold has precision {precision:g} on the {n} labelled rows; ask for less or label more")


def clopper_pearson(successes: int, n: int, confidence: float = 0.9) -> tuple[float, float]:
    """Exact interval of a fraction from `successes` out of `n`.

    Example:
        >>> [round(bound, 2) for bound in clopper_pearson(8, 8)]
        [0.69, 1.0]

    Reference:
        Clopper and Pearson, "The use of confidence or fiducial limits", Biometrika 26, 1934.
    """
    tail = (1 - confidence) / 2
    low = 0.0 if successes == 0 else float(beta.ppf(tail, successes, n - successes + 1))
    high = 1.0 if successes == n else float(beta.ppf(1 - tail, successes + 1, n - successes))
    return low, high


def _check_fraction(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ConfigError(f"{name}={value!r} must lie strictly between 0 and 1")
