"""The margin contrast on angles instead of distances."""

from dataclasses import dataclass

from blemish.core.labels import is_defect
from blemish.core.output import Codes, Groups, Scalar
from blemish.losses.contrast.miners import mine
from blemish.losses.loss import MinedLoss
from blemish.losses.pairs import columns_where, directions, pair_mean, rows_where


def cosine_contrast(z: Codes, group: Groups, margin: float = 0.0, miner: str = "distance_weighted") -> Scalar:
    r"""Defects lie in one direction, everything else in any other.

    .. math:: \frac{1}{m(m-1)} \sum_{d \ne e} (1 - c_{de}) + \frac1m \sum_d \sum_i w_{di} \max(0, c_{di} - margin)

    over the m defects d, e and the other rows i, with the miner's weights w and the cosine c of codes as seen from the
    mean normal.

    Returns:
        A number >= 0; 0 without defects.

    Example:
        >>> import torch
        >>> cosine_contrast(torch.tensor([[-1.0], [1.0], [3.0], [3.0]]), torch.tensor([0, 0, 3, 3]))
        tensor(0.8808)

    Reference:
        `torch.nn.CosineEmbeddingLoss`, on pairs of defects and on pairs of a defect and another row only.
    """
    defect, u = is_defect(group), directions(z, group)
    own = rows_where(u, defect)
    together, apart = own @ own.T, columns_where(own @ u.T, ~defect)
    push = (mine(miner, apart, together) * (apart - margin).clamp_min(0)).sum()
    return pair_mean(1 - together) + push / max(len(together), 1)


@dataclass(frozen=True)
class Cosine(MinedLoss):
    """Defects in one direction, everything else in any other.

    Use where the scale of codes means nothing; not where defects differ from other outliers by how far they are, nor
    with two latent dimensions, which have too few directions.

    Attributes:
        margin: Cosine below which a row is left alone, in [-1, 1).
        miner: With `uniform` the many rows that lie elsewhere anyway drown the few that do not.
    """

    margin: float = 0.0
    miner: str = "distance_weighted"

    def contrast(self, z: Codes, group: Groups) -> Scalar:
        """See `cosine_contrast`."""
        return cosine_contrast(z, group, self.margin, self.miner)
