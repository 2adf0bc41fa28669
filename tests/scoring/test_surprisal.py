"""Surprisal against its definition."""

import numpy as np
import pytest

import reference
from blemish.scoring.surprisal import MIN_TAIL_ROWS, SLACK, TAIL, fit_tail, part_surprisal, surprisal


@pytest.mark.parametrize("n", [60, 2000])
def test_surprisal_is_its_definition_and_keeps_the_order_far_out(n):
    """Of few rows, at least ten make the tail."""
    ordinary = np.random.default_rng(0).exponential(size=n)
    share = max(TAIL, MIN_TAIL_ROWS / n)
    state = fit_tail(ordinary, ordinary[:0])
    far = np.array([np.quantile(ordinary, 0.999), ordinary.max() + 1, ordinary.max() + 2, 1e6])
    rounded, seen = (np.round(scores / state.grid) * state.grid for scores in (ordinary, far))
    expected = [reference.surprisal(s - SLACK * state.grid, rounded, share) for s in seen]
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


@pytest.mark.parametrize("n", [12, 15, 20, 40])
def test_the_tail_is_half_of_the_rows_at_most(n):
    """Ten of twelve rows would be a tail that begins among the usual scores."""
    ordinary = np.random.default_rng(0).exponential(size=n)
    state = fit_tail(ordinary, ordinary[:0])
    assert state.tail == min(0.5, MIN_TAIL_ROWS / n)
    assert state.levels[-1] == pytest.approx(np.quantile(ordinary, 1 - state.tail), abs=1e-5)


def test_parts_below_every_row_keep_their_order_and_the_others_their_surprisal():
    ordinary = np.random.default_rng(0).normal(size=200)
    state = fit_tail(ordinary, np.empty(0))
    parts = np.linspace(-20, 8, 400)
    found = part_surprisal(state, parts)
    assert (np.diff(found[parts < ordinary.min()]) > 0).all()
    above = parts >= ordinary.min()
    np.testing.assert_array_equal(found[above], surprisal(state, parts[above]))
    step = found[1] - found[0]  # the same number of nats per unit as above the last level
    assert step == pytest.approx(found[-1] - found[-2], rel=1e-3)
