"""InfoNCE: the N-pair loss on directions, with a temperature."""

from dataclasses import dataclass

from blemish.core.labels import is_defect
from blemish.core.output import Codes, Groups, Scalar
from blemish.losses.contrast.miners import mine
from blemish.losses.contrast.n_pair import softmax_contrast
from blemish.losses.loss import MinedLoss
from blemish.losses.pairs import columns_where, directions, rows_where


def info_nce_contrast(z: Codes, group: Groups, temperature: float = 0.1, miner: str = "uniform") -> Scalar:
    r"""The log-odds against each pair of defects, by cosines.

    .. math:: -\frac{1}{m(m-1)} \sum_{d \ne e} \log
              \frac{\exp(c_{de} / \tau)}{\exp(c_{de} / \tau) + n \sum_i w_{di} \exp(c_{di} / \tau)}

    over the m defects d, e and the n other rows i, with the miner's weights w (1/n each without a preference) and the
    cosine c of codes as seen from the mean normal. A lone defect is its own partner.

    Returns:
        A number >= 0; 0 without defects or without other rows.

    Example:
        >>> import torch
        >>> info_nce_contrast(torch.tensor([[-1.0], [1.0], [3.0], [3.0]]), torch.tensor([0, 0, 3, 3]))
        tensor(0.6931)

    Reference:
        van den Oord, Li and Vinyals, "Representation learning with contrastive predictive coding", 2018,
        arXiv:1807.03748, eq. (4), with labels as in Khosla et al., "Supervised contrastive learning", NeurIPS 2020,
        eq. (2). Ours leaves the other positives out of the denominator, and only defects are anchors.
    """
    defect, u = is_defect(group), directions(z, group)
    own = rows_where(u, defect)
    together, apart = own @ own.T / temperature, columns_where(own @ u.T, ~defect) / temperature
    return softmax_contrast(together, apart, mine(miner, apart, together))


@dataclass(frozen=True)
class InfoNce(MinedLoss):
    """Every pair of defects against all other rows at once, by angles.

    Use where normals are of many kinds: the softmax looks at the nearest rows by itself; not where all kinds of
    outliers lie in one direction from the normals and differ by how far, because an angle does not see lengths.

    Attributes:
        weight: Factor in the total. A log-odds against some 300 rows starts near 6 and drowns the reconstruction at 1.
        temperature: Scale of the cosines, tau, > 0; the lower, the more the nearest negatives count.
    """

    weight: float = 0.2
    temperature: float = 0.1

    def contrast(self, z: Codes, group: Groups) -> Scalar:
        """See `info_nce_contrast`."""
        return info_nce_contrast(z, group, self.temperature, self.miner)
