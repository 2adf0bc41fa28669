"""Small networks run on one thread: a second one costs more than it brings, and far more beside a busy neighbour."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def fitting_threads(network: nn.Module) -> Iterator[None]:
    """Use one thread inside the block unless the network has convolutions; the old number comes back afterwards."""
    before = torch.get_num_threads()
    if before == 1 or any(isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)) for module in network.modules()):
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
