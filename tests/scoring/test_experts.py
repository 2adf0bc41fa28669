"""Experts and what the ensemble makes of them; every formula against its double loop."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.ensemble import ExtraTreesClassifier, IsolationForest
from sklearn.metrics import roc_auc_score

import reference
from blemish import DefectDetector
from blemish.calibration.calibration import Calibration
from blemish.calibration.quality import warn_of_quality
from blemish.core.errors import ConfigError, QualityWarning
from blemish.core.labels import DEFECT, OTHER, UNLABELLED
from blemish.modalities.features.texture import derivatives, moments, texture
from blemish.scoring.ensemble import ASSUMED_SURPRISAL, Ensemble, deal, mean_surprisal, out_of_fold
from blemish.scoring.evidence import Evidence
from blemish.scoring.experts import EXPERTS
from blemish.scoring.experts.direction import common_direction
from blemish.scoring.experts.discriminant import discriminant
from blemish.scoring.experts.expert import Expert
from blemish.scoring.experts.isolation import path_left
from blemish.scoring.experts.kernel import kernel_score
from blemish.scoring.experts.neighbours import neighbour_distance
from blemish.scoring.experts.scaling import MAX_DEVIATION, fit_scaling, scaled
from blemish.scoring.experts.trees import as_arrays, trees_score
from blemish.scoring.surprisal import MIN_TAIL_ROWS, SLACK, TAIL, fit_tail, surprisal


def island(n=300, n_defects=8, n_features=4, seed=0):
    """Ordinary rows around 0 and defects around 4 in two of the features."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n + n_defects, n_features))
    x[n:, :2] += 4
    is_defect = np.arange(n + n_defects) >= n
    weight = np.where(is_defect, n / n_defects, 1.0)
    return x, is_defect, weight


@pytest.mark.parametrize("cls", EXPERTS.values(), ids=EXPERTS)
def test_experts_keep_their_promises(cls):
    x, is_defect, weight = island()
    before = x.copy()
    expert = cls()
    assert isinstance(expert, Expert)
    state = expert.fit(x, is_defect, weight, 0)
    again = expert.fit(x, is_defect, weight, 0)
    assert all(np.array_equal(state[name], again[name]) for name in state)
    score = expert.score(state, x)
    assert score.shape == (len(x),)
    assert np.array_equal(x, before)
    np.testing.assert_allclose(expert.score(state, x[[5]]), score[[5]], rtol=1e-9)
    assert expert.score(state, x[:0]).shape == (0,)
    if expert.uses_labels:
        assert np.median(score[is_defect]) > np.quantile(score[~is_defect], 0.99)


@pytest.mark.parametrize("cls", [e for e in EXPERTS.values() if not e.uses_labels], ids=lambda e: e.__name__)
def test_experts_without_labels_do_not_learn_from_labelled_defects(cls):
    x, is_defect, weight = island()
    moved = np.where(is_defect[:, None], x + 50, x)
    first, second = cls().fit(x, is_defect, weight, 0), cls().fit(moved, is_defect, weight, 0)
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_kernel_score_is_the_sum_of_its_bumps():
    rng = np.random.default_rng(0)
    x, points, weights = rng.normal(size=(7, 3)), rng.normal(size=(5, 3)), rng.normal(size=5)
    np.testing.assert_allclose(
        kernel_score(x, points, weights, 0.3, 0.7), reference.kernel_machine(x, points, weights, 0.3, 0.7), rtol=1e-9
    )


def test_the_discriminant_is_fishers_with_ledoit_and_wolfs_covariance():
    rng = np.random.default_rng(0)
    rest, defects = rng.normal(size=(30, 5)) @ rng.normal(size=(5, 5)), rng.normal(size=(3, 5)) + 2
    normal, centre = discriminant(defects, rest, np.full(30, 7.0))
    np.testing.assert_allclose(normal, reference.shrunk_discriminant(defects, rest), rtol=1e-9)
    np.testing.assert_allclose(centre, rest.mean(axis=0), rtol=1e-12)
    twice, _ = discriminant(defects, np.vstack([rest, rest[:4]]), np.ones(34))
    heavy, _ = discriminant(defects, rest, np.where(np.arange(30) < 4, 2.0, 1.0))
    assert np.corrcoef(twice, heavy)[0, 1] > 0.99  # a weight of two is a row that comes twice, but for the shrinkage


def test_the_discriminant_leaves_alone_what_varies_anyway():
    """Ten pairs of features that go together; in the defects one of each pair is off by what is little for it alone."""
    rng = np.random.default_rng(0)
    x = np.repeat(rng.normal(size=(600, 10)), 2, axis=1) + rng.normal(0, 0.2, size=(600, 20))
    is_defect, new = np.arange(600) < 2, np.arange(600) >= 500
    x[is_defect | new, ::2] += 0.4
    found = {}
    for name in ("linear", "discriminant"):
        expert = EXPERTS[name]()
        score = expert.score(expert.fit(x[:500], is_defect[:500], np.ones(500), 0), x[2:])
        found[name] = roc_auc_score(new[2:], score)
    assert found["discriminant"] > found["linear"] + 0.1


def test_a_discriminant_of_constant_features_is_silent():
    expert = EXPERTS["discriminant"]()
    x = np.ones((20, 3))
    assert (expert.score(expert.fit(x, np.arange(20) < 2, np.ones(20), 0), x) == 0).all()


def test_trees_as_arrays_score_as_scikit_learns_do():
    x, is_defect, weight = island()
    x = x.astype(np.float32)
    model = ExtraTreesClassifier(20, min_samples_leaf=2, random_state=0).fit(x, is_defect, sample_weight=weight)
    state = EXPERTS["trees"](n_trees=20).fit(x, is_defect, weight, 0)
    np.testing.assert_allclose(EXPERTS["trees"]().score(state, x), model.predict_proba(x)[:, 1], rtol=1e-12, atol=1e-12)


def test_a_tree_of_one_leaf_is_its_value():
    model = ExtraTreesClassifier(1, random_state=0).fit(np.zeros((4, 1)), [0, 0, 0, 1])
    trees = [tree.tree_ for tree in model.estimators_]
    state = as_arrays(trees, [np.array([0.25])])
    assert trees_score(np.ones((3, 1)), **state).tolist() == [0.25] * 3


def test_isolation_ranks_as_scikit_learns_forest_does():
    x, is_defect, weight = island()
    expert = EXPERTS["isolation"](n_trees=30)
    score = expert.score(expert.fit(x, is_defect, weight, 3), x)
    theirs = -IsolationForest(n_estimators=30, random_state=3).fit(x[~is_defect]).score_samples(x)
    assert np.corrcoef(np.log2(theirs), score)[0, 1] > 0.999999


def test_path_left_is_equation_1():
    assert path_left(np.array([1.0, 2.0])).tolist() == [0, 1]
    for n in (10, 64, 256):  # the harmonic number against its logarithm
        assert path_left(np.array([float(n)]))[0] == pytest.approx(reference.path_left(n), abs=1.1 / n)


def test_neighbour_distance_is_its_definition_far_from_0_too():
    rng = np.random.default_rng(0)
    x, points = rng.normal(size=(7, 3)) + 1000, rng.normal(size=(9, 3)) + 1000
    for n in (1, 4, 9):
        expected = [reference.neighbour_distance(row, points, n) for row in x]
        np.testing.assert_allclose(neighbour_distance(x, points, n), expected, rtol=1e-9)


def test_a_clump_of_outliers_does_not_vouch_for_itself():
    x, is_defect, weight = island(n_defects=8)
    expert = EXPERTS["neighbours"]()
    score = expert.score(expert.fit(x, np.full(len(x), False), weight, 0), x)
    assert np.median(score[is_defect]) > np.quantile(score[~is_defect], 0.95)


def test_the_common_direction_is_a_fixed_point_and_not_led_astray_by_a_minority():
    rng = np.random.default_rng(0)
    most, few = (
        np.abs(rng.normal(size=(60, 5))) * [3, 2, 0, 0, 0.3],
        np.abs(rng.normal(size=(40, 5))) * [0, 0, 2, 3, 0.3],
    )
    x = np.vstack([most, few])
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    direction = common_direction(x, 0.5)
    np.testing.assert_allclose(direction, reference.concentration_step(x, direction, 0.5), atol=1e-12)
    assert (x @ direction)[:60].mean() > 2 * (x @ direction)[60:].mean()
    assert np.isfinite(common_direction(np.zeros((4, 2)), 0.5)).all()


def test_the_student_surpasses_its_teacher_where_few_features_matter():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 40))
    unusual = np.arange(600) >= 400
    x[unusual, :4] += 2.5
    weight, nobody = np.ones(600), np.full(600, False)
    found = {}
    for name in ("neighbours", "student"):
        score = EXPERTS[name]().score(EXPERTS[name]().fit(x, nobody, weight, 0), x)
        found[name] = roc_auc_score(unusual, score)
    assert found["student"] > found["neighbours"] + 0.02


def test_scaling_has_unit_spread_and_a_limit():
    x = np.column_stack([np.arange(100.0), np.full(100, 7.0)])
    u = scaled(fit_scaling(x), x)
    assert u[:, 0].std() == pytest.approx(1)
    assert (u[:, 1] == 0).all()
    assert scaled(fit_scaling(x), np.array([[1e9, -1e9]])).tolist() == [[MAX_DEVIATION, -MAX_DEVIATION]]


# The scale on which experts are compared


@pytest.mark.parametrize("n", [60, 2000])
def test_surprisal_is_its_definition_and_keeps_the_order_far_out(n):
    """Of few rows, at least ten make the tail."""
    ordinary = np.random.default_rng(0).exponential(size=n)
    share = max(TAIL, MIN_TAIL_ROWS / n)
    state = fit_tail(ordinary, ordinary[:0])
    far = np.array([np.quantile(ordinary, 0.999), ordinary.max() + 1, ordinary.max() + 2, 1e6])
    rounded, seen = (np.round(scores / state["grid"]) * state["grid"] for scores in (ordinary, far))
    expected = [reference.surprisal(s - SLACK * state["grid"], rounded, share) for s in seen]
    np.testing.assert_allclose(surprisal(state, far), expected, rtol=1e-9)
    inside = np.quantile(ordinary, [0.1, 0.5, 0.9])
    expected = [reference.surprisal(s, ordinary, share) for s in inside]
    np.testing.assert_allclose(surprisal(state, inside), expected, atol=0.06)
    assert (np.diff(surprisal(state, far)) > 0).all()


def test_surprisal_of_equal_scores_is_finite():
    state = fit_tail(np.zeros(50), np.empty(0))
    assert np.isfinite(surprisal(state, np.array([-1.0, 0.0, 1.0]))).all()


def test_where_ordinary_rows_are_nearly_equal_a_small_difference_is_not_a_defect():
    ordinary = 1e-6 * np.random.default_rng(0).random(100)
    state = fit_tail(ordinary, np.array([0.9, 1.0, 1.1]))
    assert surprisal(state, np.array([1.0])) == pytest.approx(-np.log(MIN_TAIL_ROWS / 100) + 20, rel=1e-3)
    assert surprisal(state, np.array([0.01]))[0] < 5


# Cross-validation


def test_folds_deal_defects_evenly_and_spare_a_single_one():
    is_defect = np.arange(103) >= 95
    fold = deal(is_defect, 4, 0)
    assert np.bincount(fold[is_defect]).tolist() == [2, 2, 2, 2]
    assert np.ptp(np.bincount(fold[~is_defect])) <= 1
    single = deal(np.arange(10) == 9, 2, 0)
    assert single[9] == -1


def test_an_out_of_fold_score_is_by_an_expert_that_has_not_seen_the_row():
    x, is_defect, weight = island()
    fold = deal(is_defect, 4, 0)
    scores = out_of_fold(EXPERTS["linear"](), x, is_defect, weight, fold, 0)
    seen = fold != 2
    state = EXPERTS["linear"]().fit(x[seen], is_defect[seen], weight[seen], 0)
    np.testing.assert_allclose(scores[~seen], EXPERTS["linear"]().score(state, x[~seen]))


def test_mean_surprisal_is_the_mean_log_of_what_is_above():
    scores = np.array([0.0, 1, 2, 3, 2.5])
    is_defect, fold = np.arange(5) == 4, np.zeros(5, dtype=int)
    assert mean_surprisal(scores, is_defect, fold) == pytest.approx(-np.log(2 / 5))


# The ensemble


def evidence_of(x):
    return Evidence(x[:, :1], np.exp(x[:, -1]), {"plain": x})


def groups_of(is_defect):
    return np.where(is_defect, DEFECT, UNLABELLED)


def test_a_useless_expert_has_no_weight():
    x, is_defect, _ = island()
    noise = np.random.default_rng(1).normal(size=x.shape)
    evidence = Evidence(x[:, :1], np.ones(len(x)), {"plain": x, "noise": noise})
    scorer = Ensemble(experts={"plain": ["linear"], "noise": ["linear"]}, temperature=1.5)
    state = scorer.fit(evidence, groups_of(is_defect))
    weights = dict(zip(scorer.expert_scores(state, evidence), state["weights"], strict=True))
    assert weights["1 linear of plain"] > 0.99


def test_weights_are_the_softmax_of_mean_surprisals():
    x, is_defect, _ = island()
    scorer = Ensemble(experts={"plain": ["linear", "trees"]}, temperature=2.0)
    state = scorer.fit(evidence_of(x), groups_of(is_defect))
    pull = state["far_out"] * np.sqrt(8) / 2
    np.testing.assert_allclose(state["weights"], np.exp(pull) / np.exp(pull).sum())


@pytest.mark.parametrize("place", [0.0, 2.0, 50.0])
def test_of_one_defect_only_unsupervised_experts_can_be_weighted(place):
    x, is_defect, _ = island(n_defects=1)
    x[is_defect] = place
    scorer = Ensemble(experts={"plain": ["linear", "trees", "isolation"]}, free_share=0.5, temperature=2.0)
    state = scorer.fit(evidence_of(x), groups_of(is_defect))
    isolation, linear, trees = state["weights"]
    assert linear == trees
    score = EXPERTS["isolation"]().score({n.removeprefix("0."): v for n, v in state.items() if n.startswith("0.")}, x)
    rest = score[deal(is_defect, 2, 0) == 0]
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


# Texture


def test_moments_are_their_definitions():
    x = torch.randn(2, 3, 5, 4, dtype=torch.float64)
    found = moments(x).reshape(2, 6, 3)
    for row in range(2):
        for channel in range(3):
            expected = reference.moments_of(x[row, channel].flatten().tolist())
            np.testing.assert_allclose(found[row, :, channel], expected, rtol=1e-6)


@pytest.mark.parametrize("scale", [0.7, 1.4])
def test_derivatives_are_filters_with_derivatives_of_a_gaussian(scale):
    x = torch.rand(1, 1, 7, 6, dtype=torch.float64)
    picture = x[0, 0].tolist()
    bell, slope, curve = reference.gaussian_derivatives(scale)
    down, across, length, bend_down, bend_across, mixed, laplacian = (m[0, 0].numpy() for m in derivatives(x, scale))
    np.testing.assert_allclose(down, reference.filtered(picture, slope, bell), atol=1e-12)
    np.testing.assert_allclose(across, reference.filtered(picture, bell, slope), atol=1e-12)
    np.testing.assert_allclose(mixed, reference.filtered(picture, slope, slope), atol=1e-12)
    np.testing.assert_allclose(bend_down, reference.filtered(picture, curve, bell), atol=1e-12)
    np.testing.assert_allclose(bend_across, reference.filtered(picture, bell, curve), atol=1e-12)
    np.testing.assert_allclose(length, np.hypot(down, across), atol=1e-12)
    np.testing.assert_allclose(laplacian, bend_down + bend_across, atol=1e-12)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 2), (1, 28, 28)])
def test_texture_is_finite_for_any_size(shape):
    for x in (torch.rand(2, *shape), torch.zeros(2, *shape)):
        assert texture(x).shape == (2, shape[0] * 6 * 44)
        assert texture(x).isfinite().all()


def test_texture_does_not_care_where_a_spot_lies():
    x = torch.zeros(2, 1, 40, 40)
    x[0, 0, 15, 15] = x[1, 0, 25, 22] = 1
    np.testing.assert_allclose(texture(x)[0], texture(x)[1], rtol=1e-2, atol=1e-2)


# What is noticed


def test_labels_that_do_not_improve_the_ranking_are_noticed():
    ordinary = np.linspace(0, 1, 101)
    useless = Calibration(ordinary, ordinary, np.full(5, 0.5))
    with pytest.warns(QualityWarning, match=r"5 labelled defects, .* above 50% .* above 8.%: .*; label more defects"):
        warn_of_quality(useless, np.full(5, 0.9), 1.0)
    with pytest.warns(QualityWarning, match="all codes are equal"):
        warn_of_quality(Calibration(ordinary), np.empty(0), 0.0)
    warn_of_quality(replace(useless, out_of_fold=np.full(5, 0.9)), np.full(5, 0.9), 1.0)
    warn_of_quality(replace(useless, out_of_fold=np.full(3, 0.5)), np.full(3, 0.9), 1.0)


def test_random_labels_are_noticed_by_a_detector():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3))
    far = np.arange(6)
    x[far] = 9 * np.repeat(np.eye(3), 2, axis=0) * np.tile([1, -1], 3)[:, None]  # alike in nothing but being unusual
    y = np.full(400, None, dtype=object)
    y[far] = "defect"
    scorer = {"name": "ensemble", "experts": {"plain": ["linear", "isolation"]}, "free_share": 1e-9}
    with pytest.warns(QualityWarning, match="the labels do not improve the ranking yet"):
        DefectDetector(epochs=1, random_state=0, scorer=scorer).fit(x, y)


@pytest.mark.parametrize("name", ["trees", "forest", "isolation"])
def test_the_walk_in_numpy_gives_the_bits_of_the_compiled_one(name, monkeypatch):
    from blemish.scoring.experts import trees

    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 5)).astype(np.float32)
    x[:6, 0] += 4
    is_defect = np.arange(400) < 6
    expert = EXPERTS[name]()
    state = expert.fit(x, is_defect, np.ones(400), 0)
    compiled = expert.score(state, x)
    monkeypatch.setattr(trees, "NODE_DTYPE", np.dtype([("another", "i4")]))  # of some other scikit-learn
    trees._COMPILED.clear()
    np.testing.assert_array_equal(expert.score(state, x), compiled)
    monkeypatch.setattr(trees, "walk", None)
    with pytest.raises(TypeError):
        expert.score(state, x)


def test_walks_are_kept_as_long_as_their_trees():
    from blemish.scoring.experts import trees

    x, is_defect = np.random.default_rng(0).standard_normal((400, 5)).astype(np.float32), np.arange(400) < 6
    expert = EXPERTS["trees"]()
    state = expert.fit(x, is_defect, np.ones(400), 0)
    expert.score(state, x)
    place = tuple(id(state[name]) for name in ("roots", "feature", "threshold", "children", "value"))
    first = trees._COMPILED[place]
    expert.score(state, x)
    assert trees._COMPILED[place] is first
    other = {**state, "value": np.zeros_like(state["value"])}
    assert (expert.score(other, x) == 0).all()
    del state["feature"], other
    assert place not in trees._COMPILED
