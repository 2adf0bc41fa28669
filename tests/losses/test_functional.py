"""The tensor maths that losses and scorers share, against NumPy loops."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from blemish.core.errors import DataError
from blemish.core.labels import DEFECT, NORMAL, OTHER, UNLABELLED
from blemish.core.output import Block
from blemish.losses import functional
from blemish.modalities.tabular import Tabular

GROUP = torch.tensor([UNLABELLED, NORMAL, OTHER, DEFECT])
BLOCKS = (Block(0, 1, "numeric"), Block(1, 5, "categorical"), Block(5, 6, "binary"), Block(6, 8, "categorical"))


@pytest.fixture
def codes():
    """Seven codes in float64."""
    return torch.tensor(np.random.default_rng(0).normal(size=(7, 3)))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_every_row_is_learnt_or_defect_or_other():
    masks = [functional.is_learnt(GROUP), functional.is_defect(GROUP), functional.is_other(GROUP)]
    assert [mask.tolist() for mask in masks] == [
        [True, True, False, False],
        [False, False, False, True],
        [False, False, True, False],
    ]


def test_mean_where_of_nothing_is_zero():
    assert float(functional.mean_where(torch.ones(3), torch.zeros(3, dtype=torch.bool))) == 0


@pytest.mark.parametrize("wild", [float("inf"), float("nan"), 1e38])
def test_mean_where_ignores_whatever_is_masked(wild):
    values, mask = torch.tensor([1.0, 3.0, wild]), torch.tensor([True, True, False])
    assert float(functional.mean_where(values, mask)) == 2.0


def test_mean_where_keeps_double_precision():
    assert functional.mean_where(torch.ones(2, dtype=torch.float64), torch.tensor([True, False])).dtype == torch.float64


def test_sample_mean_is_over_all_axes_but_the_first():
    x = torch.arange(12.0).reshape(2, 3, 2)
    assert functional.sample_mean(x).tolist() == [2.5, 8.5]
    assert functional.sample_mean(x[:, :1, :1]).tolist() == [0.0, 6.0]


def test_centre_is_the_mean_of_the_masked_rows_without_gradient(codes):
    mask = torch.tensor([True, False, True, False, False, False, False])
    centre = functional.centre_of(codes.requires_grad_(), mask)
    np.testing.assert_allclose(centre, (codes[0] + codes[2]).detach() / 2)
    assert not centre.requires_grad


def test_centre_of_no_rows_is_the_origin(codes):
    assert functional.centre_of(codes, torch.zeros(7, dtype=torch.bool)).tolist() == [0, 0, 0]


def test_squared_distances_equal_the_loops(codes):
    result = functional.squared_distances(codes[:4], codes[2:])
    expected = [[reference.squared_distance(a, b) for b in codes[2:]] for a in codes[:4]]
    np.testing.assert_allclose(result, expected, rtol=1e-12)
    np.testing.assert_allclose(functional.distances(codes[:4], codes[2:]), np.sqrt(expected), atol=1e-6)


def test_squared_distances_are_exact_near_zero_far_from_the_origin():
    a = torch.tensor([[1000.0]])
    assert float(functional.squared_distances(a, a + 2.0**-10)) == 2.0**-20


def test_distance_zero_has_gradient_zero():
    z = torch.ones(2, 3, requires_grad=True)
    (gradient,) = torch.autograd.grad(functional.distances(z, z.detach()).sum(), z)
    assert gradient.tolist() == [[0.0] * 3] * 2


def test_distances_to_nothing_are_empty(codes):
    assert functional.distances(codes, codes[:0]).shape == (7, 0)


def test_pair_mean_leaves_the_diagonal_out():
    values = torch.tensor([[9.0, 1.0], [3.0, 9.0]])
    assert float(functional.pair_mean(values)) == 2.0


@pytest.mark.parametrize("rows", [0, 1])
def test_pair_mean_without_pairs_is_zero(rows):
    assert float(functional.pair_mean(torch.full((rows, rows), 5.0))) == 0


def test_a_single_row_is_its_own_partner():
    values = torch.tensor([[9.0, 1.0], [3.0, 9.0]])
    assert float(functional.partner_mean(values)) == 2.0
    assert float(functional.partner_mean(values[:1, :1])) == 9.0
    assert float(functional.partner_mean(values[:0, :0])) == 0.0


def test_codes_are_seen_from_the_mean_of_the_normals(codes):
    group = torch.tensor([NORMAL, DEFECT, UNLABELLED, OTHER, OTHER, DEFECT, DEFECT])
    seen = functional.from_normals(codes, group).numpy()
    np.testing.assert_allclose(seen, reference.from_normals(codes.numpy(), group.numpy()), atol=1e-12)
    directions = functional.directions(codes, group)
    np.testing.assert_allclose(directions, seen / np.linalg.norm(seen, axis=1, keepdims=True), atol=1e-9)


def test_without_normals_codes_are_seen_from_the_origin(codes):
    assert torch.equal(functional.from_normals(codes, torch.full((7,), DEFECT)), codes)


def test_a_code_on_the_mean_normal_has_no_direction():
    z = torch.ones(2, 3, requires_grad=True)
    directions = functional.directions(z, torch.tensor([NORMAL, DEFECT]))
    (gradient,) = torch.autograd.grad(directions.sum(), z)
    assert not directions.any()
    assert gradient.isfinite().all()


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(st.lists(st.booleans(), min_size=7, max_size=7), st.integers(0, 100))
def test_closed_forms_equal_the_loops(mask, seed):
    z = np.random.default_rng(seed).normal(size=(7, 3)) * 3 + seed
    rows = [i for i in range(7) if mask[i]]
    tensor, chosen = torch.tensor(z), torch.tensor(mask)
    assert float(functional.within_sum(tensor, chosen)) == pytest.approx(reference.within_sum(z, rows), abs=1e-8)
    if rows:
        points = torch.tensor(z[:4] + 1)
        expected = [reference.mean_squared_distance(z, rows, point) for point in points.numpy()]
        np.testing.assert_allclose(functional.mean_squared_distance_to(tensor, chosen, points), expected, rtol=1e-9)


def test_closed_forms_of_no_rows_are_finite(codes):
    nothing = torch.zeros(7, dtype=torch.bool)
    assert float(functional.within_sum(codes, nothing)) == 0
    assert functional.mean_squared_distance_to(codes, nothing, codes[:2]).isfinite().all()


def test_categorical_error_equals_the_loops():
    rng = np.random.default_rng(0)
    one_hot, logits = np.eye(4)[[0, 3, 2]], rng.normal(size=(3, 4))
    expected = [reference.category_error(a, b) for a, b in zip(one_hot, logits, strict=True)]
    np.testing.assert_allclose(functional.categorical_error(torch.tensor(one_hot), torch.tensor(logits)), expected)


def test_categorical_error_of_huge_logits_is_finite():
    assert functional.categorical_error(torch.eye(2), torch.tensor([[-1e4, 1e4], [-1e4, 1e4]])).tolist() == [2e4, 0.0]


def test_the_features_of_one_column_are_masked_together():
    mask = functional.column_mask(torch.zeros(200, 8), 0.5, generator(), BLOCKS)
    for block in BLOCKS:
        part = mask[:, block.start : block.stop]
        assert (part.all(1) | ~part.any(1)).all()
        assert part.any()
        assert not part.all()


@pytest.mark.parametrize("blocks", [(), BLOCKS])
def test_a_share_of_columns_is_masked(blocks):
    x = torch.zeros(500, 8)
    assert not functional.column_mask(x, 0.0, generator(), blocks).any()
    assert functional.column_mask(x, 1.0, generator(), blocks).all()
    assert float(functional.column_mask(x, 0.3, generator(), blocks).float().mean()) == pytest.approx(0.3, abs=0.05)


def test_each_row_may_have_its_own_share():
    mask = functional.column_mask(torch.zeros(2, 8), torch.tensor([[0.0], [1.0]]), generator(), BLOCKS)
    assert mask.tolist() == [[False] * 8, [True] * 8]


@pytest.mark.parametrize("shape", [(3, 8), (3, 1, 4, 5), (3, 2, 1, 4, 5)])
def test_a_column_mask_has_the_shape_of_the_samples(shape):
    assert functional.column_mask(torch.zeros(shape), 0.5, generator()).shape == shape


def test_a_column_mask_of_no_rows_is_empty():
    assert functional.column_mask(torch.zeros(0, 8), 0.5, generator(), BLOCKS).shape == (0, 8)
    assert functional.column_mask(torch.zeros(0, 8), 0.5, generator()).shape == (0, 8)


def test_scaled_numbers_equal_the_loops():
    values = np.random.default_rng(0).standard_t(2, size=41) * 30 + 5
    scaled = Tabular().fit(values[:, None]).to_tensor(values[:, None])
    np.testing.assert_allclose(scaled[:, 0], reference.asinh_scaled(values), rtol=1e-6)
    assert reference.normal_iqr_factor() == pytest.approx(1.349, abs=1e-3)


def test_a_missing_number_is_scaled_to_zero_and_marked():
    values = np.array([3.0, np.nan, 8.0, 4.0, 9.0])
    scaled = Tabular().fit(values[:, None]).to_tensor(values[:, None])
    np.testing.assert_allclose(scaled[:, 0], reference.asinh_scaled(values), rtol=1e-6)
    assert scaled[:, 1].tolist() == [0, 1, 0, 0, 0]


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_distances_by_a_product_keep_their_digits_far_from_the_origin(offset):
    generator = torch.Generator().manual_seed(0)
    a = (torch.randn(16, 64, generator=generator) + offset).requires_grad_()
    b = (torch.randn(1024, 64, generator=generator) + offset).requires_grad_()
    exact_a, exact_b = (x.detach().double().requires_grad_() for x in (a, b))
    ours, exact = functional.distances_to_many(a, b), functional.distances(exact_a, exact_b)
    assert ((ours - exact).abs() / exact).max() < 1e-6
    ours.sum().backward()
    exact.sum().backward()
    for x, true in ((a, exact_a), (b, exact_b)):
        assert (x.grad - true.grad).abs().max() < 1e-5 * true.grad.abs().max()


def test_equal_rows_have_no_distance_and_no_gradient():
    a = torch.full((1, 4), 3.0, requires_grad=True)
    found = functional.distances_to_many(a, torch.cat([a.detach(), -a.detach()]))
    assert found[0, 0] < 0.01
    found[0, 0].backward()
    assert a.grad is not None
    assert a.grad.abs().max() == 0


@pytest.mark.parametrize("n", [2, 3, 130, 300])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_the_sum_of_distances_equals_the_loops_and_so_does_its_gradient(n, offset):
    z = (torch.randn(n, 5, generator=torch.Generator().manual_seed(n)) + offset).requires_grad_()
    exact = z.detach().double().requires_grad_()
    ours, true = functional.distance_sum(z), torch.pdist(exact).sum()
    assert float(ours.detach()) == pytest.approx(float(true.detach()), rel=1e-6)
    ours.backward()
    true.backward()
    assert z.grad is not None
    assert exact.grad is not None
    assert (z.grad - exact.grad).abs().max() < 1e-5 * exact.grad.abs().max()


def test_gradients_of_distances_by_products_agree_with_differences():
    z = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(functional.distance_sum, (z,))
    assert torch.autograd.gradcheck(functional.distances_to_many, (z[:2], z[2:]))


@pytest.mark.parametrize("n", [0, 1])
def test_a_single_row_has_no_distances(n):
    z = torch.ones(n, 3, requires_grad=True)
    total = functional.distance_sum(z)
    total.backward()
    assert float(total.detach()) == 0
    assert z.grad is not None
    assert z.grad.abs().sum() == 0


def test_equal_rows_do_not_move_by_their_distance_from_each_other():
    z = torch.tensor([[1.0, 2.0]] * 3 + [[4.0, 6.0]], requires_grad=True)
    total = functional.distance_sum(z)
    total.backward()
    assert float(total.detach()) == pytest.approx(15, rel=1e-3)
    assert z.grad is not None
    torch.testing.assert_close(z.grad, torch.tensor([[-0.6, -0.8]] * 3 + [[1.8, 2.4]]), rtol=1e-3, atol=1e-3)


def test_numbers_are_scaled_alike_however_they_come():
    rng = np.random.default_rng(0)
    X = rng.standard_t(2, size=(5000, 3)).astype(np.float32)
    fitted = Tabular().fit(X)
    scaled = fitted.to_tensor(X)
    np.testing.assert_array_equal(fitted.to_tensor(X.astype(np.float64)), scaled)
    np.testing.assert_array_equal(fitted.to_tensor({f"x{i}": X[:, i] for i in range(3)}), scaled)
    np.testing.assert_array_equal(np.concatenate([fitted.to_tensor(row[None]) for row in X[:50]]), scaled[:50])
    for i in range(3):
        np.testing.assert_allclose(scaled[:, i], reference.asinh_scaled(X[:, i].astype(float)), rtol=1e-6)


def test_numbers_beyond_a_float32_are_scaled_like_others():
    X = np.array([[0.0], [1.0], [2.0], [3.0], [1e300], [-1e300], [np.nan]])
    fitted = Tabular().fit(X[:4])
    np.testing.assert_allclose(
        fitted.to_tensor(X)[4:, 0], [*np.arcsinh((X[4:6, 0] - 1.5) / (1.5 / 1.349)), 0], rtol=1e-6
    )


@pytest.mark.parametrize("with_a_gap", [False, True])
def test_an_infinite_number_in_an_array_is_named(with_a_gap):
    X = np.random.default_rng(0).normal(size=(100, 3))
    fitted = Tabular().fit(X)
    X[7, 2] = np.inf
    if with_a_gap:
        X[5, 1] = np.nan
    with pytest.raises(DataError, match="row 7, column 'x2' is infinity"):
        fitted.to_tensor(X)
