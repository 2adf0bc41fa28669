"""The distance from the subspace as a step of its own: alternating training of the RSR layer."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from blemish.core.output import Batch, Output
from blemish.losses.functional import learnt_mean
from blemish.losses.rsr import subspace_distance


@dataclass(frozen=True)
class Subspace:
    """RSRAE's first term, minimised in turn with the reconstruction: encoder and basis move, the decoder waits.

    Use with bottleneck 'rsr' and loss 'orthogonality', as preset 'rsrae' does; there is no weight to balance. Codes
    shrink under it, so let the bottleneck bring them to unit length. For one sum of all terms (RSRAE+) use 'rsr'.

    Attributes:
        weight: Factor in the records; it does not change the training.
        q: Power of the distance, in (0, 2]; 1 is robust.

    Reference:
        Lai, Zou and Lerman, 2019, arXiv:1904.00152, eq. (3), first term, in the alternating form of the authors' code
        (github.com/dmzou/RSRAE), which takes 10 times the learning rate.
    """

    weight: float = 1.0
    q: float = 1.0
    lr_factor: ClassVar[float] = 10.0
    trains: ClassVar[tuple[str, ...]] = ("encoder", "bottleneck")
    needs: ClassVar[tuple[str, ...]] = ("basis",)
    wants_views: ClassVar[bool] = False
    wants_outliers: ClassVar[bool] = False
    needs_defects: ClassVar[bool] = False
    lower_bound: ClassVar[float] = 0.0

    def __call__(self, batch: Batch, out: Output) -> Float[Tensor, ""]:
        """Mean distance over the unlabelled and normal rows."""
        assert out.basis is not None
        return learnt_mean(subspace_distance(out.h, out.basis, self.q), batch)
