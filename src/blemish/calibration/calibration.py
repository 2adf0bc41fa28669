"""What every threshold, p-value and probability is read from: scores of rows that the scorer was not fitted on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int


def _none() -> np.ndarray:
    return np.empty(0)


@dataclass(frozen=True)
class Calibration:
    """Scores behind the decisions of a fit.

    Attributes:
        outlier: Outlier scores of ordinary rows, ascending, shape (ordinary,): held-out rows where there are any, else
            training rows.
        defect: Defect scores of the same number of ordinary rows, ascending; None where no defect is labelled.
        out_of_fold: Defect score of each labelled defect by a scorer fitted without it, shape (defect,); empty for a
            single one.
        labelled_negatives: Defect scores of the rows labelled 'other' or 'normal', shape (negative,).
    """

    outlier: Float[np.ndarray, " ordinary"]
    defect: Float[np.ndarray, " ordinary"] | None = None
    out_of_fold: Float[np.ndarray, " defect"] = field(default_factory=_none)
    labelled_negatives: Float[np.ndarray, " negative"] = field(default_factory=_none)

    @property
    def ordinary(self) -> Float[np.ndarray, " ordinary"]:
        """Of the ordinary rows, the score that is cut: the defect score where defects are labelled."""
        return self.outlier if self.defect is None else self.defect

    def arrays(self) -> dict[str, np.ndarray]:
        """By the names that model files use."""
        if self.defect is None:
            return {"outlier": self.outlier}
        named = {"outlier": self.outlier, "defect": self.defect}
        return {**named, "known": self.out_of_fold, "rejected": self.labelled_negatives}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Calibration":
        """The inverse of `arrays`.

        Raises:
            KeyError: If the outlier scores are missing.
        """
        return cls(
            arrays["outlier"], arrays.get("defect"), arrays.get("known", _none()), arrays.get("rejected", _none())
        )


@dataclass(frozen=True)
class LabelStatistics:
    """What the label report reads in addition to the calibration.

    Attributes:
        outlier: Outlier score of each labelled defect, shape (defect,).
        negative_is_normal: 1 where a labelled negative is labelled 'normal', 0 for 'other', shape (negative,).
        conflicts: Pairs of near-duplicates with different labels, as positions among the labelled rows: first the
            defects, then the negatives.
        curve: From `learning_curve`; None where it was not computed.
    """

    outlier: Float[np.ndarray, " defect"]
    negative_is_normal: Float[np.ndarray, " negative"]
    conflicts: Int[np.ndarray, "pair 2"]
    curve: Float[np.ndarray, "unseen 3"] | None = None

    def arrays(self) -> dict[str, np.ndarray]:
        """By the names that model files use."""
        named = {"outlier": self.outlier, "rejected_normal": self.negative_is_normal, "conflicts": self.conflicts}
        return named if self.curve is None else {**named, "curve": self.curve}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "LabelStatistics | None":
        """The inverse of `arrays`; None for a file without labels, or from before there were label reports."""
        if "conflicts" not in arrays:
            return None
        return cls(arrays["outlier"], arrays["rejected_normal"], arrays["conflicts"], arrays.get("curve"))


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
class Reference:
    """Some held-out rows, which new data are compared with.

    Attributes:
        z: Codes, shape (row, latent), float32.
        x: Of tables, the rows as the network sees them, shape (row, feature); else None.
    """

    z: Float[np.ndarray, "row latent"]
    x: Float[np.ndarray, "row feature"] | None = None

    def arrays(self) -> dict[str, np.ndarray]:
        """By the names that model files use."""
        return {"z": self.z} if self.x is None else {"z": self.z, "x": self.x}
