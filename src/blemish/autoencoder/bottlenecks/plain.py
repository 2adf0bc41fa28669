"""The code is the encoder's output."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Plain(nn.Module):
    """z = h, as in an ordinary autoencoder.

    Use as the default. Not when you want to draw new samples: nothing says where codes lie.

    Reference:
        Hinton and Salakhutdinov, "Reducing the dimensionality of data with neural networks", Science 313, 2006.
    """

    fills: ClassVar[tuple[str, ...]] = ()
    default_losses: ClassVar[tuple[str, ...]] = ()

    def __init__(self, latent_dim: int) -> None:
        """Fix the width of the code."""
        super().__init__()
        self.hidden_dim = self.latent_dim = latent_dim

    def forward(
        self, h: Float[Tensor, "batch hidden"], generator: torch.Generator | None = None
    ) -> dict[str, Float[Tensor, "..."]]:
        """Pass h on."""
        return {"z": h}
