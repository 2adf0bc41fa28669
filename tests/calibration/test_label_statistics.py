"""The learning curve: which labels it is fitted on, and which it ranks."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from blemish.calibration.label_statistics import conflicts, copies, learning_curve, sample_of, sizes_of
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


class Neighbour(ReconstructionOnly):
    """Scores by the nearest code that was labelled as the defect: it knows copies again."""

    def fit(self, evidence, group, seed=0) -> Any:
        return {"seen": evidence.z[group == DEFECT, 0], "rows": evidence.z[:, 0]}

    def defect_score(self, state: Any, evidence):
        return -np.abs(evidence.z[:, :1] - state["seen"]).min(axis=1)


def copied(n_parts=40, n_defects=8, n_copies=3):
    """Parts in a row, far from each other, each with copies that are near; defects among them at random."""
    rng = np.random.default_rng(0)
    place = np.repeat(rng.permutation(n_parts).astype(float), n_copies)
    z = (place + 1e-3 * rng.random(len(place)))[:, None]
    group = np.where(np.repeat(np.arange(n_parts) < n_defects, n_copies), DEFECT, UNLABELLED)
    return Evidence(z, np.ones(len(z)), cluster=np.repeat(np.arange(n_parts), n_copies)), group


def test_the_curve_fits_on_no_copy_of_what_it_ranks():
    evidence, group = copied()
    seen: list[tuple[np.ndarray, np.ndarray]] = []

    class Spy(Neighbour):
        def defect_score(self, state: Any, evidence):
            seen.append((state["rows"].round(), evidence.z[:, 0].round()))
            return super().defect_score(state, evidence)

    for held_out in (np.arange(60, 120, 3), np.zeros(0, dtype=np.int64)):
        curve = learning_curve(Spy(), sample_of(evidence, group, held_out, 0), 0)
        assert sorted(set(curve[:, 0])) == sizes_of(8)  # eight parts, not 24 rows
        assert not any(set(fitted) & set(ranked) for fitted, ranked in seen)


@pytest.mark.parametrize("noise", [0.0, 1e-3])
def test_copies_are_found_and_what_they_flatter_is_measured(noise):
    evidence, group = copied()
    evidence = replace(evidence, z=evidence.z.round() + noise * np.random.default_rng(1).random(evidence.z.shape))
    apart = sample_of(replace(evidence, cluster=None), group, np.arange(60, 120, 3), 0)
    curve = learning_curve(Neighbour(), apart, 0)
    n_defects, n_held_out, flattering, honest = copies(Neighbour(), apart, curve, 0)
    assert (n_defects, n_held_out) == (24, 20)
    assert flattering == pytest.approx(1 - curve[curve[:, 0] == max(curve[:, 0]), 2].mean())
    assert flattering > 0.9 > honest
    kept = sample_of(evidence, group, np.arange(60, 120, 3), 0)
    assert copies(Neighbour(), kept, learning_curve(Neighbour(), kept, 0), 0).tolist() == [0, 0, -1, -1]


def test_rows_that_are_not_copies_are_not_called_so():
    rng = np.random.default_rng(0)
    for width in (1, 2, 5):
        evidence, group = Evidence(rng.normal(size=(400, width)), np.ones(400)), np.full(400, UNLABELLED)
        group[:10] = DEFECT
        rows = sample_of(evidence, group, np.arange(300, 400), 0)
        found = copies(Neighbour(), rows, learning_curve(Neighbour(), rows, 0), 0)
        assert found[1] <= {1: 20, 2: 8, 5: 0}[width]
