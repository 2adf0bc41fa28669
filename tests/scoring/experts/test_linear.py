"""Linear experts: the discriminant against its double loop, and where it is better than regression; a direction."""

import numpy as np
from sklearn.metrics import roc_auc_score

import reference
from blemish.scoring.experts import EXPERTS
from blemish.scoring.experts.linear import common_direction, discriminant


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
