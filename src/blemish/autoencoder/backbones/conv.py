"""Two-dimensional convolutions; the default for images, and for video with the frames as channels."""

from itertools import pairwise
from math import prod
from typing import Literal

from torch import nn

from blemish.autoencoder.layers import Fold, Unfold, UpConv, normalise
from blemish.core.errors import ConfigError
from blemish.core.output import Backbone, Blocks


def build(
    sample_shape: tuple[int, ...],
    hidden_dim: int,
    latent_dim: int,
    blocks: Blocks = (),
    *,
    widths: tuple[int, ...] | None = None,
    upsampling: Literal["transposed", "nearest"] = "transposed",
) -> Backbone:
    """Build strided convolutions down to a vector, and their mirror image.

    Use for pictures; for video when what matters is how frames differ at one place (all frames enter the first layer
    together). Not when a defect is tiny on a large part: the whole picture becomes one vector.

    Args:
        sample_shape: (channel, height, width), or (frame, channel, height, width).
        hidden_dim: Width of `h`.
        latent_dim: Width of `z`.
        blocks: Must be empty: tables have no neighbourhoods.
        widths: Channels after each halving of height and width; None: 32, then 64 until the shorter side is at most 4.
        upsampling: 'transposed' (learnt) or 'nearest' (nearest neighbour, then convolution: no checkerboard).

    Returns:
        Encoder (batch, *sample) → (batch, hidden), decoder (batch, latent) → (batch, *sample).

    Raises:
        ConfigError: If the samples are not pictures.

    Example:
        >>> encoder, decoder = build((1, 28, 28), 16, 16, upsampling="nearest")

    Reference:
        Masci et al., "Stacked convolutional auto-encoders for hierarchical feature extraction", ICANN 2011; nearest:
        Odena et al., "Deconvolution and checkerboard artifacts", Distill, 2016.
    """
    if len(sample_shape) < 3 or blocks:
        raise ConfigError(f"backbone 'conv' needs images or video, got samples of shape {sample_shape}; use 'mlp'")
    channels, sizes = prod(sample_shape[:-2]), [(sample_shape[-2], sample_shape[-1])]
    widths = tuple(widths or _widths_for(min(sizes[0])))
    for _ in widths:
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    flat = widths[-1] * prod(sizes[-1])

    fans = (channels, *widths)
    down: list[nn.Module] = []
    for fan_in, fan_out in pairwise(fans):
        down += [nn.Conv2d(fan_in, fan_out, 3, stride=2, padding=1), normalise(fan_out), nn.SiLU()]
    encoder = nn.Sequential(Fold(), *down, nn.Flatten(), nn.Linear(flat, hidden_dim))

    up: list[nn.Module] = []
    for level in range(len(widths), 0, -1):
        up += [normalise(fans[level]), nn.SiLU(), UpConv(fans[level], fans[level - 1], sizes[level - 1], upsampling)]
    decoder = nn.Sequential(nn.Linear(latent_dim, flat), Unfold((widths[-1], *sizes[-1])), *up, Unfold(sample_shape))
    return Backbone(encoder, decoder)


def _widths_for(side: int) -> tuple[int, ...]:
    levels = 1
    while side > 2 * 4:
        side, levels = (side + 1) // 2, levels + 1
    return (32, *[64] * (levels - 1))
