"""N pairs: each defect is told apart from all other rows at once."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from blemish.core.labels import is_defect
from blemish.core.output import Codes, Groups, Scalar
from blemish.losses.contrast.miners import mine
from blemish.losses.loss import MinedLoss
from blemish.losses.pairs import columns_where, from_normals, partner_mean, rows_where


def n_pair_contrast(z: Codes, group: Groups, miner: str = "uniform", l2: float = 0.002) -> Scalar:
    r"""The log-odds against each pair of defects, by inner products, and a penalty on long codes.

    .. math:: \frac{1}{m(m-1)} \sum_{d \ne e} \log\Bigl(1 + n \sum_i w_{di} \exp(f_d \cdot f_i - f_d \cdot f_e)\Bigr)
              + \frac{\lambda}{m} \sum_d \lVert f_d \rVert^2

    over the m defects d, e and the n other rows i, with the miner's weights w (1/n each without a preference) and codes
    f as seen from the mean normal. A lone defect is its own partner.

    Returns:
        A number >= 0; 0 without defects.

    Example:
        >>> n_pair_contrast(torch.tensor([[0.0], [2.0], [2.0]]), torch.tensor([0, 3, 3]))
        tensor(0.0261)

    Reference:
        Sohn, "Improved deep metric learning with multi-class N-pair loss objective", NIPS 2016, eq. (3) and section
        3.2.2. Ours has every other defect as a positive, and the codes' origin at the mean normal.
    """
    defect, f = is_defect(group), from_normals(z, group)
    own = rows_where(f, defect)
    together, apart = own @ own.T, columns_where(own @ f.T, ~defect)
    penalty = own.square().sum() / max(len(together), 1)
    return softmax_contrast(together, apart, mine(miner, apart, together)) + l2 * penalty


def softmax_contrast(
    together: Float[Tensor, "defect defect"],
    apart: Float[Tensor, "defect negative"],
    weights: Float[Tensor, "defect negative"],
) -> Scalar:
    r"""Minus the log of the softmax probability of a partner among one partner and the weighted negatives.

    .. math:: \frac{1}{m(m-1)} \sum_{d \ne e} \log\Bigl(1 + n \sum_i w_{di} \exp(s_{di} - s_{de})\Bigr)

    Args:
        together: Similarity s of defects and defects.
        apart: Similarity of defects and negatives.
        weights: The miner's.

    Returns:
        A number >= 0; a lone defect is its own partner.
    """
    against = torch.logsumexp(apart + (weights * apart.shape[1]).log(), dim=1, keepdim=True)
    return partner_mean(softplus(against - together))


@dataclass(frozen=True)
class NPair(MinedLoss):
    """Every pair of defects against all other rows at once, by inner products.

    Use to compare with `info_nce`, which is the same on angles; not where rows must stay comparable in length: the
    cheapest way to be told apart is to grow long, and to shrink the normals.

    Attributes:
        weight: Factor in the total. A log-odds against some 300 rows starts near 6 and drowns the reconstruction at 1.
        l2: Penalty on a squared length, lambda, >= 0; without it longer codes always cost less.
    """

    weight: float = 0.2
    l2: float = 0.002

    def contrast(self, z: Codes, group: Groups) -> Scalar:
        """See `n_pair_contrast`."""
        return n_pair_contrast(z, group, self.miner, self.l2)
