"""Conformal p-values: how many held-out rows score at least as high?"""

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import false_discovery_control

from blemish.scoring.thresholds import ordered


def conformal_p_values(
    calibration: Float[np.ndarray, " held_out"], scores: Float[np.ndarray, " row"]
) -> Float[np.ndarray, " row"]:
    r"""Chance under "an ordinary row" of a score at least this high.

    .. math:: p = \frac{1 + \#\{c : c \ge s\}}{n + 1}

    Valid at every level if calibration rows and an ordinary new row are exchangeable; outliers hidden among the
    calibration rows only make it larger.

    Args:
        calibration: Scores of rows that did not train the model, shape (held_out,).
        scores: Shape (row,).

    Returns:
        Shape (row,), in (0, 1].

    Raises:
        DataError: If a score is NaN.

    Example:
        >>> conformal_p_values(np.array([1.0, 2.0, 2.0]), np.array([2.0, 3.0])).tolist()
        [0.75, 0.25]

    Reference:
        Bates et al., "Testing for outliers with conformal p-values", Annals of Statistics 51, 2023, eq. (2).
    """
    ordered(scores)  # a NaN would get the smallest p-value of all
    below = np.searchsorted(ordered(calibration), scores, side="left")
    return (1 + len(calibration) - below) / (len(calibration) + 1)


def discoveries(p_values: Float[np.ndarray, " row"], fdr: float) -> Bool[np.ndarray, " row"]:
    """Rows to report so that at most a share `fdr` of them is expected to be ordinary.

    Args:
        p_values: Shape (row,), in (0, 1].
        fdr: In (0, 1).

    Reference:
        Benjamini and Hochberg, "Controlling the false discovery rate", JRSS B 57, 1995.
    """
    return false_discovery_control(p_values) <= fdr
