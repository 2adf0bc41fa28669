"""Densities and posteriors against loops."""

import numpy as np
import pytest

import reference
from blemish.scoring.mixture import (
    BREADTH,
    PRIOR,
    WIDTHS,
    fit_whitening,
    log_joint,
    log_kernels,
    log_normal,
    whitened,
)


def test_whitened_normals_have_unit_covariance():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(20000, 3)) @ np.array([[3.0, 0, 0], [2, 0.1, 0], [0, 0, 50]]) + 7
    u = whitened(fit_whitening(features), features)
    np.testing.assert_allclose(np.cov(u.T), np.eye(3), atol=0.05)
    np.testing.assert_allclose(np.median(whitened(fit_whitening(features), features), axis=0), 0, atol=0.05)


def test_whitening_does_not_depend_on_the_unit_of_a_feature():
    features = np.random.default_rng(0).normal(size=(300, 3))
    a, b = (whitened(fit_whitening(f), f) for f in (features, features * [1, 1000, 0.001]))
    np.testing.assert_allclose(np.square(a).sum(1), np.square(b).sum(1), rtol=1e-6)


def test_log_densities_equal_the_loops():
    rng = np.random.default_rng(0)
    u, points = rng.normal(size=(6, 3)), rng.normal(size=(4, 3))
    np.testing.assert_allclose(log_kernels(u, points), [reference.log_kernels(row, points, WIDTHS) for row in u])
    np.testing.assert_allclose(log_normal(u, 4.0), [reference.log_normal(row, 4.0) for row in u])


@pytest.mark.parametrize(("n_defects", "n_others"), [(3, 0), (3, 4), (0, 4), (0, 0)])
def test_posterior_equals_bayes_rule(n_defects, n_others):
    rng = np.random.default_rng(0)
    u, defects, others = rng.normal(size=(6, 3)), rng.normal(size=(n_defects, 3)), rng.normal(size=(n_others, 3))
    joint = np.exp(log_joint(u, defects, others))
    expected = [reference.posterior(row, defects, others, WIDTHS, list(PRIOR.values()), BREADTH) for row in u]
    np.testing.assert_allclose(joint / joint.sum(1, keepdims=True), expected, rtol=1e-9)


def test_priors_sum_to_one():
    assert list(PRIOR) == ["normal", "other", "defect"]
    assert sum(PRIOR.values()) == pytest.approx(1)


def test_log_kernels_far_away_are_finite():
    assert np.isfinite(log_kernels(np.full((1, 2), 1e6), np.zeros((1, 2)))).all()
