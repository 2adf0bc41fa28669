"""The learning curve: which labels it is fitted on, and which it ranks."""

from typing import Any

import numpy as np
import pytest

from blemish.calibration.label_statistics import conflicts, learning_curve, sample_of, sizes_of
from blemish.core.labels import DEFECT, NORMAL, OTHER, UNLABELLED
from blemish.scoring.latent import ReconstructionOnly
from blemish.scoring.scorer import Evidence


def test_the_curve_never_learns_from_what_it_looks_for():
    """Codes that name the row: a scorer that had seen a defect would know it again."""

    class Memory(ReconstructionOnly):
        def fit(self, evidence, group, seed=0) -> Any:
            return {"seen": evidence.z[group == DEFECT, 0]}

        def defect_score(self, state: Any, evidence):
            return np.isin(evidence.z[:, 0], state["seen"]).astype(float)

    n = 50
    evidence, group = Evidence(np.arange(float(n))[:, None], np.ones(n)), np.full(n, UNLABELLED)
    group[:9] = DEFECT
    for held_out in (np.arange(30, 50), np.zeros(0, dtype=np.int64)):
        curve = learning_curve(Memory(), sample_of(evidence, group, held_out, 0), 0)
        assert (curve[:, 2] == 1.0).all()
        assert sorted(set(curve[:, 0])) == sizes_of(9)
        assert (curve[:, 0] == max(sizes_of(9))).sum() == 9  # each defect is left out once


@pytest.mark.parametrize("n", range(2, 40))
def test_the_sizes_double_and_leave_something_out(n):
    sizes = sizes_of(n)
    assert all(1 <= size < n for size in sizes)
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == n - max(1, round(n / 4))


def test_conflicts_equal_the_loops():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(60, 2))
    z[1], z[3], z[5] = z[0], z[2] + 1e-3, z[4] + 0.5
    group = np.array([DEFECT, NORMAL, DEFECT, OTHER, DEFECT, OTHER, *[UNLABELLED] * 54])
    assert conflicts(Evidence(z, np.ones(60)), group).tolist() == [[0, 1], [2, 3]]
    assert conflicts(Evidence(z, np.ones(60)), np.full(60, DEFECT)).shape == (0, 2)
    flat = Evidence(np.zeros((60, 2)), np.ones(60))
    assert len(conflicts(flat, group)) == 11  # all six are the same: every pair with two labels
