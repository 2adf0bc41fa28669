"""Triplets: a defect lies nearer to every other defect than to anything else, by a margin."""

from dataclasses import dataclass

from blemish.core.labels import is_defect
from blemish.core.output import Codes, Groups, Scalar
from blemish.losses.contrast.miners import mine
from blemish.losses.loss import MinedLoss
from blemish.losses.pairs import columns_where, distances_to_many, rows_where


def triplet_contrast(z: Codes, group: Groups, margin: float = 1.0, miner: str = "distance_weighted") -> Scalar:
    r"""Each defect's farthest partner against the negatives that the miner finds.

    .. math:: \frac1m \sum_d \sum_i w_{di} \max(0, \max_e \delta_{de} - \delta_{di} + margin)

    over the m defects d, e and the other rows i, with the root mean squared difference of codes as the distance and
    the miner's weights w. A lone defect is its own partner, at distance 0.

    Returns:
        A number >= 0; 0 without defects or without other rows.

    Example:
        >>> import torch
        >>> triplet_contrast(torch.tensor([[0.0], [1.0], [1.5]]), torch.tensor([3, 3, 0]))
        tensor(1.)

    Reference:
        Schroff, Kalenichenko and Philbin, "FaceNet", CVPR 2015, arXiv:1503.03832, eq. (3); the farthest positive and
        the unsquared distance are those of Hermans, Beyer and Leibe, 2017, arXiv:1703.07737, eq. (5).
    """
    defect, unit = is_defect(group), z.shape[1] ** 0.5
    if not defect.any():
        return z.sum() * 0
    pairs = distances_to_many(rows_where(z, defect), z) / unit
    together, apart = columns_where(pairs, defect), columns_where(pairs, ~defect)
    hinge = (together.amax(1, keepdim=True) + margin - apart).clamp_min(0)
    return (mine(miner, -apart, -together) * hinge).sum() / len(pairs)


@dataclass(frozen=True)
class Triplet(MinedLoss):
    """Defects nearer to each other than to anything else, by a margin.

    Use where defects are alike; not where the defect has several forms: the farthest pair of them sets the goal.

    Attributes:
        margin: Distance, > 0, in units of one element of the code.
        miner: With `uniform` the many far rows, whose hinge is 0, drown the few near ones; with
            `hard` the codes may shrink to a point first, where the term equals its margin.
    """

    margin: float = 1.0
    miner: str = "distance_weighted"

    def contrast(self, z: Codes, group: Groups) -> Scalar:
        """See `triplet_contrast`."""
        return triplet_contrast(z, group, self.margin, self.miner)
