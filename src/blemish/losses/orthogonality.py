"""The orthonormality of the RSR basis as a step of its own: alternating training of the RSR layer."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from blemish.core.output import Batch, Output
from blemish.losses.rsr import orthogonality_error


@dataclass(frozen=True)
class Orthogonality:
    """RSRAE's second term, minimised in turn with the reconstruction: only the basis moves.

    Use with bottleneck 'rsr' and loss 'subspace', as preset 'rsrae' does. For one sum of all terms use 'rsr'.

    Attributes:
        weight: Factor in the records; it does not change the training.

    Reference:
        Lai, Zou and Lerman, 2019, arXiv:1904.00152, eq. (3), second term, in the alternating form of the authors' code
        (github.com/dmzou/RSRAE), which takes the mean over the matrix where we, like the paper, take the sum.
    """

    weight: float = 1.0
    lr_factor: ClassVar[float] = 10.0
    trains: ClassVar[tuple[str, ...]] = ("bottleneck",)
    needs: ClassVar[tuple[str, ...]] = ("basis",)
    wants_views: ClassVar[bool] = False
    wants_outliers: ClassVar[bool] = False
    needs_defects: ClassVar[bool] = False
    lower_bound: ClassVar[float] = 0.0

    def __call__(self, batch: Batch, out: Output) -> Float[Tensor, ""]:
        """Squared distance of the basis' Gram matrix from the identity."""
        assert out.basis is not None
        return orthogonality_error(out.basis)
