"""What the ensemble makes of its experts: folds, weights, caps."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from blemish import DefectDetector
from blemish.core.errors import ConfigError
from blemish.core.labels import DEFECT, OTHER, UNLABELLED
from blemish.scoring.cross_validation import folds
from blemish.scoring.ensemble import ASSUMED_SURPRISAL, Ensemble
from blemish.scoring.experts import EXPERTS
from blemish.scoring.scorer import Evidence
from scoring_examples import example, island, probabilities


def evidence_of(x):
    return Evidence(x[:, :1], np.exp(x[:, -1]), {"plain": x})


def groups_of(is_defect):
    return np.where(is_defect, DEFECT, UNLABELLED)


@pytest.mark.parametrize("labelled", [False, True])
def test_a_fold_teaches_the_experts_and_the_rest_is_of_all_rows(labelled):
    x, is_defect, _ = island()
    group = groups_of(is_defect & labelled)
    scorer = Ensemble({"plain": ["neighbours", "linear"], "error": ["value"]}, far=("plain",))
    whole = scorer.fit(evidence_of(x), group)
    same = scorer.fit_fold(evidence_of(x), group, 0, whole)
    found, expected = (scorer.scores(one, evidence_of(x), labelled=labelled) for one in (same, whole))
    np.testing.assert_allclose(found.outlier, expected.outlier, rtol=1e-9)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, rtol=1e-9)
    seen = np.arange(len(x)) % 4 > 0
    fold = scorer.fit_fold(evidence_of(x[seen]), group[seen], 0, whole)
    assert [a.tail is b.tail for a, b in zip(fold.members, whole.members, strict=True)] == [True] * len(fold.members)
    assert (fold.labelled, fold.errors) == (whole.labelled, whole.errors)
    assert fold.far.ranges[0].edge == whole.far.ranges[0].edge
    alone = scorer.fit(evidence_of(x[seen]), group[seen])
    np.testing.assert_allclose(fold.far.ranges[0].place.centre, alone.far.ranges[0].place.centre)
    row = evidence_of(x[~seen])
    for own, other, member in zip(
        fold.members, alone.members, scorer._experts(parted=False, labelled=labelled), strict=True
    ):
        given = row.feature_set(member.source)
        np.testing.assert_array_equal(member.expert.score(own.own, given), member.expert.score(other.own, given))


def test_a_fold_may_have_fewer_features():
    """Of a table: a category that only the rows left out have. The ranges of `far` are then around other features."""
    x, is_defect, _ = island()
    group, scorer = groups_of(is_defect), Ensemble({"plain": ["linear"]}, far=("plain",))
    whole = scorer.fit(evidence_of(x), group)
    narrow = evidence_of(x[:, 1:])
    scores = scorer.scores(scorer.fit_fold(narrow, group, 0, whole), narrow, labelled=True)
    assert np.isfinite(scores.outlier).all()
    assert scores.defect is not None
    assert np.median(scores.defect[is_defect]) > np.quantile(scores.defect[~is_defect], 0.9)


def test_a_useless_expert_has_no_weight():
    x, is_defect, _ = island()
    noise = np.random.default_rng(1).normal(size=x.shape)
    evidence = Evidence(x[:, :1], np.ones(len(x)), {"plain": x, "noise": noise})
    scorer = Ensemble(experts={"plain": ["linear"], "noise": ["linear"]}, temperature=1.5)
    state: Any = scorer.fit(evidence, groups_of(is_defect))
    weights = dict(zip(scorer.expert_scores(state, evidence), state.labelled.weights, strict=True))
    assert weights["1 linear of plain"] > 0.99


def test_weights_are_the_softmax_of_mean_surprisals():
    x, is_defect, _ = island()
    scorer = Ensemble(experts={"plain": ["linear", "trees"]}, temperature=2.0)
    state: Any = scorer.fit(evidence_of(x), groups_of(is_defect))
    pull = state.labelled.mean * np.sqrt(8) / 2
    np.testing.assert_allclose(state.labelled.weights, np.exp(pull) / np.exp(pull).sum())


@pytest.mark.parametrize("place", [0.0, 2.0, 50.0])
def test_of_one_defect_only_unsupervised_experts_can_be_weighted(place):
    x, is_defect, _ = island(n_defects=1)
    x[is_defect] = place
    scorer = Ensemble(experts={"plain": ["linear", "trees", "isolation"]}, free_share=0.5, temperature=2.0)
    state: Any = scorer.fit(evidence_of(x), groups_of(is_defect))
    isolation, linear, trees = state.labelled.weights
    assert linear == trees
    score = EXPERTS["isolation"]().score(state.members[0].own, x)
    rest = score[folds(is_defect.astype(int), 2, 0, None) == 0]
    far = -np.log(((rest >= score[is_defect]).sum() + 1) / (len(rest) + 1))
    assert isolation / linear == pytest.approx(0.5 * np.exp((far - ASSUMED_SURPRISAL) / 2))


def test_the_outlier_score_does_not_depend_on_which_labels_there_are():
    x, is_defect, _ = island()
    scorer = Ensemble(experts={"plain": ["linear", "isolation"]})
    unlabelled = np.where(is_defect, OTHER, UNLABELLED)
    with_defects, without = (scorer.fit(evidence_of(x), g) for g in (groups_of(is_defect), unlabelled))
    a, b = (scorer.outlier_score(state, evidence_of(x[:300])) for state in (with_defects, without))
    assert np.corrcoef(a, b)[0, 1] > 0.9


def test_outliers_labelled_other_sink():
    rng = np.random.default_rng(0)
    x, is_defect, _ = island(n=400)
    others = rng.normal(size=(8, 4)) + np.array([4, 0, 4, 0])
    rows, group = np.vstack([x, others]), np.append(groups_of(is_defect), np.full(8, OTHER))
    fresh = evidence_of(rng.normal(size=(50, 4)) + np.array([4, 0, 4, 0]))
    scorer = Ensemble(experts={"plain": ["linear", "kernel", "trees"]})
    ignorant = scorer.fit(evidence_of(rows), np.where(group == OTHER, UNLABELLED, group))
    told = scorer.fit(evidence_of(rows), group)
    assert np.median(scorer.defect_score(told, fresh)) < np.median(scorer.defect_score(ignorant, fresh))


def test_an_unknown_feature_set_or_expert_is_named(table_split):
    for experts, message in (
        ({"colour": ["trees"]}, "feature set 'colour' is unknown; these data have code, error, "),
        ({"plain": ["tree"]}, "expert 'tree' is unknown; did you mean 'trees'"),
    ):
        det = DefectDetector(epochs=1, scorer={"name": "ensemble", "experts": experts})
        with pytest.raises(ConfigError, match=message):
            det.fit(table_split.X_train, table_split.y_train)


def test_a_row_that_is_reconstructed_better_than_most_is_no_outlier():
    evidence, group = example()
    scorer = Ensemble()
    state = scorer.fit(evidence, group)
    order = np.argsort(evidence.error)
    chances = probabilities(scorer, state, replace(evidence, z=np.zeros_like(evidence.z)))[order]
    other = chances[:, 1] / chances[:, :2].sum(axis=1)
    assert (np.diff(other) >= -1e-12).all()
    better = probabilities(scorer, state, Evidence(np.zeros((1, 3)), np.zeros(1)))[0]
    assert better[1] / better[:2].sum() == pytest.approx(other[0])


def test_nothing_is_more_like_the_defects_than_the_labelled_defects():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(208, 2))
    x[200:, 0] += 4
    group = np.where(np.arange(208) >= 200, DEFECT, UNLABELLED)
    scorer = Ensemble(experts={"plain": ["linear", "neighbours"]})

    def evidence(rows):
        return Evidence(rows, np.ones(len(rows)), {"plain": rows})

    state = scorer.fit(evidence(x), group)
    known = scorer.expert_scores(state, evidence(x[200:]))["1 linear of plain"].max()
    far_side = scorer.expert_scores(state, evidence(np.array([[400.0, 0.0]])))["1 linear of plain"]
    assert far_side == known
