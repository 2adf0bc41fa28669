"""The contrast of the original prototype's formula: squared distances, in closed form."""

from dataclasses import dataclass
from math import inf

import torch

from blemish.core.labels import is_defect, is_ordinary
from blemish.core.output import Codes, Groups, Scalar
from blemish.losses.loss import ContrastiveLoss
from blemish.losses.pairs import mean_squared_distance_to, within_sum


def sum_of_squares(z: Codes, group: Groups, cap: float | None = None) -> Scalar:
    r"""Normals pull each other together and push the defects away.

    .. math:: \sum_{i<j} \lVert z_i - z_j \rVert^2 - n \sum_d \min(s_d, cap), \quad
              s_d = \tfrac1n \sum_i \lVert z_i - z_d \rVert^2

    over normals i, j and defects d; linear in the number of rows. Without a cap this is the prototype's formula, which
    has no lower bound: the codes of the defects run away.

    Args:
        z: Codes, shape (batch, latent).
        group: Shape (batch,); unlabelled rows count as normals, others take no part.
        cap: Mean squared distance from the normals beyond which a defect is not pushed, > 0; None: no cap.

    Returns:
        A number >= -(normals x defects) x cap, in squared units of `z`.

    Example:
        >>> sum_of_squares(torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([0, 0, 3]))
        tensor(-12.)

    Reference:
        github.com/Stancoo/contrastive_loss, README, second formula, last two terms. We add the cap.
    """
    normal = is_ordinary(group)
    separation = mean_squared_distance_to(z, normal, z[is_defect(group)])
    if cap is not None:
        separation = separation.clamp_max(cap)
    return within_sum(z, normal) - normal.sum() * separation.sum()


@dataclass(frozen=True)
class SumOfSquares(ContrastiveLoss):
    """The original prototype's formula per pair, with a cap that bounds it.

    Use to reproduce the prototype; 'margin' ranks better.

    Attributes:
        cap: See `sum_of_squares`. None is refused before training, because nothing then bounds the loss.
    """

    cap: float | None = 10.0

    @property
    def lower_bound(self) -> float:
        """Minus the cap: no pair counts for less."""
        return -inf if self.cap is None else -self.cap

    def contrast(self, z: Codes, group: Groups) -> Scalar:
        """The sum divided by its number of pairs, so that the batch size does not set its weight."""
        n, m = is_ordinary(group).sum(), is_defect(group).sum()
        pairs = torch.clamp(n * (n - 1) // 2 + n * m, min=1)
        return sum_of_squares(z, group, self.cap) / pairs
