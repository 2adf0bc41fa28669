"""The contrast of the original prototype's code: means of unsquared distances."""

from dataclasses import dataclass
from math import inf

from blemish.core.labels import is_defect, is_ordinary
from blemish.core.output import Codes, Groups, Scalar
from blemish.losses.loss import ContrastiveLoss
from blemish.losses.pairs import distance_sum, distances_to_many, rows_where


def mean_distance(z: Codes, group: Groups, cap: float | None = None) -> Scalar:
    r"""Twice the mean distance of normals from each other, minus that of normals from defects.

    .. math:: \frac{2}{n(n-1)/2} \sum_{i<j} \lVert z_i - z_j \rVert
              - \frac{1}{nm} \sum_{i,d} \min(\lVert z_i - z_d \rVert, cap)

    The 2 is the prototype's: its code sums every pair twice and divides by the number of unordered pairs.

    Args:
        z: Codes, shape (batch, latent).
        group: Shape (batch,); unlabelled rows count as normals, others take no part.
        cap: Distance beyond which a pair is not pushed, > 0; None: no cap, as in the prototype, where a tanh bounds z.

    Returns:
        A number >= -cap, in units of `z`. Memory and time are quadratic in the batch.

    Example:
        >>> import torch
        >>> mean_distance(torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([0, 0, 3]))
        tensor(-0.5000)

    Reference:
        github.com/Stancoo/contrastive_loss at 5c59272, `Temporal_EncDec.forward`. We add the cap.
    """
    normal, defect = rows_where(z, is_ordinary(group)), rows_where(z, is_defect(group))
    n = normal.shape[0]
    apart = distances_to_many(defect, normal).T
    if cap is not None:
        apart = apart.clamp_max(cap)
    together = distance_sum(normal) / max(n * (n - 1) / 2, 1)
    return 2 * together - apart.sum() / max(apart.numel(), 1)


@dataclass(frozen=True)
class MeanDistance(ContrastiveLoss):
    """The contrast of the original prototype's code, with a cap that bounds it.

    Use to reproduce the prototype; 'margin' ranks better and costs less.

    Attributes:
        cap: See `mean_distance`. None is refused before training. The default is what the prototype's tanh allows:
            the diagonal 2 sqrt(1152) of its latent cube.
    """

    cap: float | None = 67.9

    @property
    def lower_bound(self) -> float:
        """Minus the cap."""
        return -inf if self.cap is None else -self.cap

    def contrast(self, z: Codes, group: Groups) -> Scalar:
        """See `mean_distance`."""
        return mean_distance(z, group, self.cap)
