"""Random views of samples for the contrastive terms, so that a network cannot learn its few labelled defects by heart.

A view shows the same sample a little differently; every row of a batch that trains a contrast is seen through one,
while the reconstruction is still asked for the clean sample.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from blemish.core.output import Block
from blemish.losses.functional import column_mask


def hide_boxes(
    x: Float[Tensor, "batch *leading height width"], generator: torch.Generator, blocks: tuple[Block, ...] = ()
) -> Float[Tensor, "batch *leading height width"]:
    """Change the light, add noise, and hide two boxes, all the same in every frame and channel.

    Args:
        x: Images (batch, channel, height, width) or clips (batch, frame, channel, height, width), in [0, 1].
        generator: Source of randomness, on the device of `x`.
        blocks: Not used; pictures have no columns.

    Returns:
        Shape of `x`. Boxes have sides of 20 to 80 % and take the batch's mean (of a ninth of its pixels); contrast and
        brightness change by 10 % (one standard deviation), noise has 5 % of the batch's standard deviation.

    Reference:
        DeVries and Taylor, "Improved regularization of convolutional neural networks with cutout", 2017,
        arXiv:1708.04552.
    """
    n, height, width = x.shape[0], x.shape[-2], x.shape[-1]
    spread, mean = torch.std_mean(x[..., ::3, ::3])  # a ninth of the pixels tells enough

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, device=x.device, dtype=x.dtype)

    gain, light = 1 + 0.1 * normal(n, 1, 1), 0.1 * spread * normal(n, 1, 1)
    keep = torch.ones(n, height, width, dtype=x.dtype, device=x.device)
    for _ in range(2):
        u = torch.rand(4, n, generator=generator, device=x.device)
        inside_height = _inside(height, 0.2 + 0.6 * u[0], u[1])
        inside_width = _inside(width, 0.2 + 0.6 * u[2], u[3])
        keep.masked_fill_(inside_height[:, :, None] & inside_width[:, None, :], 0.0)
    # seen = mean + keep * ((x - mean) * gain + light + noise), as one pass over x
    factor = keep * gain
    offset = mean + keep * (light + 0.05 * spread * normal(n, height, width)) - factor * mean
    shape = (n, *(1,) * (x.ndim - 3), height, width)
    return torch.addcmul(offset.reshape(shape), x, factor.reshape(shape))


def _inside(side: int, share: Tensor, centre: Tensor) -> Tensor:
    """Which of the pixels along a side a box covers, (batch, side)."""
    position = (torch.arange(side, device=share.device) + 0.5) / side
    return (position - centre[:, None]).abs() < share[:, None] / 2


def hide_columns(
    x: Float[Tensor, "batch *feature"], generator: torch.Generator, blocks: tuple[Block, ...] = ()
) -> Float[Tensor, "batch *feature"]:
    """Take a tenth of each row's columns from another row.

    Args:
        x: Rows of a table; or any samples, whose elements are the columns.
        generator: Source of randomness, on any device.
        blocks: The columns; a category's features move together.

    Returns:
        Shape of `x`.
    """
    partner = torch.randperm(x.shape[0], generator=generator, device=generator.device).to(x.device)
    return torch.where(column_mask(x, 0.1, generator, blocks), x[partner], x)
