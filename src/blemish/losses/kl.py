"""Kullback-Leibler divergence of the code's distribution from the standard normal."""

from dataclasses import dataclass
from typing import ClassVar

from blemish.core.output import Batch, Codes, Output, PerRow, Scalar
from blemish.losses.loss import Loss, ordinary_mean


def kl_divergence(mu: Codes, logvar: Codes) -> PerRow:
    r"""KL of N(mu, sigma) from N(0, 1), in nats, shape (batch,), >= 0.

    .. math:: -\tfrac12 \sum_j (1 + \log\sigma_j^2 - \mu_j^2 - \sigma_j^2)

    Example:
        >>> import torch
        >>> kl_divergence(torch.tensor([[1.0, 0.0]]), torch.zeros(1, 2))
        tensor([0.5000])

    Reference:
        Kingma and Welling, 2013, arXiv:1312.6114, appendix B.
    """
    return -0.5 * (1 + logvar - mu.square() - logvar.exp()).sum(1)


@dataclass(frozen=True)
class Kl(Loss):
    """The regulariser of a variational autoencoder; its weight is the beta of a beta-VAE.

    Use with bottleneck 'variational' only. There is no capacity below which it is free: a clamp at a default capacity
    of 0, as one library has it, makes the term vanish.

    Attributes:
        weight: Factor in the total, relative to a reconstruction error that is a *mean* over elements.

    Reference:
        Higgins et al., "beta-VAE", ICLR 2017, eq. (4).
    """

    weight: float = 0.01
    needs: ClassVar[tuple[str, ...]] = ("mu", "logvar")

    def __call__(self, batch: Batch, out: Output) -> Scalar:
        """Mean over the unlabelled and normal rows."""
        assert out.mu is not None
        assert out.logvar is not None
        return ordinary_mean(kl_divergence(out.mu, out.logvar), batch)
