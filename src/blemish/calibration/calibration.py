"""What every threshold, p-value and probability is read from: scores of rows that the scorer was not fitted on."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, Float32, Float64, Int, Int64

from blemish.core.errors import QualityWarning
from blemish.core.groups import Clusters, one_each, together
from blemish.core.labels import is_ordinary
from blemish.core.metrics import fraction_below
from blemish.core.state import State, need

# Calibration on training rows promises too much: their scores are lower than those of new rows (decisions.md 5).
HELD_OUT, MIN_HELD_OUT, MAX_HELD_OUT = 0.2, 20, 1000
MIN_TO_HOLD_OUT = round(MIN_HELD_OUT / HELD_OUT)  # ordinary rows, before some are held out
MIN_JUDGED, MIN_GAP = 4, 0.05  # labelled defects, and fraction of ordinary rows, before labels are called useless


def hold_out(
    group: Int[np.ndarray, " row"], rng: np.random.Generator, cluster: Clusters = None
) -> Int[np.ndarray, " held_out"]:
    """Unlabelled and normal rows for calibration: a fifth of them, none where that would be fewer than 20.

    Where there are groups, one row of each of a fifth of those without labelled outliers, which train as a whole.
    """
    rows = one_each(apart_from_outliers(group, cluster), cluster, rng)
    n = min(MAX_HELD_OUT, int(HELD_OUT * len(rows)))
    return np.sort(rng.permutation(rows)[:n]) if n >= MIN_HELD_OUT else rows[:0]


def apart_from_outliers(group: Int[np.ndarray, " row"], cluster: Clusters) -> Int[np.ndarray, " some"]:
    """Unlabelled and normal rows whose group holds no labelled outlier."""
    outliers = np.flatnonzero(~is_ordinary(group))
    return np.flatnonzero(~together(outliers, cluster, len(group)))


def still_held_out(
    before: Int[np.ndarray, " held_out"], group: Int[np.ndarray, " row"], cluster: Clusters = None
) -> Int[np.ndarray, " still"]:
    """Rows held out before that are still there and unlabelled or normal: no row that was trained on joins them."""
    there = before[np.isin(before, apart_from_outliers(group, cluster))]
    return there if cluster is None else there[np.sort(np.unique(cluster[there], return_index=True)[1])]


def _none() -> np.ndarray:
    return np.empty(0)


@dataclass(frozen=True)
class Calibration(State):
    """Scores behind the decisions of a fit.

    Attributes:
        outlier: Outlier scores of ordinary rows, ascending, shape (ordinary,): held-out rows where there are any, else
            training rows, out of fold where there are enough of them.
        defect: Defect scores of the same number of ordinary rows, ascending; None where no defect is labelled.
        out_of_fold: Defect score of each labelled defect by a scorer fitted without it, shape (defect,); empty for a
            single one.
        labelled_negatives: Defect scores of the rows labelled 'other' or 'normal', shape (negative,).
        odds: What `odds_correction` gave where the scores are out of fold; else None.
        counted: Where there are groups: positions of one labelled defect and one labelled negative of each, among the
            defects, then the negatives; the ordinary rows are then one of each group, too. None: all count.
    """

    may_be_empty = ("defect", "negative", "counted")
    stored_as: ClassVar[Mapping[str, str]] = {"out_of_fold": "known", "labelled_negatives": "rejected"}

    outlier: Float64[np.ndarray, " ordinary"]
    defect: Float64[np.ndarray, " ordinary"] | None = None
    out_of_fold: Float64[np.ndarray, " defect"] = field(default_factory=_none)
    labelled_negatives: Float64[np.ndarray, " negative"] = field(default_factory=_none)
    odds: Float64[np.ndarray, " 3"] | None = None
    counted: Int64[np.ndarray, " counted"] | None = None

    def arrays(self) -> dict[str, np.ndarray]:
        """See `State`; those of labels are left out where no defect is labelled."""
        of_labels = {} if self.defect is not None else {"defect", "known", "rejected"}
        return {name: array for name, array in super().arrays().items() if name not in of_labels}

    def check(self) -> None:
        """See `State`."""
        need(np.diff(self.outlier) >= 0, "the outlier scores do not ascend")
        need(np.diff(self.ordinary) >= 0, "the defect scores do not ascend")
        need(self.odds is None or 0 < self.odds[0] <= 1, "the slope of the odds is not in (0, 1]")

    @property
    def ordinary(self) -> Float[np.ndarray, " ordinary"]:
        """The score that is cut, for the ordinary rows: the defect score where defects are labelled."""
        return self.outlier if self.defect is None else self.defect

    def independent(self, n_defects: int) -> "Calibration":
        """With one labelled defect and one labelled negative of each group; the same where there are no groups."""
        if self.counted is None:
            return self
        defects, negatives = self.counted[self.counted < n_defects], self.counted[self.counted >= n_defects] - n_defects
        return replace(
            self,
            out_of_fold=self.out_of_fold[defects[defects < len(self.out_of_fold)]],
            labelled_negatives=self.labelled_negatives[negatives],
        )


@dataclass(frozen=True)
class KnownCodes(State):
    """Codes of the training samples that explanations name as neighbours."""

    may_be_empty = ("defect",)

    defect: Float64[np.ndarray, "defect latent"]
    normal: Float64[np.ndarray, "normal latent"]


@dataclass(frozen=True)
class KnownSamples:
    """Training samples that explanations name as neighbours.

    Attributes:
        codes: Shape (sample, latent).
        names: One per sample.
    """

    codes: Float[np.ndarray, "sample latent"]
    names: list[Any]


@dataclass(frozen=True)
class Reference(State):
    """Some held-out rows, which new data are compared with.

    Attributes:
        z: Codes, shape (row, latent), float32.
        x: Of tables, the rows as the network sees them, shape (row, feature); else None.
    """

    may_be_empty = ("row",)

    z: Float32[np.ndarray, "row latent"]
    x: Float32[np.ndarray, "row feature"] | None = None


def warn_of_quality(
    calibration: Calibration,
    outlier: Float[np.ndarray, " ordinary"],
    outlier_of_defects: Float[np.ndarray, " defect"],
    spread: float,
    n_independent: int,
) -> None:
    """Warn where the scores cannot be reliable, and say what to do.

    Args:
        calibration: Of the fit.
        outlier: Outlier score of each ordinary row by the model itself, which out-of-fold scores are not.
        outlier_of_defects: Outlier score of each labelled defect.
        spread: Standard deviation of the normals' codes.
        n_independent: Ordinary rows, or groups of them.
    """
    ordinary, unit = calibration.outlier, "sample" if calibration.counted is None else "group"
    # From two rows on everything can be computed, but a cut at the highest 5 % needs twenty (decisions.md 53).
    if n_independent < MIN_HELD_OUT:
        _warn(
            f"only {n_independent} unlabelled or normal {unit}(s): scores are unreliable; use at least {MIN_HELD_OUT}, "
            f"and at least {MIN_TO_HOLD_OUT} for promises about new data"
        )
    if len(ordinary) > 1 and np.unique(outlier).size == 1:
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
