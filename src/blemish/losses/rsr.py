"""The two terms that make the robust subspace recovery layer robust and orthonormal."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from blemish.core.output import Batch, Output
from blemish.losses.functional import learnt_mean


def subspace_distance(
    h: Float[Tensor, "batch hidden"], basis: Float[Tensor, "latent hidden"], q: float = 1.0
) -> Float[Tensor, " batch"]:
    r"""Distance of each hidden vector from the subspace, to the power q, shape (batch,), >= 0.

    .. math:: d_i = \lVert h_i - A^\top A h_i \rVert_2^q

    Example:
        >>> subspace_distance(torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, 0.0]]))
        tensor([4.])

    Reference:
        Lai, Zou and Lerman, 2019, arXiv:1904.00152, eq. (3), first term.
    """
    return (h - h @ basis.T @ basis).square().sum(1).clamp_min(1e-12) ** (q / 2)


def orthogonality_error(basis: Float[Tensor, "latent hidden"]) -> Float[Tensor, ""]:
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
class RsrLoss:
    """Robust subspace recovery: codes near a subspace, with a norm that outliers cannot dominate.

    Use with bottleneck 'rsr' only.

    Attributes:
        weight: Factor of both terms in the total.
        distance_weight: lambda_1 of the paper.
        orthogonality_weight: lambda_2 of the paper.
        q: Power of the distance, in (0, 2]; 1 is robust.

    Reference:
        Lai, Zou and Lerman, 2019, arXiv:1904.00152, eq. (3). We take the mean over rows, the paper the sum.
    """

    weight: float = 1.0
    distance_weight: float = 0.1
    orthogonality_weight: float = 0.1
    q: float = 1.0
    needs: ClassVar[tuple[str, ...]] = ("basis",)
    wants_views: ClassVar[bool] = False
    wants_outliers: ClassVar[bool] = False
    needs_defects: ClassVar[bool] = False
    lower_bound: ClassVar[float] = 0.0

    def __call__(self, batch: Batch, out: Output) -> Float[Tensor, ""]:
        """Weighted sum of both, distances over the unlabelled and normal rows."""
        assert out.basis is not None
        distance = learnt_mean(subspace_distance(out.h, out.basis, self.q), batch)
        return self.distance_weight * distance + self.orthogonality_weight * orthogonality_error(out.basis)
