"""Near-duplicates with different labels against the loops."""

import numpy as np

from blemish.calibration.conflicts import conflicts
from blemish.core.labels import DEFECT, NORMAL, OTHER, UNLABELLED
from blemish.scoring.scorer import Evidence


def test_conflicts_equal_the_loops():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(60, 2))
    z[1], z[3], z[5] = z[0], z[2] + 1e-3, z[4] + 0.5
    group = np.array([DEFECT, NORMAL, DEFECT, OTHER, DEFECT, OTHER, *[UNLABELLED] * 54])
    assert conflicts(Evidence(z, np.ones(60)), group).tolist() == [[0, 1], [2, 3]]
    assert conflicts(Evidence(z, np.ones(60)), np.full(60, DEFECT)).shape == (0, 2)
    flat = Evidence(np.zeros((60, 2)), np.ones(60))
    assert len(conflicts(flat, group)) == 11  # all six are the same: every pair with two labels
