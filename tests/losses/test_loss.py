"""Means over rows, which all terms share."""

import pytest
import torch

from blemish.losses.loss import mean_where, sample_mean


def test_mean_where_of_nothing_is_zero():
    assert float(mean_where(torch.ones(3), torch.zeros(3, dtype=torch.bool))) == 0


@pytest.mark.parametrize("wild", [float("inf"), float("nan"), 1e38])
def test_mean_where_ignores_whatever_is_masked(wild):
    values, mask = torch.tensor([1.0, 3.0, wild]), torch.tensor([True, True, False])
    assert float(mean_where(values, mask)) == 2.0


def test_mean_where_keeps_double_precision():
    assert mean_where(torch.ones(2, dtype=torch.float64), torch.tensor([True, False])).dtype == torch.float64


def test_sample_mean_is_over_all_axes_but_the_first():
    x = torch.arange(12.0).reshape(2, 3, 2)
    assert sample_mean(x).tolist() == [2.5, 8.5]
    assert sample_mean(x[:, :1, :1]).tolist() == [0.0, 6.0]
