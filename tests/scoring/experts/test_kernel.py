"""The kernel machine against its double loop."""

import numpy as np

import reference
from blemish.scoring.experts.kernel import kernel_score


def test_kernel_score_is_the_sum_of_its_bumps():
    rng = np.random.default_rng(0)
    x, points, weights = rng.normal(size=(7, 3)), rng.normal(size=(5, 3)), rng.normal(size=5)
    np.testing.assert_allclose(
        kernel_score(x, points, weights, 0.3, 0.7), reference.kernel_machine(x, points, weights, 0.3, 0.7), rtol=1e-9
    )
