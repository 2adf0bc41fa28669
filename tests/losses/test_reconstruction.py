"""Facts of each reconstruction loss."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import reference
from blemish.core.output import Block
from blemish.losses import LOSSES
from blemish.losses.reconstruction.bce import binary_cross_entropy
from blemish.losses.reconstruction.mse import squared_error
from blemish.losses.reconstruction.typed import activate_columns, categorical_error, column_errors
from loss_examples import BLOCKS, GROUPS, example


def test_bce_reads_values_outside_0_and_1_as_0_and_1():
    term, x_hat = LOSSES["bce"](), torch.tensor([[0.3, -0.7]])
    assert torch.equal(
        term.error_map(torch.tensor([[-5.0, 3.0]]), x_hat), term.error_map(torch.tensor([[0.0, 1.0]]), x_hat)
    )


def test_bce_of_a_sure_and_right_pixel_is_not_below_zero():
    errors = LOSSES["bce"]().error_map(torch.tensor([[0.0, 1.0, 0.0]]), torch.tensor([[-1e4, 1e4, -20.0]]))
    assert errors.tolist() == [[0.0, 0.0, 0.0]]


def test_bce_of_huge_logits_is_finite():
    assert binary_cross_entropy(torch.ones(1, 2), torch.tensor([[-1e4, 1e4]])).tolist() == [[1e4, 0.0]]


@pytest.mark.parametrize("case", GROUPS)
def test_embedded_measures_in_the_space_of_the_vectors(case):
    batch, out = example(GROUPS[case], kind="table")
    vectors = (torch.randn(3, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64),)
    value = LOSSES["embedded"]()(batch, replace(out, vectors=vectors))
    rows = [
        reference.embedded_error(x, x_hat, [vectors[0].numpy()], BLOCKS)
        for x, x_hat in zip(batch.x.numpy(), out.x_hat.numpy(), strict=True)
    ]
    assert float(value) == pytest.approx(reference.mean_of_ordinary(np.array(rows), batch.group.numpy()), abs=1e-9)


def test_embedded_costs_nothing_where_all_vectors_are_zero():
    batch, out = example(GROUPS["all groups"], kind="table")
    same = torch.cat([batch.x[:, :2], out.x_hat[:, 2:5], batch.x[:, 5:]], dim=1)
    assert float(LOSSES["embedded"]()(batch, replace(out, x_hat=same, vectors=(torch.zeros(3, 2).double(),)))) == 0


def test_bce_sees_the_numbers_of_a_table_through_the_logistic_function():
    blocks = (Block(0, 1, "numeric"), Block(1, 2, "binary"))
    x, term = torch.tensor([[-7.0, 1.0], [3.0, 0.0]]), LOSSES["bce"]()
    assert float(term.error_map(x, x, blocks)[:, 0].max()) < 1e-6
    torch.testing.assert_close(
        term.activate(torch.full((2, 2), 3.0), blocks)[0], torch.tensor([3.0, 0.9526]), atol=1e-4, rtol=0
    )


def test_typed_gives_a_wide_category_the_weight_of_one_number():
    blocks = (Block(0, 60, "categorical"), Block(60, 61, "numeric"))
    x = torch.cat([torch.eye(60)[:3], torch.zeros(3, 1)], dim=1)
    errors = column_errors(x, torch.zeros_like(x), blocks)
    assert errors.shape == (3, 2)
    torch.testing.assert_close(errors[:, 0], torch.full((3,), float(np.log(60))))


def test_typed_activates_categories_to_probabilities():
    _, out = example(GROUPS["one defect"])
    seen = activate_columns(out.x_hat, BLOCKS)
    torch.testing.assert_close(seen[:, 2:5].sum(1), torch.ones(4, dtype=torch.float64))
    assert ((seen[:, 1] > 0) & (seen[:, 1] < 1)).all()
    assert torch.equal(seen[:, [0, 5]], out.x_hat[:, [0, 5]])


@pytest.mark.parametrize("function", [squared_error, binary_cross_entropy])
def test_a_wrong_shape_is_refused_by_the_run_time_check(function):
    with pytest.raises(Exception, match=r"sample|shape"):
        function(torch.zeros(2, 3), torch.zeros(2, 4))


def test_categorical_error_equals_the_loops():
    rng = np.random.default_rng(0)
    one_hot, logits = np.eye(4)[[0, 3, 2]], rng.normal(size=(3, 4))
    expected = [reference.category_error(a, b) for a, b in zip(one_hot, logits, strict=True)]
    np.testing.assert_allclose(categorical_error(torch.tensor(one_hot), torch.tensor(logits)), expected)


def test_categorical_error_of_huge_logits_is_finite():
    assert categorical_error(torch.eye(2), torch.tensor([[-1e4, 1e4], [-1e4, 1e4]])).tolist() == [2e4, 0.0]
