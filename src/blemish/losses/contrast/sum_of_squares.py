"""The contrast of the seed's formula: squared distances, in closed form."""

from dataclasses import dataclass
from math import inf
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from blemish.core.output import Batch, Output
from blemish.losses.functional import is_defect, is_learnt, mean_squared_distance_to, within_sum


def sum_of_squares(
    z: Float[Tensor, "batch latent"], group: Int[Tensor, " batch"], cap: float | None = None
) -> Float[Tensor, ""]:
    r"""Normals pull each other together and push the defects away.

    .. math:: \sum_{i<j} \lVert z_i - z_j \rVert^2 - n \sum_d \min(s_d, cap), \quad
              s_d = \tfrac1n \sum_i \lVert z_i - z_d \rVert^2

    over normals i, j and defects d; linear in the number of rows. Without a cap this is the seed's formula, which has
    no lower bound: the codes of the defects run away.

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
    normal = is_learnt(group)
    separation = mean_squared_distance_to(z, normal, z[is_defect(group)])
    if cap is not None:
        separation = separation.clamp_max(cap)
    return within_sum(z, normal) - normal.sum() * separation.sum()


@dataclass(frozen=True)
class SumOfSquares:
    """The seed's formula per pair, with a cap that bounds it.

    Use to reproduce the seed; 'margin' ranks better.

    Attributes:
        weight: Factor in the total.
        cap: See `sum_of_squares`. None is refused before training, because nothing then bounds the loss.
    """

    weight: float = 1.0
    cap: float | None = 10.0
    needs: ClassVar[tuple[str, ...]] = ()
    wants_views: ClassVar[bool] = False
    wants_outliers: ClassVar[bool] = False
    needs_defects: ClassVar[bool] = True

    @property
    def lower_bound(self) -> float:
        """Minus the cap: no pair counts for less."""
        return -inf if self.cap is None else -self.cap

    def __call__(self, batch: Batch, out: Output) -> Float[Tensor, ""]:
        """The sum divided by its number of pairs, so that the batch size does not set its weight."""
        n, m = is_learnt(batch.group).sum(), is_defect(batch.group).sum()
        pairs = torch.clamp(n * (n - 1) // 2 + n * m, min=1)
        return sum_of_squares(out.z, batch.group, self.cap) / pairs
