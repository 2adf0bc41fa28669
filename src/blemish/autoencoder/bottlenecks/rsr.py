"""Robust subspace recovery: a linear map onto the subspace in which most codes lie."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize


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
