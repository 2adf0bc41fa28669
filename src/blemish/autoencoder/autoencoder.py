"""The one network: encode → bottleneck → decode."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from blemish.autoencoder.layers import CategoryEmbedding
from blemish.core.output import Backbone, Codes, Output, Samples

MAX_LOGVAR = 10.0  # either way: e^10 is far beyond any useful variance, and its exponential cannot overflow


class Plain(nn.Module):
    """z = h, as in an ordinary autoencoder.

    Use as the default. Not when you want to draw new samples: nothing fixes where codes lie.

    Reference:
        Hinton and Salakhutdinov, "Reducing the dimensionality of data with neural networks", Science 313, 2006.
    """

    fills: ClassVar[tuple[str, ...]] = ()
    default_losses: ClassVar[tuple[str, ...]] = ()

    def __init__(self, latent_dim: int) -> None:
        """Set the width of the code."""
        super().__init__()
        self.hidden_dim = self.latent_dim = latent_dim

    def forward(
        self, h: Float[Tensor, "batch hidden"], generator: torch.Generator | None = None
    ) -> dict[str, Float[Tensor, "..."]]:
        """Pass h on."""
        return {"z": h}


def reparameterise(
    mu: Codes,
    logvar: Codes,
    generator: torch.Generator,
    stdev: float = 1.0,
) -> Codes:
    r"""Draw a code so that gradients reach its moments.

    .. math:: z = \mu + s\, e^{\log\sigma^2 / 2}\, \varepsilon, \quad \varepsilon \sim N(0, 1)

    Args:
        mu: Means, shape (batch, latent).
        logvar: Log-variances, shape (batch, latent).
        generator: Source of the noise, on the device of `mu`.
        stdev: Factor s of the noise, >= 0; 1 is the paper's, the original tabular prototype uses 0.1.

    Returns:
        Shape (batch, latent).

    Reference:
        Kingma and Welling, "Auto-encoding variational Bayes", 2013, arXiv:1312.6114, section 2.4. We add s.
    """
    noise = torch.randn(mu.shape, generator=generator, dtype=mu.dtype, device=mu.device)
    return mu + stdev * torch.exp(logvar / 2) * noise


class Variational(nn.Module):
    """z ~ N(mu, sigma) while training, z = mu while scoring, so that scores never carry noise.

    Use when you want to draw samples or a smooth latent space; not when the sharpest reconstruction matters.

    Reference:
        Kingma and Welling, "Auto-encoding variational Bayes", 2013, arXiv:1312.6114.
    """

    fills: ClassVar[tuple[str, ...]] = ("mu", "logvar")
    default_losses: ClassVar[tuple[str, ...]] = ("kl",)

    def __init__(self, latent_dim: int, *, hidden_dim: int = 64, stdev: float = 1.0) -> None:
        """Build the two heads.

        Args:
            latent_dim: Width of the code.
            hidden_dim: Width of the encoder's output.
            stdev: Factor of the noise, see `reparameterise`.
        """
        super().__init__()
        self.latent_dim, self.hidden_dim, self.stdev = latent_dim, hidden_dim, stdev
        self.to_mu = nn.Linear(hidden_dim, latent_dim)
        self.to_logvar = nn.Linear(hidden_dim, latent_dim)

    def forward(
        self, h: Float[Tensor, "batch hidden"], generator: torch.Generator | None = None
    ) -> dict[str, Float[Tensor, "..."]]:
        """Give mu, logvar and z; without a generator z is mu."""
        mu = self.to_mu(h)
        logvar = self.to_logvar(h).clamp(-MAX_LOGVAR, MAX_LOGVAR)
        z = mu if generator is None else reparameterise(mu, logvar, generator, self.stdev)
        return {"z": z, "mu": mu, "logvar": logvar}


class Rsr(nn.Module):
    """z = A h with a matrix A that the 'rsr' loss keeps near-orthonormal and outlier-robust.

    Use when training data are contaminated and nothing is labelled; not with a handful of clean rows. We start from
    orthonormal rows, where the authors' code starts from N(0, 1). With `unit_length` z = A h / |A h|, as in that code.

    Reference:
        Lai, Zou and Lerman, "Robust subspace recovery layer for unsupervised anomaly detection", 2019,
        arXiv:1904.00152, section 2.
    """

    fills: ClassVar[tuple[str, ...]] = ("basis",)
    default_losses: ClassVar[tuple[str, ...]] = ("rsr",)

    def __init__(self, latent_dim: int, *, hidden_dim: int = 128, unit_length: bool = False) -> None:
        """Build A.

        Args:
            latent_dim: Width of the code, d of the paper.
            hidden_dim: Width of the encoder's output, D of the paper; at least `latent_dim`.
            unit_length: Bring every code to length 1: a distance that shrinks codes then loses nothing.
        """
        super().__init__()
        self.unit_length = unit_length
        self.latent_dim, self.hidden_dim = latent_dim, max(hidden_dim, latent_dim)
        self.basis = nn.Parameter(nn.init.orthogonal_(torch.empty(latent_dim, self.hidden_dim)))

    def forward(
        self, h: Float[Tensor, "batch hidden"], generator: torch.Generator | None = None
    ) -> dict[str, Float[Tensor, "..."]]:
        """Project h; the basis goes along for the loss."""
        z = h @ self.basis.T
        return {"z": normalize(z, dim=-1) if self.unit_length else z, "basis": self.basis}


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

    def forward(self, x: Samples, generator: torch.Generator | None = None, n_decoded: int | None = None) -> Output:
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

    def encode(self, x: Samples) -> Codes:
        """Code of each sample without noise, shape (batch, latent)."""
        return self.bottleneck(self.encoder(x))["z"]

    def decode(self, z: Codes) -> Samples:
        """What the decoder makes of codes, shape (batch, *sample)."""
        return self.decoder(z)
