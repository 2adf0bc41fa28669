"""The code is drawn from a Gaussian whose moments the encoder gives."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

MAX_LOGVAR = 10.0


def reparameterise(
    mu: Float[Tensor, "batch latent"],
    logvar: Float[Tensor, "batch latent"],
    generator: torch.Generator,
    stdev: float = 1.0,
) -> Float[Tensor, "batch latent"]:
    r"""Draw a code so that gradients reach its moments.

    .. math:: z = \mu + s\, e^{\log\sigma^2 / 2}\, \varepsilon, \quad \varepsilon \sim N(0, 1)

    Args:
        mu: Means, shape (batch, latent).
        logvar: Log-variances, shape (batch, latent).
        generator: Source of the noise, on the device of `mu`.
        stdev: Factor s of the noise, >= 0; 1 is the paper's, the tabular seed uses 0.1.

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
