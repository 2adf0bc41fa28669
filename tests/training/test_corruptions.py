"""Which columns are chosen at random; what is done to them: `test_noise.py`."""

import pytest
import torch

from blemish.core.output import Block
from blemish.training.corruptions import column_mask

BLOCKS = (Block(0, 1, "numeric"), Block(1, 5, "categorical"), Block(5, 6, "binary"), Block(6, 8, "categorical"))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_features_of_one_column_are_masked_together():
    mask = column_mask(torch.zeros(200, 8), 0.5, generator(), BLOCKS)
    for block in BLOCKS:
        part = mask[:, block.start : block.stop]
        assert (part.all(1) | ~part.any(1)).all()
        assert part.any()
        assert not part.all()


@pytest.mark.parametrize("blocks", [(), BLOCKS])
def test_a_fraction_of_columns_is_masked(blocks):
    x = torch.zeros(500, 8)
    assert not column_mask(x, 0.0, generator(), blocks).any()
    assert column_mask(x, 1.0, generator(), blocks).all()
    assert float(column_mask(x, 0.3, generator(), blocks).float().mean()) == pytest.approx(0.3, abs=0.05)


def test_each_row_may_have_its_own_fraction():
    mask = column_mask(torch.zeros(2, 8), torch.tensor([[0.0], [1.0]]), generator(), BLOCKS)
    assert mask.tolist() == [[False] * 8, [True] * 8]


@pytest.mark.parametrize("shape", [(3, 8), (3, 1, 4, 5), (3, 2, 1, 4, 5)])
def test_a_column_mask_has_the_shape_of_the_samples(shape):
    assert column_mask(torch.zeros(shape), 0.5, generator()).shape == shape


def test_a_column_mask_of_no_rows_is_empty():
    assert column_mask(torch.zeros(0, 8), 0.5, generator(), BLOCKS).shape == (0, 8)
    assert column_mask(torch.zeros(0, 8), 0.5, generator()).shape == (0, 8)
