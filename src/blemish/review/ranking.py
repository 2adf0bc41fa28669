"""One model's view of all samples, and what the marks say about it: pure values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import beta

from blemish.calibration.quality import fraction_below
from blemish.review.marks import CODES, Mark, found_by_mark
from blemish.review.suggestions import View

BUDGETS, TOP = (20, 50, 100), 50
LAST, FEW, STABLE = 20, 1, 0.9
"""Marking stops paying when the last 20 marks found at most one defect and nine tenths of the top stay."""


@dataclass(frozen=True)
class Ranking:
    """Scores of all samples by one model.

    Attributes:
        number: Counts rankings since the program started, from 1.
        model: Names the model in marks: when and on how many labels it was fitted.
        outlier: How unusual, shape (row,); NaN: not scored (yet), or unreadable.
        defect: How much like the labelled defects; None where none are.
        probabilities: Of normal, other and defect, (row, 3).
        plane: Place on the map, (row, 2).
        order: Rows, highest score first, unscored ones last.
        places: The place of each row in it, from 1.
        view: What suggestions are made of; None: there are none.
        scored: How many have a score.
        glance: Whether the network alone made it, while the first model is fitted.
    """

    number: int
    model: str
    outlier: Float[np.ndarray, " row"]
    defect: Float[np.ndarray, " row"] | None
    probabilities: Float[np.ndarray, "row 3"]
    plane: Float[np.ndarray, "row 2"]
    order: Int[np.ndarray, " row"]
    places: Int[np.ndarray, " row"]
    view: View | None
    scored: int
    glance: bool = False

    @property
    def score(self) -> Float[np.ndarray, " row"]:
        """What the order is by."""
        return self.outlier if self.defect is None else self.defect


def places(order: Int[np.ndarray, " row"]) -> Int[np.ndarray, " row"]:
    """The place of each row, from 1.

    Example:
        >>> places(np.array([2, 0, 1])).tolist()
        [2, 3, 1]
    """
    found = np.empty(len(order), dtype=np.int64)
    found[order] = np.arange(1, len(order) + 1)
    return found


def best_first(score: Float[np.ndarray, " row"]) -> Int[np.ndarray, " row"]:
    """Rows by falling score, equal ones in their order, NaN last."""
    return np.argsort(np.where(np.isnan(score), np.inf, -score), kind="stable")


@dataclass(frozen=True)
class Point:
    """A ranking on the learning curve.

    Attributes:
        ranking: Its number.
        marks: Marks that it learnt from.
        defects: Defects among these.
        beaten: Share of ordinary rows that a labelled defect beats on average, by models that had not seen it; None
            below four labelled defects.
        kept: Share of the top of the ranking before that is still there; None for the first.
    """

    ranking: int
    marks: int
    defects: int
    beaten: float | None
    kept: float | None


def point(det: Any, ranking: Ranking, before: Ranking | None, marks: Sequence[Mark], budget: int) -> Point:
    """What a ranking adds to the learning curve.

    Args:
        det: The detector behind it.
        ranking: It.
        before: The one before, or None.
        marks: What it learnt from.
        budget: Length of the top.
    """
    calibration = det.fitted_.calibration
    known = calibration.out_of_fold
    beaten = fraction_below(calibration.ordinary, known) if len(known) >= 4 else None
    top = set(ranking.order[:budget].tolist())
    kept = None if before is None else len(top & set(before.order[:budget].tolist())) / max(len(top), 1)
    return Point(ranking.number, len(marks), sum(m.label == "defect" for m in marks), beaten, kept)


def precision(ranking: Ranking, codes: Int[np.ndarray, " row"], budget: int) -> dict[str, Any]:
    """Defects among what is marked of the top, with the exact 90 % interval of Clopper and Pearson.

    Args:
        ranking: A ranking.
        codes: The label of each row, see `CODES`.
        budget: Length of the top.
    """
    top = codes[ranking.order[:budget]]
    hits, n = int((top == CODES["defect"]).sum()), int((top != 0).sum())
    low = float(beta.ppf(0.05, hits, n - hits + 1)) if hits else 0.0
    high = float(beta.ppf(0.95, hits + 1, n - hits)) if hits < n else 1.0
    return {"budget": min(budget, len(codes)), "hits": hits, "marked": n, "low": low, "high": high}


def advice(marks: Sequence[Mark], points: Sequence[Point]) -> str:
    """Whether marking still pays, in one sentence."""
    curve = found_by_mark(marks)
    defects = curve[-1][1] if curve else 0
    if not curve:
        return "Nothing is marked. Go through the first samples: d for your defect, o for an outlier that is not yours."
    if not defects:
        return "No defect is marked yet, so the ranking only says what is unusual. Mark one defect and refit."
    if not points or points[-1].marks < len(marks):
        return f"{len(marks)} marks, {defects} of them defects. Refit to see what they change."
    if len(curve) < LAST:
        return f"{len(marks)} marks, {defects} of them defects. Too few to tell whether marking pays; go on."
    lately = defects - (curve[-LAST - 1][1] if len(curve) > LAST else 0)
    kept = points[-1].kept
    if lately <= FEW and kept is not None and kept >= STABLE:
        return f"Marking hardly pays any more: the last {LAST} marks found {lately}, and {kept:.0%} of the top stayed."
    return f"Marking pays: the last {LAST} marks found {lately} defect{'' if lately == 1 else 's'}."
