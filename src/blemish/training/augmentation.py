"""Random changes of a batch's rows: input noise, augmentation, and synthetic outliers.

Each takes samples (batch, *sample), a source of randomness and, for a table, its columns, whose features move together;
each gives the shape of the samples.

* Input noise, for denoising: the network sees the noisy row and has to reconstruct the clean one.
* Augmentation, for the contrastive terms, so that a network cannot memorise its few labelled defects: every row of a
  batch that trains a contrast is changed a little, while the reconstruction is still compared with the clean sample
  (decisions.md 6).
* Synthetic outliers, so that unseen regions are not scored as defects: unlike the normals in some random way, they
  train the contrastive terms as members of the group 'other' and are never reconstructed (decisions.md 6).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from blemish.core.errors import ConfigError
from blemish.core.output import Blocks, PerRow, Samples


def column_mask(
    x: Samples,
    fraction: float | Float[Tensor, "batch 1"],
    generator: torch.Generator,
    blocks: Blocks = (),
) -> Bool[Tensor, "batch *sample"]:
    """True for a random fraction of each row's columns; the features of one column go together.

    Args:
        x: Samples, shape (batch, *sample).
        fraction: Probability of a column, in [0, 1]; one number, or one per row.
        generator: On any device.
        blocks: The columns of a table; without them every element is a column.
    """
    n_columns = len(blocks) or x.shape[1:].numel()
    chosen = torch.rand(x.shape[0], n_columns, generator=generator, device=generator.device) < fraction
    if not blocks:
        return chosen.reshape(x.shape).to(x.device)
    widths = torch.tensor([b.stop - b.start for b in blocks], device=generator.device)
    return chosen.repeat_interleave(widths, dim=1).reshape(x.shape).to(x.device)


@dataclass(frozen=True)
class Gaussian:
    """Adds normal noise; in a table to the numeric columns only.

    Attributes:
        stdev: Standard deviation in scaled units, >= 0.

    Reference:
        Vincent et al., "Stacked denoising autoencoders", JMLR 11, 2010, section 3.2.
    """

    stdev: float = 0.1

    def __post_init__(self) -> None:
        """Refuse what is not a standard deviation."""
        if not 0 <= self.stdev < float("inf"):
            raise ConfigError(f"stdev={self.stdev!r} must be a number of at least 0")

    def __call__(self, x: Samples, generator: torch.Generator, blocks: Blocks = ()) -> Samples:
        """Noisy copy of x, same shape."""
        noise = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype) * self.stdev
        for b in blocks:
            if b.kind != "numeric":
                noise[:, b.start : b.stop] = 0
        return x + noise


@dataclass(frozen=True)
class ColumnNoise(ABC):
    """Replaces some columns or pixels of each row.

    Attributes:
        share: Probability of each column or pixel, in [0, 1].
    """

    share: float = 0.2

    def __post_init__(self) -> None:
        """Refuse what is not a probability."""
        if not 0 <= self.share <= 1:
            raise ConfigError(f"share={self.share!r} must lie between 0 and 1")

    @abstractmethod
    def replacements(self, x: Samples, generator: torch.Generator) -> Samples:
        """What stands where something is replaced."""

    def __call__(self, x: Samples, generator: torch.Generator, blocks: Blocks = ()) -> Samples:
        """Noisy copy of x, same shape."""
        replacements = self.replacements(x, generator)
        return torch.where(column_mask(x, self.share, generator, blocks), replacements, x)


@dataclass(frozen=True)
class Mask(ColumnNoise):
    """Sets columns or pixels to zero.

    Reference:
        Vincent et al., 2010, section 3.2 (masking noise).
    """

    def replacements(self, x: Samples, generator: torch.Generator) -> Samples:
        """Zeros."""
        return torch.zeros_like(x)


@dataclass(frozen=True)
class Swap(ColumnNoise):
    """Takes columns or pixels from another row of the batch, so that each keeps its own distribution.

    Reference:
        Porto Seguro's winning denoising autoencoder (Jahrer, Kaggle, 2017), "swap noise".
    """

    share: float = 0.15

    def replacements(self, x: Samples, generator: torch.Generator) -> Samples:
        """Another row for each."""
        return x[torch.randperm(x.shape[0], generator=generator, device=x.device)]


def hide_boxes(
    x: Float[Tensor, "batch *leading height width"], generator: torch.Generator, blocks: Blocks = ()
) -> Float[Tensor, "batch *leading height width"]:
    """Change the light, add noise, and hide two boxes, all the same in every frame and channel.

    For images and clips in [0, 1]; the generator is on their device. Boxes have sides of 20 to 80 % and take the
    batch's mean (of a ninth of its pixels); contrast and brightness change by 10 % (one standard deviation), noise has
    5 % of the batch's standard deviation.

    Reference:
        DeVries and Taylor, "Improved regularization of convolutional neural networks with cutout", 2017,
        arXiv:1708.04552.
    """
    n, height, width = x.shape[0], x.shape[-2], x.shape[-1]
    spread, mean = torch.std_mean(x[..., ::3, ::3])  # a ninth of the pixels is enough

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


def _inside(side: int, fraction: Tensor, centre: Tensor) -> Tensor:
    """Which pixels along a side a box of this fraction of it covers, (batch, side)."""
    position = (torch.arange(side, device=fraction.device) + 0.5) / side
    return (position - centre[:, None]).abs() < fraction[:, None] / 2


def hide_columns(
    x: Float[Tensor, "batch *feature"], generator: torch.Generator, blocks: Blocks = ()
) -> Float[Tensor, "batch *feature"]:
    """Take a tenth of each row's columns from another row.

    Without a table, the elements of a sample are its columns.
    """
    partner = torch.randperm(x.shape[0], generator=generator, device=generator.device).to(x.device)
    return torch.where(column_mask(x, 0.1, generator, blocks), x[partner], x)


class Synthetic(NamedTuple):
    """Outliers made of normals: samples (batch, *sample), and their pace as in `Batch`."""

    x: Samples
    pace: PerRow | None = None


def swap_columns(x: Float[Tensor, "batch *feature"], generator: torch.Generator, blocks: Blocks = ()) -> Synthetic:
    """Give each row a random fraction (10 to 60 %) of another row's columns: usual values in an unusual combination.

    Without a table, the elements of a sample are its columns; the generator is on the CPU.
    """
    fraction = 0.1 + 0.5 * torch.rand(x.shape[0], 1, generator=generator)
    partner = torch.randperm(x.shape[0], generator=generator).to(x.device)
    return Synthetic(torch.where(column_mask(x, fraction, generator, blocks), x[partner], x))


def cut_paste(
    x: Float[Tensor, "batch channel height width"], generator: torch.Generator, blocks: Blocks = ()
) -> Synthetic:
    """Paste a random patch (2 to 30 % of the area) of another image somewhere else.

    The generator is on the CPU.

    Reference:
        Li et al., "CutPaste", CVPR 2021, arXiv:2104.04015. The patch comes from another image.
    """
    result = x.clone()
    height, width = x.shape[-2:]
    partner = torch.randperm(x.shape[0], generator=generator)
    for row in range(x.shape[0]):
        u = torch.rand(6, generator=generator).tolist()
        area, ratio = (0.02 + 0.28 * u[0]) * height * width, 4 ** (2 * u[1] - 1)
        h = min(height, max(1, round((area * ratio) ** 0.5)))
        w = min(width, max(1, round((area / ratio) ** 0.5)))
        top, left = int(u[2] * (height - h + 1)), int(u[3] * (width - w + 1))
        from_top, from_left = int(u[4] * (height - h + 1)), int(u[5] * (width - w + 1))
        patch = x[int(partner[row]), ..., from_top : from_top + h, from_left : from_left + w]
        result[row, ..., top : top + h, left : left + w] = patch
    return Synthetic(result)


def time_warp(
    x: Float[Tensor, "batch frame channel height width"], generator: torch.Generator, blocks: Blocks = ()
) -> Synthetic:
    """Replay each clip along a random path through its own time, forwards or back, blending neighbouring frames.

    Half of the speeds lie near 1 (the difficult ones: normal with a standard deviation of 0.3), half anywhere from -2
    to 2; one clip in ten stands still. Half of the paths are even, half uneven, and 15 % take their frames at random. A
    path that leaves the clip is reflected back into it. The speed of even paths is the pace; the generator is on the
    CPU.
    """
    n, frames = x.shape[:2]

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    speed = torch.where(uniform(n, 1) < 0.5, 1 + 0.3 * normal(n, 1), 4 * uniform(n, 1) - 2)
    speed = torch.where(uniform(n, 1) < 0.1, torch.zeros(n, 1), speed)
    unevenness = torch.where(uniform(n, 1) < 0.5, torch.zeros(n, 1), uniform(n, 1))
    steps = speed + unevenness * normal(n, frames)
    path = steps.cumsum(dim=1) - steps[:, :1] + (frames - 1) * (speed < 0)
    jumps = uniform(n, 1) < 0.15
    path = torch.where(jumps, (frames - 1) * uniform(n, frames), path)
    pace = torch.where(jumps | (unevenness > 0), torch.nan, speed)[:, 0]
    period = max(2 * (frames - 1), 1)
    path = path.remainder(period)
    path = torch.minimum(path, period - path).to(x.device)
    low = path.floor().long().clamp(0, max(frames - 2, 0))
    beyond = (path - low).clamp(0, 1).reshape(n, frames, 1, 1, 1).to(x.dtype)
    rows = torch.arange(n, device=x.device).unsqueeze(1)
    warped = torch.lerp(x[rows, low], x[rows, (low + 1).clamp_max(frames - 1)], beyond)
    return Synthetic(warped, pace.to(x.device, x.dtype))
