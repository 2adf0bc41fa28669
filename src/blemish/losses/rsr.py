"""Robust subspace recovery: its two terms, as one sum (RSRAE+) or each as a step of its own (RSRAE)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from blemish.core.output import Batch, Output, PerRow, Scalar
from blemish.losses.loss import Loss, SeparateStep, ordinary_mean

Basis = Float[Tensor, "latent hidden"]
Hidden = Float[Tensor, "batch hidden"]


def subspace_distance(h: Hidden, basis: Basis, q: float = 1.0) -> PerRow:
    r"""Distance of each hidden vector from the subspace, to the power q, shape (batch,), >= 0.

    .. math:: d_i = \lVert h_i - A^\top A h_i \rVert_2^q

    Example:
        >>> subspace_distance(torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, 0.0]]))
        tensor([4.])

    Reference:
        Lai, Zou and Lerman, 2019, arXiv:1904.00152, eq. (3), first term.
    """
    return (h - h @ basis.T @ basis).square().sum(1).clamp_min(1e-12) ** (q / 2)


def orthogonality_error(basis: Basis) -> Scalar:
    r"""How far the rows of the basis are from orthonormal, >= 0.

    .. math:: \lVert A A^\top - I \rVert_F^2

    Example:
        >>> orthogonality_error(torch.eye(2))
        tensor(0.)

    Reference:
        Lai, Zou and Lerman, 2019, arXiv:1904.00152, eq. (3), second term.
    """
    gram = basis @ basis.T
    return (gram - torch.eye(gram.shape[0], dtype=gram.dtype, device=gram.device)).square().sum()


@dataclass(frozen=True)
class RsrLoss(Loss):
    """Robust subspace recovery: codes near a subspace, with a norm that outliers cannot dominate.

    Use with bottleneck 'rsr' only.

    Attributes:
        distance_weight: lambda_1 of the paper.
        orthogonality_weight: lambda_2 of the paper.
        q: Power of the distance, in (0, 2]; 1 is robust.

    Reference:
        Lai, Zou and Lerman, 2019, arXiv:1904.00152, eq. (3). We take the mean over rows, the paper the sum.
    """

    distance_weight: float = 0.1
    orthogonality_weight: float = 0.1
    q: float = 1.0
    needs: ClassVar[tuple[str, ...]] = ("basis",)

    def __call__(self, batch: Batch, out: Output) -> Scalar:
        """Weighted sum of both, distances over the unlabelled and normal rows."""
        assert out.basis is not None
        distance = ordinary_mean(subspace_distance(out.h, out.basis, self.q), batch)
        return self.distance_weight * distance + self.orthogonality_weight * orthogonality_error(out.basis)


@dataclass(frozen=True)
class Subspace(SeparateStep):
    """RSRAE's first term, minimised in turn with the reconstruction: encoder and basis move, the decoder waits.

    Use with bottleneck 'rsr' and loss 'orthogonality', as preset 'rsrae' does; there is no weight to balance. Codes
    shrink under it, so let the bottleneck bring them to unit length. For one sum of all terms (RSRAE+) use 'rsr'.

    Attributes:
        q: Power of the distance, in (0, 2]; 1 is robust.

    Reference:
        Lai, Zou and Lerman, 2019, arXiv:1904.00152, eq. (3), first term, in the alternating form of the authors' code
        (github.com/dmzou/RSRAE), which takes 10 times the learning rate.
    """

    q: float = 1.0
    lr_factor: ClassVar[float] = 10.0
    trains: ClassVar[tuple[str, ...]] = ("encoder", "bottleneck")
    needs: ClassVar[tuple[str, ...]] = ("basis",)

    def __call__(self, batch: Batch, out: Output) -> Scalar:
        """Mean distance over the unlabelled and normal rows."""
        assert out.basis is not None
        return ordinary_mean(subspace_distance(out.h, out.basis, self.q), batch)


@dataclass(frozen=True)
class Orthogonality(SeparateStep):
    """RSRAE's second term, minimised in turn with the reconstruction: only the basis moves.

    Use with bottleneck 'rsr' and loss 'subspace', as preset 'rsrae' does. For one sum of all terms use 'rsr'.

    Reference:
        Lai, Zou and Lerman, 2019, arXiv:1904.00152, eq. (3), second term, in the alternating form of the authors' code
        (github.com/dmzou/RSRAE), which takes the mean over the matrix where we, like the paper, take the sum.
    """

    lr_factor: ClassVar[float] = 10.0
    trains: ClassVar[tuple[str, ...]] = ("bottleneck",)
    needs: ClassVar[tuple[str, ...]] = ("basis",)

    def __call__(self, batch: Batch, out: Output) -> Scalar:
        """Squared distance of the basis' Gram matrix from the identity."""
        assert out.basis is not None
        return orthogonality_error(out.basis)
