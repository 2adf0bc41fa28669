"""Scores of all samples by one model, and how the marks judge them: pure values."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import beta

from blemish.core.metrics import fraction_below
from blemish.data.on_disk import mapped_array
from blemish.review.embedding import Axes, embed, fit_embedding, fit_plane
from blemish.review.marks import CODES, Mark, found_by_mark, is_defect_word, of_one_kind
from blemish.review.suggestions import Snapshot

if TYPE_CHECKING:
    from blemish.scoring.scorer import Scores

BUDGETS, TOP = (20, 50, 100), 50
LAST, FEW, STABLE = 20, 1, 0.9
"""Marking no longer pays when the last 20 marks found at most one defect and nine tenths of the top stayed."""


@dataclass(frozen=True, eq=False)
class Ranking:
    """All samples as one model ranks them.

    Attributes:
        number: Counts rankings since the program started, from 1.
        model: Name of the model in marks: when, and on how many labels, it was fitted.
        snapshot: The scores.
        plane: Coordinates on the map, (row, 2).
        glance: Whether it is the preliminary ranking, by the network alone, while the first model is fitted.
        kinds: The score of each of several kinds of defect.
        chances: The probabilities of all classes, where there are several kinds.
    """

    number: int
    model: str
    snapshot: Snapshot
    plane: Float[np.ndarray, "row 2"]
    glance: bool = False
    kinds: Float[np.ndarray, "row kind"] | None = None
    chances: Float[np.ndarray, "row class"] | None = None

    @property
    def score(self) -> Float[np.ndarray, " row"]:
        """The scores that define the order."""
        return self.snapshot.outlier if self.snapshot.defect is None else self.snapshot.defect

    @cached_property
    def order(self) -> Int[np.ndarray, " row"]:
        """Rows, highest score first, unscored ones last."""
        return best_first(self.score)

    @cached_property
    def places(self) -> Int[np.ndarray, " row"]:
        """The rank of each row, from 1."""
        found = np.empty(len(self.order), dtype=np.int64)
        found[self.order] = np.arange(1, len(self.order) + 1)
        return found

    @cached_property
    def scored(self) -> int:
        """Number of rows with a score."""
        return int((~np.isnan(self.snapshot.outlier)).sum())


def best_first(score: Float[np.ndarray, " row"]) -> Int[np.ndarray, " row"]:
    """Rows by descending score, ties in their order, NaN last."""
    return np.argsort(np.where(np.isnan(score), np.inf, -score), kind="stable")


class GrowingRanking:
    """Scores of all samples by one model, as they come in page by page.

    Args:
        n: Number of samples.
        model: See `Ranking`.
        with_defects: Whether the model has learnt from labelled defects.
        glance: See `Ranking`.
    """

    def __init__(self, n: int, model: str, *, with_defects: bool, glance: bool) -> None:
        self._model, self._glance = model, glance
        self._outlier, self._probabilities = np.full(n, np.nan), np.full((n, 3), np.nan)
        self._defect = np.full(n, np.nan) if with_defects else None
        self._kinds = self._by_class = None
        self._plane, self._embedding = np.full((n, 2), np.nan), np.empty((0, 0))
        self._axes: dict[str, Axes] = {}
        self._plane_axes: Axes | None = None

    @property
    def empty(self) -> bool:
        """Whether there is no score yet."""
        return self._plane_axes is None

    def add(self, rows: Sequence[int], found: "Scores") -> None:
        """Take in the assessment of some rows; the first rows fix the axes of the map and of the embedding."""
        of_three = np.column_stack([found.probabilities[:, :2], found.probabilities[:, 2:].sum(axis=1)])
        self._outlier[rows], self._probabilities[rows] = found.outlier, of_three
        if found.kinds:
            if self._kinds is None or self._by_class is None:
                self._kinds = np.full((len(self._outlier), len(found.kinds)), np.nan)
                self._by_class = np.full((len(self._outlier), 2 + len(found.kinds)), np.nan)
            self._kinds[rows] = np.stack([np.asarray(one.defect) for one in found.kinds], axis=1)
            self._by_class[rows] = found.probabilities
        if self._defect is not None:
            self._defect[rows] = found.defect
        if self._plane_axes is None:
            self._plane_axes, self._axes = fit_plane(found.codes), fit_embedding(found)
            width = sum(one.directions.shape[1] for one in self._axes.values())
            self._embedding = mapped_array((len(self._outlier), width), np.float32)
        self._embedding[rows] = embed(found, self._axes)
        self._plane[rows] = self._plane_axes.place(found.codes)

    def ranking(self, number: int) -> Ranking:
        """The ranking by the scores so far; later rows do not change it."""
        defect = None if self._defect is None else self._defect.copy()
        scores = Snapshot(self._outlier.copy(), defect, self._probabilities.copy(), self._embedding)
        kinds, chances = (None if one is None else one.copy() for one in (self._kinds, self._by_class))
        return Ranking(number, self._model, scores, self._plane.copy(), self._glance, kinds, chances)


@dataclass(frozen=True)
class Point:
    """A ranking on the learning curve.

    Attributes:
        ranking: Its number.
        marks: Marks that the model was fitted on.
        defects: Defects among these.
        beaten: Fraction of normal rows ranked below a held-out labelled defect, on average; None below four labelled
            defects.
        kept: Fraction of the previous ranking's top that is still in the top; None for the first.
    """

    ranking: int
    marks: int
    defects: int
    beaten: float | None
    kept: float | None


def point(det: Any, ranking: Ranking, before: Ranking | None, marks: Sequence[Mark], budget: int) -> Point:
    """What a ranking by `det`, fitted on `marks`, adds to the learning curve; `budget` is the length of the top."""
    calibration = det.fitted_.calibration
    known = calibration.out_of_fold
    beaten = fraction_below(calibration.ordinary, known) if len(known) >= 4 else None
    top = set(ranking.order[:budget].tolist())
    kept = None if before is None else len(top & set(before.order[:budget].tolist())) / max(len(top), 1)
    return Point(ranking.number, len(marks), sum(is_defect_word(m.label) for m in marks), beaten, kept)


def precision(ranking: Ranking, codes: Int[np.ndarray, " row"], budget: int) -> dict[str, Any]:
    """Hit rate among the marked rows of the top, with the exact 90 % interval of Clopper and Pearson."""
    top = of_one_kind(codes[ranking.order[:budget]])
    hits, n = int((top == CODES["defect"]).sum()), int((top != 0).sum())
    low = float(beta.ppf(0.05, hits, n - hits + 1)) if hits else 0.0
    high = float(beta.ppf(0.95, hits + 1, n - hits)) if hits < n else 1.0
    return {"budget": min(budget, len(codes)), "hits": hits, "marked": n, "low": low, "high": high}


def advice(marks: Sequence[Mark], points: Sequence[Point]) -> str:
    """One sentence: does marking still pay?"""
    curve = found_by_mark(marks)
    defects = curve[-1][1] if curve else 0
    if not curve:
        return "Nothing is marked yet. Go through the first samples: d marks your defect, o any other outlier."
    if not defects:
        return "No defect is marked yet, so samples are ranked by how unusual they are. Mark one defect and refit."
    if not points or points[-1].marks < len(marks):
        return f"{len(marks)} marks, {defects} of them defects. Refit to update the ranking."
    if len(curve) < LAST:
        return f"{len(marks)} marks, {defects} of them defects. Too few to tell whether marking pays; keep marking."
    lately = defects - (curve[-LAST - 1][1] if len(curve) > LAST else 0)
    kept = points[-1].kept
    if lately <= FEW and kept is not None and kept >= STABLE:
        return f"Marking hardly pays any more: the last {LAST} marks found {lately}, and {kept:.0%} of the top stayed."
    return f"Marking pays: the last {LAST} marks found {lately} defect{'' if lately == 1 else 's'}."
