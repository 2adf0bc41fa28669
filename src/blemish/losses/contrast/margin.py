"""A bounded contrast: defects together, everything else at least a margin away from them."""

from dataclasses import dataclass

from blemish.core.labels import is_defect
from blemish.core.output import Codes, Groups, Scalar
from blemish.losses.contrast.miners import mine
from blemish.losses.loss import MinedLoss
from blemish.losses.pairs import columns_where, distances_to_many, pair_mean, rows_where, squared_distances


def margin_contrast(
    z: Codes, group: Groups, margin: float = 1.0, push: float = 4.0, pull: float = 1.0, miner: str = "uniform"
) -> Scalar:
    r"""Defects pull each other together; every other row closer than the margin is pushed away.

    .. math:: \frac{a}{m(m-1)} \sum_{d \ne e} \delta_{de}^2
              + \frac{b}{m} \sum_{d,i} w_{di} \max(0, margin - \delta_{di})^2

    over the m defects d, e and the n other rows i (unlabelled, normal and other outliers), with the miner's weights w
    (1/n each without a preference) and the root mean squared difference of codes as the distance, so that the margin
    does not depend on the width of the code (decisions.md 7). A row beyond the margin has no gradient, so that nothing
    runs away, unlike under the original prototype's repulsion. Normals are left where they are.

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
class Margin(MinedLoss):
    """The default contrast.

    Use whenever defects are labelled; not to reproduce the original prototype. The miner `distance_weighted` ranks
    better on tables.

    Attributes:
        margin: Distance, > 0, in units of one element of the code.
        push: Weight b of the repulsion, >= 0.
        pull: Weight a of the attraction, >= 0.
        least_defects: Labelled defects below which the term is left out, >= 1. The default objective for video needs
            eight: the network memorises fewer (decisions.md 26).
    """

    margin: float = 1.0
    push: float = 4.0
    pull: float = 1.0
    least_defects: int = 1

    @property
    def min_defects(self) -> int:
        """The option `least_defects`."""
        return self.least_defects

    def contrast(self, z: Codes, group: Groups) -> Scalar:
        """See `margin_contrast`."""
        return margin_contrast(z, group, self.margin, self.push, self.pull, self.miner)
