"""Experts on the parts of a sample: each part has a score, and a sample the mean of its highest."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from sklearn.covariance import shrunk_covariance
from sklearn.linear_model import LogisticRegression

from blemish.core.graph import Node
from blemish.core.state import Learnt
from blemish.modalities.parts import Parts
from blemish.scoring.experts.expert import (
    ExportableExpert,
    Features,
    Flags,
    Nothing,
    Numbers,
    Scaling,
    fit_scaling,
    scaled,
    scaled_graph,
)
from blemish.scoring.experts.linear import Plane

MAX_HIGHEST, PER_HIGHEST = 8, 16
"""Parts whose scores are averaged: one of each 16, at most 8. More of them average a small defect away."""
MAX_REST = 20_000  # parts of other rows that stand for all of them
MAX_CHOSEN = 64  # of one row: a defect in a picture of 12 megapixels is as large as elsewhere
SHRINKAGE = 0.3  # of the covariance towards a multiple of the identity
ROUNDS = 6  # in which the parts of an unmarked row are chosen again


def mean_of_highest(scores: Float[np.ndarray, " part"]) -> float:
    """The score of a sample from the scores of its parts.

    Example:
        >>> mean_of_highest(np.array([0.0, 3.0, 1.0]))
        3.0
    """
    n = min(MAX_HIGHEST, max(1, len(scores) // PER_HIGHEST))
    return float(np.sort(np.partition(scores, -n)[-n:]).mean(dtype=np.float64))


class PartExpert(ExportableExpert[Learnt]):
    """An expert that scores parts; its features are `Parts`, of which the last value is how unusual a part is."""

    @abstractmethod
    def part_scores(self, state: Learnt, x: Features) -> Numbers:
        """The score of each part, on the scale of `score`; shape (part,)."""

    @abstractmethod
    def part_graph(self, state: Learnt, x: Node) -> Node:
        """`part_scores` as part of an ONNX graph: from (row, part, feature) to (row, part)."""

    def score(self, state: Learnt, x: Any) -> Numbers:
        """`mean_of_highest` of each row."""
        return np.array([mean_of_highest(self.part_scores(state, one)) for one in x], dtype=np.float64)

    def graph(self, state: Learnt, x: Node) -> Node:
        """See `ExportableExpert`."""
        scores = self.part_graph(state, x)
        n_parts = scores.op("Shape").take(np.array([1]), axis=0)
        n = n_parts.op("Div", np.array([PER_HIGHEST])).op("Clip", np.array(1), np.array(MAX_HIGHEST))
        highest = x.graph.ops("TopK", 2, scores, n, axis=1, largest=1)[0]
        return highest.reduce("Mean", 1)


@dataclass(frozen=True)
class PartDistance(PartExpert[Nothing]):
    """How far the most unusual parts are from all usual ones; unsupervised.

    Reference:
        Roth et al., "Towards total recall in industrial anomaly detection", 2022 (PatchCore).
    """

    state = Nothing
    uses_labels: ClassVar[bool] = False

    def fit(self, x: Any, is_defect: Flags, weight: Numbers, seed: int) -> Nothing:
        """Nothing to learn: the modality has measured it; see `Expert`."""
        return Nothing()

    def part_scores(self, state: Nothing, x: Features) -> Numbers:
        """The distance."""
        return x[:, -1].astype(np.float64)

    def part_graph(self, state: Nothing, x: Node) -> Node:
        """See `PartExpert`."""
        return x.take(np.array(-1), axis=2)


class DirectedPartExpert(PartExpert[Plane]):
    """A part expert whose score is linear in the features, the distance left out.

    The normal vector is 0 for features that are not used, the distance among them.
    """

    state = Plane

    @property
    def given(self) -> Mapping[str, bool]:
        """See `Expert`."""
        return {"scaling": True}

    def part_scores(self, state: Plane, x: Features) -> Numbers:
        """How far along the direction; the features that are not used are not looked at."""
        used = np.flatnonzero(state.normal)
        some = slice(used[0], used[-1] + 1) if len(used) else slice(0)
        scaling = None if state.scaling is None else state.scaling[some]
        return scaled(scaling, x[:, some]) @ state.normal[some] + float(state.offset)

    def part_graph(self, state: Plane, x: Node) -> Node:
        """See `PartExpert`."""
        return scaled_graph(state.scaling, x) @ state.normal + state.offset


@dataclass(frozen=True)
class PartDiscriminant(DirectedPartExpert):
    """Fisher's discriminant between the parts that hold the defect and all others.

    Where the user marked the defect, these are the marked parts. A labelled row without marks is a bag: some of its
    parts hold the defect, and which is found in rounds. Not for a defect that no single part shows, such as a wrong
    picture as a whole.

    Attributes:
        first: Fraction of the parts of a bag, the most unusual ones, that the first round takes, in (0, 1].
        share: Fraction that later rounds take: those furthest along the direction so far.

    Reference:
        Fisher, 1936; bags after Andrews, Tsochantaridis and Hofmann, "Support vector machines for multiple-instance
        learning", 2003 (mi-SVM).
    """

    first: float = 0.04
    share: float = 0.02

    def fit(self, x: Any, is_defect: Flags, weight: Numbers, seed: int) -> Plane:
        """Find the parts and the direction; see `Expert`."""
        chosen, rest, of_rest, scaling, used = _learnt_from(x, is_defect, weight, self.first, self.share)
        normal, centre = np.zeros(rest.shape[1]), np.zeros(rest.shape[1])
        centre[used], inverse = _units(rest[:, used], of_rest)
        normal[used] = inverse @ (chosen[:, used].mean(axis=0) - centre[used])
        return Plane(normal, np.array(-float(centre @ normal)), scaling)


@dataclass(frozen=True)
class PartLinear(DirectedPartExpert):
    """Logistic regression between the parts that hold the defect, found as `PartDiscriminant` finds them, and others.

    The better one where the usual parts are of many kinds, and marks say which parts count.

    Attributes:
        first: See `PartDiscriminant`.
        share: See `PartDiscriminant`.
        strength: Inverse penalty; all parts together weigh 1.
    """

    first: float = 0.04
    share: float = 0.02
    strength: float = 10.0

    def fit(self, x: Any, is_defect: Flags, weight: Numbers, seed: int) -> Plane:
        """Find the parts and the plane; see `Expert`."""
        chosen, rest, of_rest, scaling, used = _learnt_from(x, is_defect, weight, self.first, self.share)
        each = np.concatenate([np.full(len(chosen), 0.5 / len(chosen)), 0.5 * of_rest / of_rest.sum()])
        model = LogisticRegression(C=self.strength, max_iter=500, tol=1e-3)
        both = np.concatenate([chosen, rest])[:, used]
        model.fit(both, np.arange(len(each)) < len(chosen), sample_weight=each)
        normal = np.zeros(rest.shape[1])
        normal[used] = model.coef_[0]
        return Plane(normal, np.array(float(np.ravel(model.intercept_)[0])), scaling)


class Known(NamedTuple):
    """What is learnt from: parts that hold the defect, those of other rows with their weights, and which features."""

    chosen: Float[np.ndarray, "chosen feature"]
    rest: Float[np.ndarray, "part feature"]
    weight: Float[np.ndarray, " part"]
    scaling: Scaling
    used: slice


def _learnt_from(x: Parts, is_defect: Flags, weight: Numbers, first: float, share: float) -> Known:
    """In units of the parts of other rows; the details are used where parts are marked."""
    raw, of_row = x[~is_defect].evenly(MAX_REST)
    of_rest, defects, last = weight[~is_defect][of_row], x[is_defect], raw.shape[1] - 1
    scaling, by, details = fit_scaling(raw), slice(0, last - x.n_details), slice(last - x.n_details, last)
    rest = scaled(scaling, raw).astype(np.float64)
    own = [scaled(scaling, row).astype(np.float64) for row in defects]
    marks = list(defects.marks())
    chosen = find_parts(own, marks, rest, of_rest, by, first, share)
    marked = x.n_details > 0 and defects.any_marked
    return Known(np.concatenate(chosen), rest, of_rest, scaling, details if marked else by)


def find_parts(
    rows: Sequence[Float[np.ndarray, "_ feature"]],
    marks: Sequence[Bool[np.ndarray, " _"]],
    rest: Float[np.ndarray, "part feature"],
    weight: Float[np.ndarray, " part"],
    by: slice,
    first: float,
    share: float,
) -> list[Float[np.ndarray, "_ feature"]]:
    """The parts of each labelled row that hold the defect.

    A row's own parts do not say which of them are chosen next, unless it is the only one: a direction that has once
    taken a scratch for the defect would find that scratch again.

    Args:
        rows: Parts of the labelled rows, the distance last.
        marks: Which of them are marked.
        rest: Parts of other rows.
        weight: Of the rest, > 0.
        by: The features to find them by.
        first: See `PartDiscriminant`.
        share: See `PartDiscriminant`.
    """
    chosen = [row[mark] for row, mark in zip(rows, marks, strict=True)]
    bags = [i for i, mark in enumerate(marks) if not mark.any()]
    if not bags:
        return chosen
    centre, inverse = _units(rest[:, by], weight)
    if len(bags) == len(rows):
        chosen = [_highest(row, row[:, -1], first) for row in rows]
    for _ in range(ROUNDS):
        before = list(chosen)
        for i in bags:
            others = [one for j, one in enumerate(before) if j != i and len(one)] or before
            direction = inverse @ (np.concatenate(others)[:, by].mean(axis=0) - centre)
            chosen[i] = _highest(rows[i], rows[i][:, by] @ direction, share)
    return chosen


def _units(
    rest: Float[np.ndarray, "part value"], weight: Float[np.ndarray, " part"]
) -> tuple[Float[np.ndarray, " value"], Float[np.ndarray, "value value"]]:
    """The mean, and the inverse of the covariance, shrunk by `SHRINKAGE`."""
    relative = weight / weight.mean()
    centre = np.average(rest, axis=0, weights=relative)
    centred = (rest - centre) * np.sqrt(relative)[:, None]
    covariance = shrunk_covariance(centred.T @ centred / len(rest), shrinkage=SHRINKAGE)
    return centre, np.linalg.pinv(covariance, hermitian=True)


def _highest(
    row: Float[np.ndarray, "part feature"], scores: Float[np.ndarray, " part"], share: float
) -> Float[np.ndarray, "some feature"]:
    n = min(len(row), MAX_CHOSEN, max(1, round(share * len(row))))
    return row[np.sort(np.argsort(-scores, kind="stable")[:n])]
