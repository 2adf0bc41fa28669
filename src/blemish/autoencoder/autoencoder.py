"""The one network: encode → bottleneck → decode."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from blemish.autoencoder.layers import CategoryEmbedding
from blemish.core.output import Backbone, Output


class Autoencoder(nn.Module):
    """A backbone's two halves with a bottleneck between them.

    Example:
        >>> from blemish.autoencoder import BACKBONES, BOTTLENECKS
        >>> model = Autoencoder(BACKBONES["mlp"]((30,), 8, 8), BOTTLENECKS["plain"](8))
        >>> model(torch.zeros(5, 30)).z.shape
        torch.Size([5, 8])
    """

    def __init__(self, backbone: Backbone, bottleneck: nn.Module) -> None:
        """Put the parts together.

        Args:
            backbone: Encoder (batch, *sample) → (batch, hidden) and decoder (batch, latent) → (batch, *sample).
            bottleneck: A module of `BOTTLENECKS`.
        """
        super().__init__()
        self.encoder, self.decoder = backbone
        self.bottleneck = bottleneck
        self.latent_dim = int(bottleneck.latent_dim)  # pyright: ignore[reportArgumentType]
        self.fills: tuple[str, ...] = tuple(bottleneck.fills)  # pyright: ignore[reportArgumentType]
        # in a tuple, so that PyTorch does not count the module twice
        self._embeddings = tuple(m for m in self.encoder.children() if isinstance(m, CategoryEmbedding) and m.blocks)

    def forward(
        self, x: Float[Tensor, "batch *sample"], generator: torch.Generator | None = None, n_decoded: int | None = None
    ) -> Output:
        """Reconstruct.

        Args:
            x: Samples, shape (batch, *sample).
            generator: Source of a stochastic bottleneck's noise; None: no noise, for scoring.
            n_decoded: Decode only this many of the first rows, for batches whose last rows only train a contrast;
                `x_hat` then has fewer rows than `z`.

        Returns:
            Every field that the parts fill.
        """
        h = self.encoder(x)
        code = self.bottleneck(h, generator)
        z = code["z"] if n_decoded is None or n_decoded == len(x) else code["z"][:n_decoded]
        return Output(x_hat=self.decoder(z), h=h, **code, vectors=self.vectors)

    @property
    def vectors(self) -> tuple[Tensor, ...] | None:
        """The learnt vectors of each categorical column, (category, width); None without such columns."""
        return tuple(self._embeddings[0].weights) if self._embeddings else None

    def encode(self, x: Float[Tensor, "batch *sample"]) -> Float[Tensor, "batch latent"]:
        """Code of each sample without noise, shape (batch, latent)."""
        return self.bottleneck(self.encoder(x))["z"]

    def decode(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch *sample"]:
        """What the decoder makes of codes, shape (batch, *sample)."""
        return self.decoder(z)
