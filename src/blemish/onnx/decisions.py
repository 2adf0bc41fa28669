"""From scores to decisions as part of an ONNX graph: probabilities and labels, as `fitting.fitted` has them."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from blemish.calibration.calibration import Calibration
from blemish.calibration.out_of_fold import MAX_NATS, TINY
from blemish.calibration.probabilities import EPSILON
from blemish.core.graph import Graph, Node
from blemish.core.labels import CLASSES
from blemish.fitting.fitted import Fitted
from blemish.onnx.parity import NO_SCORE, TOLERANCE
from blemish.scoring.mixture import PRIOR
from blemish.scoring.scorer import ScoreNodes

TIE = TOLERANCE
"""A threshold is often the score of a row; that row must not exceed it, whatever the last digits of its score."""


def add_scores(
    graph: Graph,
    made: ScoreNodes,
    fitted: Fitted,
    thresholds: Mapping[str, float],
    prior: Mapping[str, float],
    cuts: Mapping[str, float] | None,
) -> None:
    """Scores, probabilities and labels as outputs of the graph.

    Args:
        graph: To add to.
        made: The scores.
        fitted: What calibrates them.
        thresholds: 'threshold' of the decision score and 'outlier_threshold'.
        prior: Fractions of the groups that the probabilities assume.
        cuts: On the score of each of several kinds of defect; None: 'threshold'.
    """
    given = {**dict.fromkeys(fitted.kinds, thresholds["threshold"]), **(cuts or {})}
    above = {name: at + TIE * max(1.0, abs(at)) for name, at in {**given, **thresholds}.items()}
    label = graph.op(
        "Where", made.outlier > above["outlier_threshold"], graph.constant(["other"]), graph.constant(["normal"])
    )
    graph.output("outlier_score", made.outlier, np.float64, ["row"])
    if made.defect is not None:
        graph.output("defect_score", made.defect, np.float64, ["row"])
    if made.defect is not None and not made.kinds:
        label = graph.op("Where", made.defect > above["threshold"], graph.constant(list(fitted.kinds)), label)
    elif made.defect is not None:
        known = [(k, one.defect) for k, one in zip(fitted.kinds, made.kinds, strict=True) if one.defect is not None]
        each = graph.concat([score.expand_dims(1) for _, score in known], axis=1)
        graph.output("kind_scores", _of_all_kinds(made), np.float64, ["row", len(fitted.kinds)])
        over = each - np.array([above[kind] for kind, _ in known])
        best = over.op("ArgMax", axis=1, keepdims=0)
        named = graph.op("Gather", graph.constant([kind for kind, _ in known]), best)
        label = graph.op("Where", over.reduce("Max", 1) > 0.0, named, label)
    n_classes = 2 + len(fitted.kinds)
    graph.output("probabilities", _probabilities(fitted, made, prior), np.float64, ["row", n_classes])
    graph.output("label", label, np.str_, ["row"])


def _of_all_kinds(made: ScoreNodes) -> Node:
    """The score of each kind, shape (row, kind); that of a kind without labels is the lowest number."""
    none = made.outlier * 0.0 + NO_SCORE
    return made.outlier.graph.concat(
        [(none if one.defect is None else one.defect).expand_dims(1) for one in made.kinds], axis=1
    )


def _probabilities(fitted: Fitted, made: ScoreNodes, prior: Mapping[str, float]) -> Node:
    """`Fitted.probabilities` as part of the graph."""
    made = replace(made, probabilities=_with_corrected_odds(made, fitted.calibration))
    share = {kind: prior[kind] for kind in fitted.kinds}
    of_three = {"normal": prior["normal"], "other": prior["other"], "defect": sum(share.values())}
    assumed = _reweighted(made.probabilities, of_three)
    graph, alone = assumed.graph, len(fitted.kinds) == 1
    if alone and (made.defect is None or fitted.log_ratio is None):
        return assumed
    if alone:
        assert made.defect is not None
        mine = _log_odds(fitted, made, of_three["defect"]).op("Sigmoid").expand_dims(1)
    else:
        # as `calibration.probabilities.shared`
        low = graph.constant(NO_SCORE) + made.outlier * 0.0
        odds = [
            _log_odds(fitted.each[kind], one, share[kind]) + float(np.log1p(-share[kind]))
            if kind in fitted.each
            else low
            for kind, one in zip(fitted.kinds, made.kinds, strict=True)
        ]
        none = made.outlier * 0.0 + float(np.log1p(-of_three["defect"]))
        joint = graph.concat([one.expand_dims(1) for one in (none, *odds)], axis=1).op("Softmax", axis=1)
        mine = joint.take(np.arange(1, 1 + len(share)), axis=1)
    total = mine if alone else mine.reduce("Sum", 1, keepdims=True)
    rest = assumed.take(np.array([0, 1]), axis=1).reduce("Sum", 1, keepdims=True)
    normal = assumed.take(np.array([0]), axis=1) / rest.op("Max", 1e-300)
    normal = graph.op("Where", rest > 0.0, normal, graph.constant(0.5))
    left = graph.constant(1.0) - total
    return graph.concat([normal * left, (graph.constant(1.0) - normal) * left, mine], axis=1)


def _reweighted(probabilities: Node, prior: Mapping[str, float]) -> Node:
    assumed = probabilities * np.array([prior[name] / PRIOR[name] for name in CLASSES])
    return assumed / assumed.reduce("Sum", 1, keepdims=True)


def _log_odds(fitted: Fitted, made: ScoreNodes, prior: float) -> Node:
    """Log-odds of one kind of defect, see `Fitted.scores`."""
    assert made.defect is not None
    if fitted.log_ratio is not None:
        slope, intercept = fitted.log_ratio
        return made.defect * slope + (intercept + float(np.log(prior / (1 - prior))))
    usual = (1 - prior) / (PRIOR["normal"] + PRIOR["other"])
    of_three = {"normal": usual * PRIOR["normal"], "other": usual * PRIOR["other"], "defect": prior}
    p = _reweighted(made.probabilities, of_three).take(np.array([2]), axis=1).reduce("Sum", 1)
    p = p.op("Max", TINY).op("Min", 1 - EPSILON)
    return p.op("Log") - (p.graph.constant(1.0) - p).op("Log")


def _with_corrected_odds(made: ScoreNodes, calibration: Calibration) -> Node:
    """`with_corrected_odds` as part of the graph; where there is no correction, the probabilities as they are."""
    probabilities, graph = made.probabilities, made.probabilities.graph
    if calibration.odds is None:
        return probabilities
    beyond = made.beyond.op("Min", MAX_NATS).expand_dims(1) if isinstance(made.beyond, Node) else graph.constant(0.0)
    rarer = ((beyond.op("Exp") - 1.0) * float(len(calibration.outlier)) + 1.0).op("Log")
    normal, other, defect = (probabilities.take(np.array([k]), axis=1) for k in range(3))
    odds = other.op("Max", TINY).op("Log") - normal.op("Max", TINY).op("Log") - beyond
    slope, intercept, end = calibration.odds
    corrected = odds.op("Min", end) * slope + intercept + (odds - end).op("Max", 0.0)
    share, rest = (corrected + rarer).op("Sigmoid"), normal + other
    return graph.concat([rest * (-share + 1.0), rest * share, defect], axis=1)
