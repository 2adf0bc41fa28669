"""The trimmed mean direction is a fixed point."""

import numpy as np

import reference
from blemish.scoring.experts.direction import common_direction


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
