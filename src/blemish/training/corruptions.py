"""Input noise for denoising autoencoders: the network sees the noisy row and has to give the clean one."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from blemish.core.errors import ConfigError
from blemish.core.output import Block
from blemish.losses.functional import column_mask


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
        """Refuse what is no standard deviation."""
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
        share: Chance of each column or pixel, in [0, 1].

    Reference:
        Vincent et al., 2010, section 3.2 (masking noise).
    """

    share: float = 0.2

    def __post_init__(self) -> None:
        """Refuse what is no share."""
        _need_share(self.share)

    def __call__(
        self, x: Float[Tensor, "batch *sample"], generator: torch.Generator, blocks: tuple[Block, ...] = ()
    ) -> Float[Tensor, "batch *sample"]:
        """Masked copy of x, same shape."""
        return x.masked_fill(column_mask(x, self.share, generator, blocks), 0.0)


@dataclass(frozen=True)
class Swap:
    """Takes columns or pixels from another row of the batch, so that each keeps its own distribution.

    Attributes:
        share: Chance of each column or pixel, in [0, 1].

    Reference:
        Porto Seguro's winning denoising autoencoder (Jahrer, Kaggle, 2017), "swap noise".
    """

    share: float = 0.15

    def __post_init__(self) -> None:
        """Refuse what is no share."""
        _need_share(self.share)

    def __call__(
        self, x: Float[Tensor, "batch *sample"], generator: torch.Generator, blocks: tuple[Block, ...] = ()
    ) -> Float[Tensor, "batch *sample"]:
        """Swapped copy of x, same shape."""
        partner = x[torch.randperm(x.shape[0], generator=generator, device=x.device)]
        return torch.where(column_mask(x, self.share, generator, blocks), partner, x)


def _need_share(share: float) -> None:
    if not 0 <= share <= 1:
        raise ConfigError(f"share={share!r} must lie between 0 and 1")
