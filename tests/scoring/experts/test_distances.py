"""The kernel machine and the mean distance to neighbours against their double loops."""

import numpy as np

import reference
from blemish.scoring.experts import EXPERTS
from blemish.scoring.experts.distances import kernel_score, neighbour_distance
from scoring_examples import island


def test_kernel_score_is_the_sum_of_its_bumps():
    rng = np.random.default_rng(0)
    x, points, weights = rng.normal(size=(7, 3)), rng.normal(size=(5, 3)), rng.normal(size=5)
    np.testing.assert_allclose(
        kernel_score(x, points, weights, 0.3, 0.7), reference.kernel_machine(x, points, weights, 0.3, 0.7), rtol=1e-9
    )


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
