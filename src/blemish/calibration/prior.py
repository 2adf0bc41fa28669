"""The assumed fractions of the groups, and probabilities under other fractions."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from blemish.core.errors import ConfigError
from blemish.core.labels import CLASSES
from blemish.scoring.mixture import PRIOR


def prior_of(defect: float, other: float | None = None) -> dict[str, float]:
    """Fractions of the three groups, checked.

    Args:
        defect: Expected fraction of defects among the rows to score, in (0, 1).
        other: Expected fraction of other outliers, in [0, 1); None: the usual fraction of what is not a defect.

    Raises:
        ConfigError: If a fraction lies outside, or nothing is left for the normal rows.

    Example:
        >>> prior_of(0.01, 0.05)
        {'normal': 0.94, 'other': 0.05, 'defect': 0.01}
    """
    if not 0 < defect < 1:
        raise ConfigError(f"defect={defect!r} must lie strictly between 0 and 1: it is a fraction of the rows")
    if other is None:
        other = (1 - defect) * PRIOR["other"] / (PRIOR["normal"] + PRIOR["other"])
    if not 0 <= other < 1:
        raise ConfigError(f"other={other!r} must lie between 0 and 1: it is a fraction of the rows")
    if defect + other >= 1:
        raise ConfigError(f"defect={defect:g} and other={other:g} leave nothing for normal rows; give less")
    return {"normal": round(1 - defect - other, 12), "other": float(other), "defect": float(defect)}


def reweighted(
    probabilities: Float[np.ndarray, "row 3"], before: Mapping[str, float], after: Mapping[str, float]
) -> Float[np.ndarray, "row 3"]:
    r"""Probabilities under another prior.

    .. math:: p'_k \propto p_k \, \pi'_k / \pi_k

    Args:
        probabilities: Of normal, other and defect; rows sum to 1.
        before: The fractions of the groups that they assume.
        after: The fractions to assume.

    Returns:
        Shape (row, 3); rows sum to 1.

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
