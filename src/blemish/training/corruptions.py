"""Input noise for denoising autoencoders: the network sees the noisy row and has to reconstruct the clean one."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from blemish.core.errors import ConfigError
from blemish.core.output import Block


def column_mask(
    x: Float[Tensor, "batch *sample"],
    fraction: float | Float[Tensor, "batch 1"],
    generator: torch.Generator,
    blocks: tuple[Block, ...] = (),
) -> Bool[Tensor, "batch *sample"]:
    """True for a random fraction of each row's columns; the features of one column go together.

    Args:
        x: Samples, shape (batch, *sample).
        fraction: Probability of a column, in [0, 1]; one number, or one per row.
        generator: Source of randomness, on any device.
        blocks: The columns of a table; without them every element is a column.

    Returns:
        Shape of `x`.
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

    def __call__(
        self, x: Float[Tensor, "batch *sample"], generator: torch.Generator, blocks: tuple[Block, ...] = ()
    ) -> Float[Tensor, "batch *sample"]:
        """Noisy copy of x, same shape."""
        noise = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype) * self.stdev
        for b in blocks:
            if b.kind != "numeric":
                noise[:, b.start : b.stop] = 0
        return x + noise


@dataclass(frozen=True)
class Mask:
    """Sets columns or pixels to zero.

    Attributes:
        share: Probability of each column or pixel, in [0, 1].

    Reference:
        Vincent et al., 2010, section 3.2 (masking noise).
    """

    share: float = 0.2

    def __post_init__(self) -> None:
        """Refuse what is not a probability."""
        _check_probability(self.share)

    def __call__(
        self, x: Float[Tensor, "batch *sample"], generator: torch.Generator, blocks: tuple[Block, ...] = ()
    ) -> Float[Tensor, "batch *sample"]:
        """Masked copy of x, same shape."""
        return x.masked_fill(column_mask(x, self.share, generator, blocks), 0.0)


@dataclass(frozen=True)
class Swap:
    """Takes columns or pixels from another row of the batch, so that each keeps its own distribution.

    Attributes:
        share: Probability of each column or pixel, in [0, 1].

    Reference:
        Porto Seguro's winning denoising autoencoder (Jahrer, Kaggle, 2017), "swap noise".
    """

    share: float = 0.15

    def __post_init__(self) -> None:
        """Refuse what is not a probability."""
        _check_probability(self.share)

    def __call__(
        self, x: Float[Tensor, "batch *sample"], generator: torch.Generator, blocks: tuple[Block, ...] = ()
    ) -> Float[Tensor, "batch *sample"]:
        """Swapped copy of x, same shape."""
        partner = x[torch.randperm(x.shape[0], generator=generator, device=x.device)]
        return torch.where(column_mask(x, self.share, generator, blocks), partner, x)


def _check_probability(share: float) -> None:
    if not 0 <= share <= 1:
        raise ConfigError(f"share={share!r} must lie between 0 and 1")
