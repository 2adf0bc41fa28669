"""How far a row lies beyond all training rows, in nats: what is far from everything is an outlier (decisions.md 78).

Experts that are forests or bounded similarities do not extrapolate: a black picture falls into the leaf of some normal
one. What this adds is 0 for what lies among the training rows, so that it does not change how these are ranked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int

from blemish.core.groups import deal
from blemish.core.labels import DEFECT, is_ordinary
from blemish.core.state import State, Stored, need
from blemish.scoring.experts.mahalanobis import Ellipsoid, Mahalanobis, nearest, nearest_graph
from blemish.scoring.scorer import Evidence, EvidenceNodes
from blemish.scoring.surprisal import fit_tail

EXPERT = Mahalanobis()
MIN_ROWS = 15  # ordinary rows, before there is a range to lie beyond: what the folds of 20 rows have
MAX_ROWS = 2000  # that the range is learnt from
MAX_DEFECTS = 64  # labelled defects that new rows are compared with
FOLDS = 5
MIN_EXCESS = 0.02  # least distance worth a nat, in units of the edge: so that rounding does not count
MIN_REACH, ROOM = 0.5, 1.5
"""Least fraction in `_reach`, and what the greatest gaps between labelled defects are multiplied by."""


class Beyond(NamedTuple):
    """How far rows lie beyond the training rows, in nats, 0 for what lies among them; each (row,), array or node.

    Attributes:
        normal: Beyond the ordinary rows.
        labelled: Beyond these and the labelled defects.
    """

    normal: Any
    labelled: Any


@dataclass(frozen=True)
class Range(State):
    """How far ordinary rows lie from each other in one feature set, and where labelled defects lie.

    Attributes:
        place: Where the ordinary rows lie, and how they vary.
        edge: Distance that one of as many new ordinary rows exceeds.
        excess: Distance beyond it that is worth one nat.
        defects: Some labelled defects.
        reach: How far from the nearest of them a defect may lie, see `_reach`.
    """

    may_be_empty = ("defect",)

    place: Ellipsoid
    edge: Float64[np.ndarray, ""]
    excess: Float64[np.ndarray, ""]
    defects: Float64[np.ndarray, "defect feature"]
    reach: Float64[np.ndarray, " 2"]

    def check(self) -> None:
        """See `State`."""
        need(self.excess > 0, "an excess is not above 0")


@dataclass(frozen=True)
class Far(State):
    """The ranges, one per feature set that is measured in; none where there were too few rows, or in older files."""

    ranges: tuple[Range, ...] = ()


NOTHING_FAR = Far()
STORED_AS: Mapping[str, str] = {"far": "far"}
"""Name in model files of the field of a scorer's state that is a `Far`."""


def read_far(stored: Stored, sources: Sequence[str], widths: Mapping[str, int]) -> Far:
    """What `fit_far` learnt in these feature sets, from a scorer's arrays; see `Scorer.read`."""
    of = stored.under("far")
    places = enumerate(sources if of else ())
    return Far(tuple(Range.read(of.under(str(i)), feature=widths[source]) for i, source in places))


def fit_far(sources: Sequence[str], evidence: Evidence, group: Int[np.ndarray, " row"], seed: int) -> Far:
    """`fit_far_kinds` for one kind of defect."""
    return fit_far_kinds(sources, evidence, [group], seed)[0]


def fit_far_kinds(
    sources: Sequence[str], evidence: Evidence, groups: Sequence[Int[np.ndarray, " row"]], seed: int
) -> list[Far]:
    """Learn how far ordinary rows lie from each other, and where the labelled defects of each kind lie.

    The distances are out-of-fold, so that they are those of new rows.

    Args:
        sources: Feature sets to measure in.
        evidence: Training rows.
        groups: Their groups, as they stand for each kind.
        seed: Source of all randomness.

    Returns:
        One per kind, without ranges where there are fewer than `MIN_ROWS` ordinary rows.
    """
    rng = np.random.default_rng(seed)
    ordinary = rng.permutation(np.flatnonzero(is_ordinary(groups[0])))[:MAX_ROWS]
    defects = [rng.permutation(np.flatnonzero(group == DEFECT))[:MAX_DEFECTS] for group in groups]
    if len(ordinary) < MIN_ROWS:
        return [Far() for _ in groups]
    ranges: list[list[Range]] = [[] for _ in groups]
    none = np.full(len(ordinary), False)
    cluster = evidence.cluster
    fold = np.arange(len(ordinary)) % FOLDS if cluster is None else deal(none, FOLDS, rng, cluster[ordinary])
    for source in sources:
        found = evidence.feature_set(source)
        x = found[ordinary]
        distance = np.empty(len(x))
        for k in range(fold.max() + 1):
            out = fold == k
            part = EXPERT.fit(x[~out], none[~out], np.ones(int((~out).sum())), seed)
            distance[out] = EXPERT.score(part, x[out])
        tail, place = fit_tail(distance, np.empty(0)), EXPERT.fit(x, none, np.ones(len(x)), seed)
        excess = max(float(tail.excess), MIN_EXCESS * float(tail.levels[-1]))
        edge = np.array(tail.levels[-1] + excess * np.log(len(x) * tail.tail))
        for own, rows in zip(ranges, defects, strict=True):
            like = found[rows].astype(np.float64)
            own.append(Range(place, edge, np.array(excess), like, _reach(place, like, float(edge))))
    return [Far(tuple(own)) for own in ranges]


def refit_far(far: Far, sources: Sequence[str], evidence: Evidence, group: Int[np.ndarray, " row"], seed: int) -> Far:
    """The same edges around other rows, whose features may be others; the arguments are those of `fit_far`."""
    rows, defects = evidence[is_ordinary(group)], evidence[np.flatnonzero(group == DEFECT)[:MAX_DEFECTS]]
    none, weight = np.full(len(rows), False), np.ones(len(rows))
    ranges = []
    for source, known in zip(sources, far.ranges, strict=False):
        place = EXPERT.fit(rows.feature_set(source), none, weight, seed)
        ranges.append(replace(known, place=place, defects=defects.feature_set(source).astype(np.float64)))
    return Far(tuple(ranges))


def beyond(far: Far, evidence: Evidence, sources: Sequence[str]) -> Beyond:
    r"""The furthest over the feature sets.

    .. math:: b = \max(0, (d - \mathrm{edge}) / \mathrm{excess})

    which continues the exponential tail of `surprisal`: rows beyond the edge become rarer by e per nat. Beyond the
    labelled defects: as far as the distance from the nearest one exceeds the reach of the defects, at most that.
    """
    normal, known = np.zeros(len(evidence)), np.zeros(len(evidence))
    for source, own in zip(sources, far.ranges, strict=False):
        x = evidence.feature_set(source)
        distance = EXPERT.score(own.place, x)
        here = np.maximum(distance - own.edge, 0.0) / own.excess
        normal = np.maximum(normal, here)
        if len(own.defects):
            away = nearest(own.place, x, own.defects) - np.minimum(own.reach[0] * distance, own.reach[1])
            here = np.minimum(here, np.maximum(away, 0.0) / own.excess)
        known = np.maximum(known, here)
    return Beyond(normal, known)


def beyond_graph(far: Far, evidence: EvidenceNodes, sources: Sequence[str]) -> Beyond:
    """`beyond` as part of an ONNX graph."""
    zero = evidence.error * 0.0
    normal, known = zero, zero
    for source, own in zip(sources, far.ranges, strict=False):
        x = evidence.feature_set(source)
        distance = EXPERT.graph(own.place, x)
        here = (distance - own.edge).op("Max", 0.0) / own.excess
        normal = normal.op("Max", here)
        if len(own.defects):
            away = nearest_graph(own.place, x, own.defects) - (distance * own.reach[0]).op("Min", own.reach[1])
            here = here.op("Min", away.op("Max", 0.0) / own.excess)
        known = known.op("Max", here)
    return Beyond(normal, known)


def _reach(place: Ellipsoid, defects: Float[np.ndarray, "defect feature"], edge: float) -> Float[np.ndarray, " 2"]:
    """How far from the nearest labelled defect a defect may lie.

    As a fraction of its own distance from the ordinary rows, which tells the direction and is at most 1: nearer to a
    defect than to these; and at all. Both by how far the labelled defects lie from each other, with some room, because
    a handful does not show how far that may be.
    """
    distance = EXPERT.score(place, defects)
    if len(defects) < 2:
        return np.array([MIN_REACH, max(edge, MIN_REACH * distance.max(initial=0.0))])
    gaps = np.array([nearest(place, defects[[i]], np.delete(defects, i, axis=0))[0] for i in range(len(defects))])
    ratio = gaps / np.maximum(distance, 1e-12)
    return np.array([np.clip(ROOM * ratio.max(), MIN_REACH, 1.0), max(edge, ROOM * gaps.max())])
