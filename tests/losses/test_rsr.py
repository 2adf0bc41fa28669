"""The terms of the robust subspace recovery layer."""

import torch

from blemish.losses.rsr import orthogonality_error, subspace_distance


def test_subspace_distance_is_zero_within_the_subspace():
    basis = torch.eye(4)[:2]
    h = torch.tensor([[1.0, 2.0, 0.0, 0.0], [0.0, 0.0, 3.0, 4.0]])
    torch.testing.assert_close(subspace_distance(h, basis), torch.tensor([0.0, 5.0]), atol=2e-6, rtol=0)
    assert float(orthogonality_error(basis)) == 0
