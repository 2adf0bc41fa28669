"""Rows that networks are tried on."""

import torch


def samples(shape, blocks=(), n=8):
    """Rows with mean 0 and standard deviation 1; one-hot where there are categories."""
    x = torch.randn(n, *shape)
    for block in blocks:
        if block.kind == "binary":
            x[:, block.start] = (x[:, block.start] > 0).float()
        if block.kind == "categorical":
            width = block.stop - block.start
            x[:, block.start : block.stop] = torch.eye(width)[torch.arange(n) % (width - 1) + 1]
    return x
