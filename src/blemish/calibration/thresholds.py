"""Where to cut a score so that a target is met, and what can be said of it with the labels at hand."""

from math import ceil, floor

import numpy as np
from jaxtyping import Float
from scipy.stats import beta

from blemish.core.errors import ConfigError, DataError


def for_false_positive_rate(calibration: Float[np.ndarray, " held_out"], rate: float) -> float:
    """The score that an ordinary new row exceeds with a chance of at most `rate`.

    The (n + 1)(1 - rate)-th smallest of the n calibration scores, rounded up.

    Args:
        calibration: Scores of ordinary rows that did not train the model, shape (held_out,).
        rate: In (0, 1).

    Raises:
        DataError: If there are too few calibration rows for so low a rate.

    Reference:
        Vovk et al., "Algorithmic learning in a random world", 2005, proposition 4.1.
    """
    _check_share("false_positive_rate", rate)
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
        DataError: If one is NaN: it has no place among the others, and would count as the highest.
    """
    missing = int(np.isnan(scores).sum())
    if missing:
        raise DataError(f"{missing} of {len(scores)} score(s) are NaN; leave those rows out, or fit again")
    return np.sort(scores)


def for_share(calibration: Float[np.ndarray, " row"], share: float) -> float:
    """The quantile that leaves at most this share of the scores above: a default, without a promise.

    Example:
        >>> for_share(np.array([1.0, 2.0, 3.0, 4.0]), 0.25)
        4.0
    """
    return float(np.quantile(ordered(calibration), 1 - share, method="higher"))


def for_contamination(calibration: Float[np.ndarray, " held_out"], share: float) -> float:
    """The score that this share of rows like the training rows, outliers among them, exceeds.

    Args:
        calibration: Scores of held-out rows.
        share: In (0, 1).
    """
    _check_share("contamination", share)
    return for_share(calibration, share)


def for_budget(calibration: Float[np.ndarray, " held_out"], budget: int) -> float:
    """The score that `budget` rows of a batch as large as the calibration set exceed.

    Raises:
        DataError: If the budget is not between 1 and the number of rows - 1.
    """
    if not 1 <= budget < len(calibration):
        raise DataError(f"budget={budget} must lie between 1 and {len(calibration) - 1}, the calibration rows less one")
    return float(ordered(calibration)[len(calibration) - budget - 1])


def for_recall(known: Float[np.ndarray, " defect"], recall: float) -> float:
    """The score just below which this share of the labelled defects lies above.

    Args:
        known: Scores of labelled defects, each by a scorer that has not seen it, shape (defect,).
        recall: In (0, 1).

    Raises:
        DataError: If there are too few labelled defects to lower the threshold far enough.
    """
    _check_share("recall", recall)
    rank = floor((len(known) + 1) * (1 - recall) + 1e-9)
    if rank < 1:
        n, needed = len(known), ceil(recall / (1 - recall) - 1e-9)
        most = f"; {n} support at most recall={floor(100 * n / (n + 1)) / 100:g}" if n else ""
        raise DataError(
            f"recall={recall:g} needs at least {needed} labelled defects, "
            f"there are {n}{most}; label more or ask for less"
        )
    return float(np.nextafter(ordered(known)[rank - 1], -np.inf))


def for_precision(
    known: Float[np.ndarray, " defect"], rejected: Float[np.ndarray, " rejected"], precision: float
) -> float:
    """The lowest score above which this share of the labelled rows are defects.

    Args:
        known: Scores of labelled defects, each by a scorer that has not seen it.
        rejected: Scores of rows labelled 'normal' or 'other'.
        precision: In (0, 1).

    Raises:
        DataError: If nothing was labelled 'normal' or 'other', or no threshold reaches the target.
    """
    _check_share("precision", precision)
    if not len(rejected):
        raise DataError("precision needs rows labelled 'other' or 'normal' beside the defects; mark some and refit")
    for cut in ordered(np.concatenate([known, rejected])):
        above, false = (known >= cut).sum(), (rejected >= cut).sum()
        if above and above / (above + false) >= precision:
            return float(np.nextafter(cut, -np.inf))
    raise DataError(f"no threshold has precision {precision:g} on the {len(known) + len(rejected)} labelled rows")


def clopper_pearson(successes: int, n: int, confidence: float = 0.9) -> tuple[float, float]:
    """Exact interval of a share from `successes` out of `n`.

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


def _check_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ConfigError(f"{name}={value!r} must lie strictly between 0 and 1")
