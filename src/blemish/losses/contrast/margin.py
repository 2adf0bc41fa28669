"""A bounded contrast: defects together, everything else at least a margin away from them."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float, Int
from torch import Tensor

from blemish.core.output import Batch, Output
from blemish.core.parts import choose
from blemish.losses.contrast.miners import MINERS, mine
from blemish.losses.functional import (
    columns_where,
    distances_to_many,
    is_defect,
    pair_mean,
    rows_where,
    squared_distances,
)


def margin_contrast(
    z: Float[Tensor, "batch latent"],
    group: Int[Tensor, " batch"],
    margin: float = 1.0,
    push: float = 4.0,
    pull: float = 1.0,
    miner: str = "uniform",
) -> Float[Tensor, ""]:
    r"""Defects pull each other together; every other row closer than the margin is pushed away.

    .. math:: \frac{a}{m(m-1)} \sum_{d \ne e} \delta_{de}^2
              + \frac{b}{m} \sum_{d,i} w_{di} \max(0, margin - \delta_{di})^2

    over the m defects d, e and the n other rows i (unlabelled, normal and other outliers), with the miner's weights w
    (1/n each without a preference) and the root mean squared difference of codes as the distance, so that the margin
    does not depend on the width of the code. A row that is far enough feels nothing: unlike the seed's repulsion,
    nothing runs away. Normals are left where they are.

    Args:
        z: Codes, shape (batch, latent).
        group: Shape (batch,).
        margin: Distance, > 0, in units of one element of the code.
        push: Weight b of the repulsion, >= 0.
        pull: Weight a of the attraction, >= 0.
        miner: A name in `MINERS`.

    Returns:
        A number >= 0.

    Example:
        >>> import torch
        >>> margin_contrast(torch.tensor([[-1.0], [1.0], [1.5]]), torch.tensor([0, 0, 3]))
        tensor(0.5000)

    Reference:
        Hadsell, Chopra and LeCun, "Dimensionality reduction by learning an invariant mapping", CVPR 2006, eq. (4),
        on pairs of defects and on pairs of a defect and another row only.
    """
    defect, unit = is_defect(group), z.shape[1] ** 0.5
    codes = rows_where(z, defect)
    together = squared_distances(codes, codes) / unit**2
    apart = columns_where(distances_to_many(codes, z), ~defect) / unit
    hinge = (margin - apart).clamp_min(0).square()
    return pull * pair_mean(together) + push * (mine(miner, -apart, -together.sqrt()) * hinge).sum() / max(
        len(codes), 1
    )


@dataclass(frozen=True)
class Margin:
    """The default contrast.

    Use whenever defects are labelled; not to reproduce the seed. The miner `distance_weighted` ranks better on tables.

    Attributes:
        weight: Factor in the total.
        margin: See `margin_contrast`.
        push: See `margin_contrast`.
        pull: See `margin_contrast`.
        miner: See `margin_contrast`.
        least_defects: Labelled defects without which the term is left out, >= 1. The default objective for video asks
            for eight: fewer are learnt by heart.
    """

    weight: float = 1.0
    margin: float = 1.0
    push: float = 4.0
    pull: float = 1.0
    miner: str = "uniform"
    least_defects: int = 1
    needs: ClassVar[tuple[str, ...]] = ()
    wants_views: ClassVar[bool] = True
    wants_outliers: ClassVar[bool] = True
    needs_defects: ClassVar[bool] = True
    lower_bound: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        """Refuse an unknown miner."""
        choose("miner", MINERS, self.miner)

    def __call__(self, batch: Batch, out: Output) -> Float[Tensor, ""]:
        """See `margin_contrast`."""
        return margin_contrast(out.z, batch.group, self.margin, self.push, self.pull, self.miner)
