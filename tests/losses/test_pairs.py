"""Distances and sums over pairs of codes, against NumPy loops."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from blemish.core.labels import DEFECT, NORMAL, OTHER, UNLABELLED
from blemish.losses import pairs


@pytest.fixture
def codes():
    """Seven codes in float64."""
    return torch.tensor(np.random.default_rng(0).normal(size=(7, 3)))


def test_centre_is_the_mean_of_the_masked_rows_without_gradient(codes):
    mask = torch.tensor([True, False, True, False, False, False, False])
    centre = pairs.centre_of(codes.requires_grad_(), mask)
    np.testing.assert_allclose(centre, (codes[0] + codes[2]).detach() / 2)
    assert not centre.requires_grad


def test_centre_of_no_rows_is_the_origin(codes):
    assert pairs.centre_of(codes, torch.zeros(7, dtype=torch.bool)).tolist() == [0, 0, 0]


def test_squared_distances_equal_the_loops(codes):
    result = pairs.squared_distances(codes[:4], codes[2:])
    expected = [[reference.squared_distance(a, b) for b in codes[2:]] for a in codes[:4]]
    np.testing.assert_allclose(result, expected, rtol=1e-12)
    np.testing.assert_allclose(pairs.distances(codes[:4], codes[2:]), np.sqrt(expected), atol=1e-6)


def test_squared_distances_are_exact_near_zero_far_from_the_origin():
    a = torch.tensor([[1000.0]])
    assert float(pairs.squared_distances(a, a + 2.0**-10)) == 2.0**-20


def test_distance_zero_has_gradient_zero():
    z = torch.ones(2, 3, requires_grad=True)
    (gradient,) = torch.autograd.grad(pairs.distances(z, z.detach()).sum(), z)
    assert gradient.tolist() == [[0.0] * 3] * 2


def test_distances_to_nothing_are_empty(codes):
    assert pairs.distances(codes, codes[:0]).shape == (7, 0)


def test_pair_mean_leaves_the_diagonal_out():
    values = torch.tensor([[9.0, 1.0], [3.0, 9.0]])
    assert float(pairs.pair_mean(values)) == 2.0


@pytest.mark.parametrize("rows", [0, 1])
def test_pair_mean_without_pairs_is_zero(rows):
    assert float(pairs.pair_mean(torch.full((rows, rows), 5.0))) == 0


def test_a_single_row_is_its_own_partner():
    values = torch.tensor([[9.0, 1.0], [3.0, 9.0]])
    assert float(pairs.partner_mean(values)) == 2.0
    assert float(pairs.partner_mean(values[:1, :1])) == 9.0
    assert float(pairs.partner_mean(values[:0, :0])) == 0.0


def test_codes_are_seen_from_the_mean_of_the_normals(codes):
    group = torch.tensor([NORMAL, DEFECT, UNLABELLED, OTHER, OTHER, DEFECT, DEFECT])
    seen = pairs.from_normals(codes, group).numpy()
    np.testing.assert_allclose(seen, reference.from_normals(codes.numpy(), group.numpy()), atol=1e-12)
    directions = pairs.directions(codes, group)
    np.testing.assert_allclose(directions, seen / np.linalg.norm(seen, axis=1, keepdims=True), atol=1e-9)


def test_without_normals_codes_are_seen_from_the_origin(codes):
    assert torch.equal(pairs.from_normals(codes, torch.full((7,), DEFECT)), codes)


def test_a_code_on_the_mean_normal_has_no_direction():
    z = torch.ones(2, 3, requires_grad=True)
    directions = pairs.directions(z, torch.tensor([NORMAL, DEFECT]))
    (gradient,) = torch.autograd.grad(directions.sum(), z)
    assert not directions.any()
    assert gradient.isfinite().all()


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(st.lists(st.booleans(), min_size=7, max_size=7), st.integers(0, 100))
def test_closed_forms_equal_the_loops(mask, seed):
    z = np.random.default_rng(seed).normal(size=(7, 3)) * 3 + seed
    rows = [i for i in range(7) if mask[i]]
    tensor, chosen = torch.tensor(z), torch.tensor(mask)
    assert float(pairs.within_sum(tensor, chosen)) == pytest.approx(reference.within_sum(z, rows), abs=1e-8)
    if rows:
        points = torch.tensor(z[:4] + 1)
        expected = [reference.mean_squared_distance(z, rows, point) for point in points.numpy()]
        np.testing.assert_allclose(pairs.mean_squared_distance_to(tensor, chosen, points), expected, rtol=1e-9)


def test_closed_forms_of_no_rows_are_finite(codes):
    nothing = torch.zeros(7, dtype=torch.bool)
    assert float(pairs.within_sum(codes, nothing)) == 0
    assert pairs.mean_squared_distance_to(codes, nothing, codes[:2]).isfinite().all()


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_distances_by_a_product_keep_their_digits_far_from_the_origin(offset):
    generator = torch.Generator().manual_seed(0)
    a = (torch.randn(16, 64, generator=generator) + offset).requires_grad_()
    b = (torch.randn(1024, 64, generator=generator) + offset).requires_grad_()
    exact_a, exact_b = (x.detach().double().requires_grad_() for x in (a, b))
    ours, exact = pairs.distances_to_many(a, b), pairs.distances(exact_a, exact_b)
    assert ((ours - exact).abs() / exact).max() < 1e-6
    ours.sum().backward()
    exact.sum().backward()
    for x, true in ((a, exact_a), (b, exact_b)):
        assert (x.grad - true.grad).abs().max() < 1e-5 * true.grad.abs().max()


def test_equal_rows_have_no_distance_and_no_gradient():
    a = torch.full((1, 4), 3.0, requires_grad=True)
    found = pairs.distances_to_many(a, torch.cat([a.detach(), -a.detach()]))
    assert found[0, 0] < 0.01
    found[0, 0].backward()
    assert a.grad is not None
    assert a.grad.abs().max() == 0


@pytest.mark.parametrize("n", [2, 3, 130, 300])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_the_sum_of_distances_equals_the_loops_and_so_does_its_gradient(n, offset):
    z = (torch.randn(n, 5, generator=torch.Generator().manual_seed(n)) + offset).requires_grad_()
    exact = z.detach().double().requires_grad_()
    ours, true = pairs.distance_sum(z), torch.pdist(exact).sum()
    assert float(ours.detach()) == pytest.approx(float(true.detach()), rel=1e-6)
    ours.backward()
    true.backward()
    assert z.grad is not None
    assert exact.grad is not None
    assert (z.grad - exact.grad).abs().max() < 1e-5 * exact.grad.abs().max()


def test_gradients_of_distances_by_products_agree_with_differences():
    z = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(pairs.distance_sum, (z,))
    assert torch.autograd.gradcheck(pairs.distances_to_many, (z[:2], z[2:]))


@pytest.mark.parametrize("n", [0, 1])
def test_a_single_row_has_no_distances(n):
    z = torch.ones(n, 3, requires_grad=True)
    total = pairs.distance_sum(z)
    total.backward()
    assert float(total.detach()) == 0
    assert z.grad is not None
    assert z.grad.abs().sum() == 0


def test_equal_rows_do_not_move_by_their_distance_from_each_other():
    z = torch.tensor([[1.0, 2.0]] * 3 + [[4.0, 6.0]], requires_grad=True)
    total = pairs.distance_sum(z)
    total.backward()
    assert float(total.detach()) == pytest.approx(15, rel=1e-3)
    assert z.grad is not None
    torch.testing.assert_close(z.grad, torch.tensor([[-0.6, -0.8]] * 3 + [[1.8, 2.4]]), rtol=1e-3, atol=1e-3)
