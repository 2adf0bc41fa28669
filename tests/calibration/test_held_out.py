"""Which rows calibrate."""

import numpy as np

from blemish.calibration.held_out import MAX_HELD_OUT, MIN_ORDINARY, hold_out, still_held_out
from blemish.core.labels import DEFECT, NORMAL, OTHER, UNLABELLED


def held_out(n):
    return hold_out(np.full(n, UNLABELLED), np.random.default_rng(0))


def test_a_fifth_is_held_out_where_that_is_enough():
    assert len(held_out(MIN_ORDINARY - 1)) == 0
    assert len(held_out(MIN_ORDINARY)) == MIN_ORDINARY // 5
    assert len(held_out(503)) == 100
    assert len(held_out(10 * MAX_HELD_OUT)) == MAX_HELD_OUT


def test_only_unlabelled_and_normal_rows_are_held_out():
    group = np.tile([UNLABELLED, NORMAL, DEFECT, OTHER], 100)
    found = hold_out(group, np.random.default_rng(0))
    assert len(found) == 40
    assert (np.diff(found) > 0).all()
    assert set(group[found]) == {UNLABELLED, NORMAL}


def test_a_refit_keeps_the_rows_that_are_still_ordinary():
    group = np.array([UNLABELLED, DEFECT, NORMAL, OTHER])
    assert still_held_out(np.array([0, 1, 2, 3, 7]), group).tolist() == [0, 2]
