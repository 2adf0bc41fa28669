"""A bounded contrast: defects together, everything else at least a margin away from them."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float, Int
from torch import Tensor

from blemish.functional import distances, is_defect, is_learnt, pair_mean, spread_of, squared_distances
from blemish.output import Batch, Output


def margin_contrast(
    z: Float[Tensor, "batch latent"], group: Int[Tensor, " batch"], margin: float = 2.0, compact: float = 1.0
) -> Float[Tensor, ""]:
    r"""Defects pull each other together; every other row closer than the margin is pushed away.

    .. math:: \frac{c}{m(m-1)} \sum_{d \ne e} \frac{\lVert z_d - z_e \rVert^2}{s^2}
              + \frac{1}{(b-m)m} \sum_{i,d} \max(0, margin - \lVert z_i - z_d \rVert / s)^2

    over defects d, e and all other rows i: unlabelled, normal and other outliers. The unit s is the spread of the
    normals (root mean squared distance from their centre, no gradient), so that the margin does not depend on the
    scale of the code. A row that is far enough feels nothing: unlike the seed's repulsion, nothing runs away.

    Args:
        z: Codes, shape (batch, latent).
        group: Shape (batch,).
        margin: Distance in units of the normals' spread, > 0.
        compact: Weight c of the pull, >= 0.

    Returns:
        A number >= 0.

    Example:
        >>> import torch
        >>> margin_contrast(torch.tensor([[-1.0], [1.0], [5.0]]), torch.tensor([0, 0, 3]), margin=5.0)
        tensor(0.5000)

    Reference:
        Hadsell, Chopra and LeCun, "Dimensionality reduction by learning an invariant mapping", CVPR 2006, eq. (4),
        on defect pairs and defect-to-rest pairs only, in units of s.
    """
    defect = is_defect(group)
    unit = spread_of(z, is_learnt(group))
    codes, rest = z[defect] / unit, z[~defect] / unit
    hinge = (margin - distances(rest, codes)).clamp_min(0).square()
    return compact * pair_mean(squared_distances(codes, codes)) + hinge.sum() / max(hinge.numel(), 1)


@dataclass(frozen=True)
class Margin:
    """The default contrast.

    Use whenever defects are labelled; not to reproduce the seed.

    Attributes:
        weight: Factor in the total.
        margin: See `margin_contrast`.
        compact: See `margin_contrast`.
    """

    weight: float = 1.0
    margin: float = 2.0
    compact: float = 1.0
    needs: ClassVar[tuple[str, ...]] = ()
    needs_defects: ClassVar[bool] = True
    lower_bound: ClassVar[float] = 0.0

    def __call__(self, batch: Batch, out: Output) -> Float[Tensor, ""]:
        """See `margin_contrast`."""
        return margin_contrast(out.z, batch.group, self.margin, self.compact)
