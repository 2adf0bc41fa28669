"""How far a row lies beyond all training rows, in nats: what is far from everything is an outlier (decisions.md 78).

Experts that are forests or bounded similarities do not extrapolate: a black picture falls into the leaf of some normal
one. What this adds is 0 for what lies among the training rows, so that it does not change how these are ranked.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from blemish.core.labels import DEFECT, is_ordinary
from blemish.scoring.experts.mahalanobis import Mahalanobis, nearest, nearest_graph
from blemish.scoring.scorer import Evidence, EvidenceNodes, State, under
from blemish.scoring.surprisal import fit_tail

EXPERT = Mahalanobis()
MIN_ROWS = 20  # ordinary rows, before there is a range to lie beyond
MAX_ROWS = 2000  # that the range is learnt from
MAX_DEFECTS = 64  # labelled defects that new rows are compared with
FOLDS = 5
MIN_EXCESS = (
    0.02  # least distance worth a nat, in units of the edge: where distances hardly vary, rounding does not count
)
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


def fit_far(sources: Sequence[str], evidence: Evidence, group: Int[np.ndarray, " row"], seed: int) -> State:
    """Learn how far ordinary rows lie from each other, and where labelled defects lie.

    The distances are out-of-fold, so that they are those of new rows.

    Args:
        sources: Feature sets to measure in.
        evidence: Training rows.
        group: Their groups.
        seed: Source of all randomness.

    Returns:
        Arrays by 'far.<source>.<name>'; none with fewer than `MIN_ROWS` ordinary rows. 'edge' is the distance that one
        of as many new ordinary rows exceeds; 'excess' is worth one nat; 'defects' (defect, feature) and their 'reach',
        see `_reach`.
    """
    rng = np.random.default_rng(seed)
    ordinary = rng.permutation(np.flatnonzero(is_ordinary(group)))[:MAX_ROWS]
    defects = rng.permutation(np.flatnonzero(group == DEFECT))[:MAX_DEFECTS]
    if len(ordinary) < MIN_ROWS:
        return {}
    state: State = {}
    fold, none = np.arange(len(ordinary)) % FOLDS, np.full(len(ordinary), False)
    for source in sources:
        found = evidence.feature_set(source)
        x, like = found[ordinary], found[defects]
        distance = np.empty(len(x))
        for k in range(FOLDS):
            out = fold == k
            part = EXPERT.fit(x[~out], none[~out], np.ones(int((~out).sum())), seed)
            distance[out] = EXPERT.score(part, x[out])
        own = EXPERT.fit(x, none, np.ones(len(x)), seed)
        tail = fit_tail(distance, np.empty(0))
        excess = max(float(tail["excess"]), MIN_EXCESS * float(tail["levels"][-1]))
        edge = tail["levels"][-1] + excess * np.log(len(x) * tail["tail"])
        own |= {"edge": np.array(edge), "excess": np.array(excess), "defects": like.astype(np.float64)}
        own["reach"] = _reach(own)
        state |= {f"far.{source}.{name}": array for name, array in own.items()}
    return state


def beyond(state: State, evidence: Evidence, sources: Sequence[str]) -> Beyond:
    r"""The furthest over the feature sets.

    .. math:: b = \max(0, (d - \mathrm{edge}) / \mathrm{excess})

    which continues the exponential tail of `surprisal`: rows beyond the edge become rarer by e per nat. Beyond the
    labelled defects: as far as the distance from the nearest one exceeds the reach of the defects, at most that.
    """
    normal, known = np.zeros(len(evidence)), np.zeros(len(evidence))
    for source in sources:
        own = under(state, f"far.{source}.")
        if not own:
            continue
        x = evidence.feature_set(source)
        distance = EXPERT.score(own, x)
        here = np.maximum(distance - own["edge"], 0.0) / own["excess"]
        normal = np.maximum(normal, here)
        if len(own["defects"]):
            away = nearest(own, x, own["defects"]) - np.minimum(own["reach"][0] * distance, own["reach"][1])
            here = np.minimum(here, np.maximum(away, 0.0) / own["excess"])
        known = np.maximum(known, here)
    return Beyond(normal, known)


def beyond_graph(state: State, evidence: EvidenceNodes, sources: Sequence[str]) -> Beyond:
    """`beyond` as part of an ONNX graph."""
    zero = evidence.error * 0.0
    normal, known = zero, zero
    for source in sources:
        own = under(state, f"far.{source}.")
        if not own:
            continue
        x = evidence.feature_set(source)
        distance = EXPERT.graph(own, x)
        here = (distance - own["edge"]).op("Max", 0.0) / own["excess"]
        normal = normal.op("Max", here)
        if len(own["defects"]):
            away = nearest_graph(own, x, own["defects"]) - (distance * own["reach"][0]).op("Min", own["reach"][1])
            here = here.op("Min", away.op("Max", 0.0) / own["excess"])
        known = known.op("Max", here)
    return Beyond(normal, known)


def _reach(own: State) -> Float[np.ndarray, " 2"]:
    """How far from the nearest labelled defect a defect may lie.

    As a fraction of its own distance from the ordinary rows, which tells the direction and is at most 1: nearer to a
    defect than to these; and at all. Both by how far the labelled defects lie from each other, with some room, because
    a handful does not show how far that may be.
    """
    defects, distance = own["defects"], EXPERT.score(own, own["defects"])
    if len(defects) < 2:
        return np.array([MIN_REACH, max(own["edge"], MIN_REACH * distance.max(initial=0.0))])
    gaps = np.array([nearest(own, defects[[i]], np.delete(defects, i, axis=0))[0] for i in range(len(defects))])
    ratio = gaps / np.maximum(distance, 1e-12)
    return np.array([np.clip(ROOM * ratio.max(), MIN_REACH, 1.0), max(own["edge"], ROOM * gaps.max())])
