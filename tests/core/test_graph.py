"""Every expert and scorer that has an ONNX graph, against itself in NumPy."""

from typing import Any

import numpy as np
import onnxruntime
import pytest

from blemish.core.graph import Exportable, Graph
from blemish.core.labels import DEFECT, OTHER
from blemish.modalities.parts import Parts
from blemish.scoring import SCORERS
from blemish.scoring.experts import EXPERTS
from blemish.scoring.experts.parts import PartExpert
from blemish.scoring.experts.trees import Grove
from blemish.scoring.scorer import Evidence, EvidenceNodes
from blemish.scoring.surprisal import fit_tail, surprisal, surprisal_graph
from scoring_examples import pictures_of_parts


def run(graph, feeds) -> Any:
    session = onnxruntime.InferenceSession(graph.model({}).SerializeToString())
    return session.run(None, feeds)


def rows(n=260, n_defects=8, n_features=5, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n + n_defects, n_features)) * [1, 10, 0.1, 1, 1]
    x[n:, :2] += 4
    x[:, 4] = rng.integers(0, 3, len(x))  # many ties
    return x.astype(np.float32), np.arange(n + n_defects) >= n


def exportable(parts):
    return [name for name, part in parts.items() if issubclass(part, Exportable)]


def test_all_built_in_experts_and_scorers_have_a_graph():
    """A part without one is skipped below: that must be a decision, not an oversight."""
    assert exportable(EXPERTS) == list(EXPERTS)
    assert exportable(SCORERS) == list(SCORERS)


PART_EXPERTS = [name for name in exportable(EXPERTS) if issubclass(EXPERTS[name], PartExpert)]


@pytest.mark.parametrize("name", PART_EXPERTS)
@pytest.mark.parametrize("n_parts", [1, 40, 300])
def test_a_part_expert_as_a_graph_scores_as_the_expert_does(name, n_parts):
    x, is_defect, weight, _ = pictures_of_parts(n_parts=64)
    expert = EXPERTS[name]()
    state = expert.fit(x, is_defect, weight, 0)
    new = np.random.default_rng(1).normal(size=(20, n_parts, x.values.shape[1] + 1)).astype(np.float32)
    graph = Graph()
    node = graph.input("x", np.float64, ["row", "part", x.values.shape[1] + 1])
    graph.output("score", expert.graph(state, node), np.float64, ["row"])
    (found,) = run(graph, {"x": new.astype(np.float64)})
    np.testing.assert_allclose(found, expert.score(state, Parts.of(list(new), [None] * 20)), rtol=1e-6, atol=1e-10)
    assert len(np.unique(found)) > 10


@pytest.mark.parametrize("name", [name for name in exportable(EXPERTS) if name not in PART_EXPERTS])
def test_an_expert_as_a_graph_scores_as_the_expert_does(name):
    x, is_defect = rows()
    expert = EXPERTS[name]()
    state = expert.fit(x, is_defect, np.where(is_defect, 30.0, 1.0), 0)
    new = np.concatenate([x, rows(seed=1)[0] * 3, np.zeros((1, x.shape[1]), np.float32)])
    graph = Graph()
    node = graph.input("x", np.float64, ["row", x.shape[1]])
    graph.output("score", expert.graph(state, node), np.float64, ["row"])
    (found,) = run(graph, {"x": new.astype(np.float64)})
    np.testing.assert_allclose(found, expert.score(state, new), rtol=1e-10, atol=1e-10)
    assert len(np.unique(found)) > 10


def test_trees_of_one_leaf_as_a_graph():
    expert = EXPERTS["trees"](n_trees=3)
    state = Grove(
        roots=np.array([0, 1, 4], np.int32),
        feature=np.array([-1, 1, -1, -1, -1], np.int32),
        threshold=np.array([0, 0.5, 0, 0, 0]),
        children=np.array([[0, 0], [2, 3], [0, 0], [0, 0], [0, 0]], np.int32),
        value=np.array([0.25, 9.0, 0.5, 1.0, 0.75]),
    )
    x = np.array([[0, 0.5], [0, 0.6]], np.float32)
    graph = Graph()
    graph.output("score", expert.graph(state, graph.input("x", np.float64, ["row", 2])), np.float64, ["row"])
    (found,) = run(graph, {"x": x.astype(np.float64)})
    np.testing.assert_allclose(found, [0.5, 2 / 3], rtol=1e-15)
    np.testing.assert_allclose(expert.score(state, x), found, rtol=1e-15)


def test_the_tail_as_a_graph():
    rng = np.random.default_rng(0)
    for ordinary in (rng.normal(size=500), np.repeat([0.0, 1.0, 2.0], [300, 100, 2]), np.zeros(30)):
        state = fit_tail(ordinary, np.array([5.0, 6.0]))
        scores = np.concatenate([ordinary, state.levels, rng.normal(size=50) * 4, [-1e9, 1e9]])
        graph = Graph()
        graph.output("rank", surprisal_graph(state, graph.input("x", np.float64, ["row"])), np.float64, ["row"])
        (found,) = run(graph, {"x": scores})
        np.testing.assert_allclose(found, surprisal(state, scores), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("labels", ["none", "one defect", "defects", "defects and others"])
@pytest.mark.parametrize("name", exportable(SCORERS))
def test_a_scorer_as_a_graph_scores_as_the_scorer_does(name, labels):
    rng = np.random.default_rng(0)
    z, is_defect = rows()
    group = np.where(is_defect, DEFECT, 0)
    group[: 5 if labels == "defects and others" else 0] = OTHER
    group[is_defect & (np.cumsum(is_defect) > {"none": 0, "one defect": 1}.get(labels, 8))] = 0
    evidence = Evidence(z.astype(np.float64), np.exp(rng.normal(size=len(z)) + 3 * is_defect))
    scorer = SCORERS[name]()
    state = scorer.fit(evidence, group)
    graph = Graph()
    nodes = EvidenceNodes(
        graph.input("z", np.float64, ["row", z.shape[1]]), graph.input("error", np.float64, ["row"]), {}
    )
    labelled = labels != "none"
    made = scorer.graph(state, nodes, labelled=labelled)
    graph.output("outlier", made.outlier, np.float64, ["row"])
    graph.output("probabilities", made.probabilities, np.float64, ["row", 3])
    scores = scorer.scores(state, evidence, labelled=labelled)
    expected = [scores.outlier, scores.probabilities]
    assert (made.defect is not None) == labelled
    if made.defect is not None:
        graph.output("defect", made.defect, np.float64, ["row"])
        expected.append(scores.defect)
    found = run(graph, {"z": evidence.z, "error": evidence.error})
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-9)
