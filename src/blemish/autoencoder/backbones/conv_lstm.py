"""Convolutions for each frame and a convolutional LSTM over the frames: the spatio-temporal autoencoder."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from blemish.autoencoder.layers import ConvLstmCell, Unfold, UpConv, normalise
from blemish.core.errors import ConfigError
from blemish.core.output import Backbone, Blocks, Codes

STANDING_GAIN = 10.0  # Adam moves a weight by at most the learning rate per step: too slow for a picture in few steps

Frames = Float[Tensor, "batch frame channel height width"]


def build(
    sample_shape: tuple[int, ...],
    hidden_dim: int,
    latent_dim: int,
    blocks: Blocks = (),
    *,
    widths: tuple[int, ...] = (16, 32),
    recurrent_width: int = 32,
) -> Backbone:
    """Build a spatio-temporal autoencoder whose recurrence runs over every frame.

    Use for video where the order of frames matters and clips are long; 'conv' is much faster on short clips. In the
    original prototype's model the frames are folded into one before its ConvLSTM, so nothing recurs there.

    Args:
        sample_shape: (frame, channel, height, width).
        hidden_dim: Width of `h`.
        latent_dim: Width of `z`.
        blocks: Must be empty.
        widths: Channels after each halving of a frame.
        recurrent_width: Channels of the recurrent state.

    Returns:
        Encoder (batch, *sample) → (batch, hidden) from the state after the last frame; decoder (batch, latent) →
        (batch, *sample), which unrolls the frames from the code.

    Raises:
        ConfigError: If the samples are not video.

    Example:
        >>> encoder, decoder = build((5, 1, 16, 16), 8, 8, widths=(4, 8), recurrent_width=8)

    Reference:
        Chong and Tay, "Abnormal event detection in videos using spatiotemporal autoencoder", 2017, arXiv:1701.01546;
        Srivastava et al., "Unsupervised learning of video representations using LSTMs", 2015, arXiv:1502.04681, for
        the unrolled decoder.
    """
    if len(sample_shape) != 4 or blocks:
        raise ConfigError(
            f"backbone 'conv_lstm' needs video (frame, channel, height, width), got samples of shape {sample_shape}; "
            "use 'conv' for images and 'mlp' for tables"
        )
    encoder = RecurrentEncoder(sample_shape, hidden_dim, tuple(widths), recurrent_width)
    decoder = RecurrentDecoder(sample_shape, latent_dim, tuple(widths), recurrent_width)
    return Backbone(encoder, decoder)


def _sizes(sample_shape: tuple[int, ...], levels: int) -> list[tuple[int, int]]:
    sizes = [(sample_shape[-2], sample_shape[-1])]
    for _ in range(levels):
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    return sizes


class RecurrentEncoder(nn.Module):
    """Frame by frame through convolutions, then through a ConvLSTM; the last state becomes `h`."""

    def __init__(
        self, sample_shape: tuple[int, ...], hidden_dim: int, widths: tuple[int, ...], recurrent_width: int
    ) -> None:
        """Build for clips of one shape."""
        super().__init__()
        height, width = _sizes(sample_shape, len(widths))[-1]
        fans = (sample_shape[1], *widths)
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise(fans):
            layers += [nn.Conv2d(fan_in, fan_out, 3, stride=2, padding=1), normalise(fan_out), nn.SiLU()]
        self.frame = nn.Sequential(*layers)
        self.cell = ConvLstmCell(widths[-1], recurrent_width)
        self.to_hidden = nn.Linear(recurrent_width * height * width, hidden_dim)

    def forward(self, x: Frames) -> Float[Tensor, "batch hidden"]:
        """Read all frames in order."""
        maps = self.frame(x.flatten(0, 1)).unflatten(0, x.shape[:2])  # (batch, frame, channel, height, width)
        state = self.cell.zero_state(maps[:, 0])
        for frame in maps.unbind(1):
            state = self.cell(frame, state)
        return self.to_hidden(state[0].flatten(1))


class RecurrentDecoder(nn.Module):
    """The code becomes a map that drives a ConvLSTM; every step of it is upsampled to a frame.

    A learnt picture of what never moves is added to every frame, so that the recurrence need not carry it; Chong and
    Tay subtract the mean frame of the training data instead.
    """

    def __init__(
        self, sample_shape: tuple[int, ...], latent_dim: int, widths: tuple[int, ...], recurrent_width: int
    ) -> None:
        """Build for clips of one shape."""
        super().__init__()
        sizes = _sizes(sample_shape, len(widths))
        self.n_frames = sample_shape[0]
        self.to_map = nn.Sequential(
            nn.Linear(latent_dim, recurrent_width * sizes[-1][0] * sizes[-1][1]), Unfold((recurrent_width, *sizes[-1]))
        )
        self.cell = ConvLstmCell(recurrent_width, recurrent_width)
        fans = (widths[0], *widths[:-1], recurrent_width)
        layers: list[nn.Module] = []
        for level in range(len(widths), 0, -1):
            layers += [
                UpConv(fans[level], fans[level - 1], sizes[level - 1], "transposed"),
                normalise(fans[level - 1]),
                nn.SiLU(),
            ]
        self.frame = nn.Sequential(*layers, nn.Conv2d(widths[0], sample_shape[1], 3, padding=1))
        self.standing = nn.Parameter(torch.zeros(sample_shape[1:]))

    def forward(self, z: Codes) -> Frames:
        """Write all frames in order."""
        drive = self.to_map(z)
        state, states = self.cell.zero_state(drive), []
        for _ in range(self.n_frames):
            state = self.cell(drive, state)
            states.append(state[0])
        maps = torch.stack(states, dim=1)
        moving = self.frame(maps.flatten(0, 1)).unflatten(0, maps.shape[:2])
        return moving + STANDING_GAIN * self.standing
