"""Several kinds of defect: how the labelled ones score for each kind out of fold, and which are taken for which."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float64, Int64

from blemish.calibration.calibration import Calibration
from blemish.calibration.thresholds import clopper_pearson
from blemish.core.state import State, need

UNKNOWN = -1e9
"""A score below every score: that of a kind's only labelled defect for this kind, which cannot be left out."""


@dataclass(frozen=True)
class KindsOutOfFold(State):
    """The labelled defects, each scored for every kind by scorers that were fitted without it.

    Attributes:
        kind: Number of the kind of each; the only ones of their kinds come last.
        scores: For each kind; `UNKNOWN` where it cannot be known.
    """

    kind: Int64[np.ndarray, " defect"]
    scores: Float64[np.ndarray, "defect kind"]

    def check(self) -> None:
        """See `State`."""
        need((self.kind >= 0) & (self.kind < self.scores.shape[1]), "a labelled defect is of a kind that there is not")

    @property
    def left_out(self) -> np.ndarray:
        """Which have an out-of-fold score for their own kind, booleans (defect,)."""
        return self.scores[np.arange(len(self.kind)), self.kind] > UNKNOWN

    def calibration(
        self,
        k: int,
        whole: Calibration,
        ordinary: Float[np.ndarray, " ordinary"],
        negatives: Float[np.ndarray, " negative"],
    ) -> Calibration:
        """The calibration of one kind; labelled defects of the others are negatives, too.

        Args:
            k: Number of the kind.
            whole: Calibration of all kinds together.
            ordinary: Scores of the ordinary rows for this kind.
            negatives: Scores of the rows labelled 'other' or 'normal' for this kind.
        """
        own, rivals = (self.kind == k) & self.left_out, self.kind != k
        return replace(
            whole,
            counted=None,
            defect=np.sort(ordinary),
            out_of_fold=self.scores[own, k],
            labelled_negatives=np.concatenate([negatives, self.scores[rivals, k]]),
        )


@dataclass(frozen=True)
class Named:
    """How the labelled defects of one kind are named by a model fitted without them.

    Attributes:
        kind: Their kind.
        n: How many there are; without those that are the only ones of their kind.
        named: How many are named as each kind; those that are reported as none are under ''.
        right: Fraction named right among those that are reported; None where none is.
        low: Lower end of the exact 90 % interval of it.
        high: Upper end.
    """

    kind: str
    n: int
    named: dict[str, int]
    right: float | None
    low: float
    high: float

    @classmethod
    def of(cls, kind: str, found: Sequence[str], kinds: Sequence[str]) -> "Named":
        """Count the labels that defects of one kind got; all other words count as not reported."""
        named = {word: found.count(word) for word in kinds}
        reported, right = sum(named.values()), named[kind]
        low, high = clopper_pearson(right, reported) if reported else (0.0, 1.0)
        named[""] = len(found) - reported
        return cls(kind, len(found), named, right / reported if reported else None, low, high)

    @property
    def text(self) -> str:
        """One sentence."""
        if not self.n:
            return f"{self.kind}: unknown with a single label, or none"
        found = ", ".join(f"{n} {kind or 'not reported'}" for kind, n in self.named.items() if n)
        right = "" if self.right is None else f"; named right {self.right:.0%} ({self.low:.0%} to {self.high:.0%})"
        return f"{self.kind}: of {self.n} labelled, {found}{right}"


def confusion(found: KindsOutOfFold, kinds: Sequence[str], cuts: Mapping[str, float]) -> tuple[Named, ...]:
    """Which kinds are taken for which, by out-of-fold scores; the kind above its cut by most names a defect.

    Args:
        found: Of the fit.
        kinds: Their words.
        cuts: On the score of each kind.
    """
    above = found.scores - np.array([cuts[kind] for kind in kinds])
    words = np.append(kinds, "")[np.where(above.max(axis=1) > 0, above.argmax(axis=1), len(kinds))]
    own = [(found.kind == k) & found.left_out for k in range(len(kinds))]
    return tuple(Named.of(kind, words[rows].tolist(), kinds) for kind, rows in zip(kinds, own, strict=True))
