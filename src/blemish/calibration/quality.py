"""Warnings where scores cannot be reliable, and what to do about it."""

import warnings

import numpy as np
from jaxtyping import Float

from blemish.calibration.calibration import Calibration
from blemish.calibration.held_out import MIN_HELD_OUT, MIN_ORDINARY
from blemish.core.errors import QualityWarning
from blemish.core.metrics import fraction_below

MIN_JUDGED, MIN_GAP = 4, 0.05  # labelled defects, and fraction of ordinary rows, before labels are called useless


def warn_of_quality(calibration: Calibration, outlier_of_defects: Float[np.ndarray, " defect"], spread: float) -> None:
    """Warn where the scores cannot be reliable, and say what to do.

    Args:
        calibration: Of the fit.
        outlier_of_defects: Outlier score of each labelled defect.
        spread: Standard deviation of the normals' codes.
    """
    ordinary = calibration.outlier
    # From two rows on everything can be computed, but a cut at the highest 5 % needs twenty (decisions.md 53).
    if len(ordinary) < MIN_HELD_OUT:
        _warn(
            f"only {len(ordinary)} unlabelled or normal sample(s): scores are unreliable; use at least {MIN_HELD_OUT}, "
            f"and at least {MIN_ORDINARY} for promises about new data"
        )
    if len(ordinary) > 1 and np.unique(ordinary).size == 1:
        _warn(
            "all outlier scores are equal: the rows are all equal, or the model collapsed; then raise latent_dim or "
            "lower lr"
        )
    elif len(ordinary) > 1 and spread < 1e-6:
        _warn("all codes are equal: the latent space collapsed; lower lr, or the weight of losses that shrink the code")
    if calibration.defect is None or len(calibration.out_of_fold) < MIN_JUDGED:
        return
    labelled = fraction_below(calibration.defect, calibration.out_of_fold)
    unlabelled = fraction_below(ordinary, outlier_of_defects)
    if labelled < unlabelled - MIN_GAP:
        _warn(
            f"by cross-validation over {len(calibration.out_of_fold)} labelled defects, defect_score puts them above "
            f"{labelled:.0%} of the ordinary rows and outlier_score above {unlabelled:.0%}: the labels do not improve "
            "the ranking yet; label more defects, or check the labels"
        )


def _warn(message: str) -> None:
    warnings.warn(message, QualityWarning, stacklevel=6)
