"""Building blocks of the backbones."""

from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from blemish.core.output import Blocks, Samples


def mlp(widths: tuple[int, ...]) -> nn.Sequential:
    """Linear layers through the given widths with SiLU between them and none at the end.

    Example:
        >>> mlp((4, 8, 2))(torch.zeros(3, 4)).shape
        torch.Size([3, 2])
    """
    layers: list[nn.Module] = []
    for i, (fan_in, fan_out) in enumerate(pairwise(widths)):
        layers += [nn.SiLU()] if i else []
        layers += [nn.Linear(fan_in, fan_out)]
    return nn.Sequential(*layers)


class CategoryEmbedding(nn.Module):
    """Learned vectors for the categorical columns of a table; the other features pass through.

    A one-hot block times a weight matrix is a look-up of the matrix's rows. The first category of each column stands
    for values never seen in training: its vector starts at zero and stays there.
    """

    def __init__(self, n_features: int, blocks: Blocks) -> None:
        """Plan the look-ups.

        Args:
            n_features: Width of `x`.
            blocks: The columns of the table inside `x`.
        """
        super().__init__()
        categorical = [b for b in blocks if b.kind == "categorical"]
        passed = sorted(set(range(n_features)) - {i for b in categorical for i in range(b.start, b.stop)})
        self.passed = passed
        self.blocks = categorical
        self.weights = nn.ParameterList(
            nn.Parameter(torch.randn(b.stop - b.start, embedding_dim(b.stop - b.start)) * 0.5) for b in categorical
        )
        for weight in self.weights:
            weight.data[0] = 0
        self.out_features = len(passed) + sum(int(w.shape[1]) for w in self.weights)

    def forward(self, x: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch embedded"]:
        """Replace every one-hot block by its vector."""
        if not self.blocks:
            return x
        columns = [x[:, b.start : b.stop] @ w for b, w in zip(self.blocks, self.weights, strict=True)]
        return torch.cat([x[:, self.passed], *columns], dim=1)


def embedding_dim(n_categories: int) -> int:
    """Width of a category's vector: half the number of categories, between 1 and 16."""
    return max(1, min(16, (n_categories + 1) // 2))


def normalise(channels: int) -> nn.GroupNorm:
    """Normalisation within each sample, so that a row's score never depends on its batch-mates.

    Reference:
        Wu and He, "Group normalization", 2018, arXiv:1803.08494.
    """
    return nn.GroupNorm(8 if channels % 8 == 0 else 1, channels)


class Fold(nn.Module):
    """Frames become channels: (batch, *leading, height, width) → (batch, channel, height, width)."""

    def forward(self, x: Float[Tensor, "batch *leading height width"]) -> Float[Tensor, "batch channel height width"]:
        """Fold all axes between the batch and the picture."""
        return x.reshape(x.shape[0], -1, *x.shape[-2:])


class Unfold(nn.Module):
    """The inverse of any flattening: (batch, ...) → (batch, *sample_shape)."""

    def __init__(self, sample_shape: tuple[int, ...]) -> None:
        """Remember the shape of one sample."""
        super().__init__()
        self.sample_shape = sample_shape

    def forward(self, x: Float[Tensor, "batch *folded"]) -> Samples:
        """Give every row the shape of a sample."""
        return x.reshape(x.shape[0], *self.sample_shape)


class UpConv(nn.Module):
    """Doubles height and width to exactly `size`, by transposed convolution or by nearest neighbour and convolution."""

    def __init__(
        self, fan_in: int, fan_out: int, size: tuple[int, int], upsampling: Literal["transposed", "nearest"]
    ) -> None:
        """Build one step of a decoder.

        Args:
            fan_in: Channels that come in.
            fan_out: Channels that go out.
            size: Height and width that go out, in pixels.
            upsampling: 'transposed' or 'nearest'.
        """
        super().__init__()
        self.size = size
        transposed = upsampling == "transposed"
        self.conv = (
            nn.ConvTranspose2d(fan_in, fan_out, 4, stride=2, padding=1)
            if transposed
            else nn.Conv2d(fan_in, fan_out, 3, padding=1)
        )
        self.before = nn.Identity() if transposed else nn.Upsample(scale_factor=2, mode="nearest")

    def forward(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch channel_out height_out width_out"]:
        """Upsample; a surplus row or column (from an odd size) is cut."""
        return self.conv(self.before(x))[..., : self.size[0], : self.size[1]]


class ConvLstmCell(nn.Module):
    """One step of a convolutional LSTM, no peepholes.

    Reference:
        Shi et al., "Convolutional LSTM Network: A Machine Learning Approach for Precipitation Nowcasting", 2015,
        arXiv:1506.04214, eq. (3), without its peephole terms.
    """

    def __init__(self, in_channels: int, hidden_channels: int) -> None:
        """Build the one convolution that gives all four gates."""
        super().__init__()
        self.hidden_channels = hidden_channels
        self.gates = nn.Conv2d(in_channels + hidden_channels, 4 * hidden_channels, 3, padding=1)

    def forward(
        self,
        x: Float[Tensor, "batch channel height width"],
        state: tuple[Float[Tensor, "batch hidden height width"], Float[Tensor, "batch hidden height width"]],
    ) -> tuple[Float[Tensor, "batch hidden height width"], Float[Tensor, "batch hidden height width"]]:
        """Advance (h, c) by one frame."""
        h, c = state
        i, f, o, g = self.gates(torch.cat([x, h], dim=1)).chunk(4, dim=1)
        c = torch.sigmoid(f + 1) * c + torch.sigmoid(i) * torch.tanh(g)  # forget bias 1: keep the state at first
        return torch.sigmoid(o) * torch.tanh(c), c

    def zero_state(self, x: Float[Tensor, "batch channel height width"]) -> tuple[Tensor, Tensor]:
        """The state before the first frame, for inputs like `x`."""
        zero = x.new_zeros(x.shape[0], self.hidden_channels, *x.shape[-2:])
        return zero, zero
