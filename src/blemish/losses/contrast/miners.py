"""Negative mining: how a contrastive loss weights the negatives of each defect.

A batch is a fresh random draw of the data, so negatives are *sampled* already; a miner weights what was drawn, and the
losses take the expectation over its weights instead of drawing once more (decisions.md 15).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from blemish.core.parts import choose

Negatives = Float[Tensor, "defect negative"]
"""Similarity of each defect and each row that is not one, higher = nearer; or the weights of these rows."""
PerDefect = Float[Tensor, " defect"]
"""Similarity of each defect and the defect farthest from it."""


def uniform(near: Negatives, partner: PerDefect) -> Negatives:
    """The same weight for all negatives: plain negative sampling.

    Use it first; not where nearly all negatives are easy and drown the few that are not.

    Example:
        >>> uniform(torch.zeros(1, 4), torch.zeros(1))
        tensor([[0.2500, 0.2500, 0.2500, 0.2500]])
    """
    return torch.full_like(near, 1 / near.shape[1])


def hard(near: Negatives, partner: PerDefect) -> Negatives:
    """The nearest negative only.

    Not where defects hide among the unlabelled rows: the nearest negative is then often one of them.

    Example:
        >>> hard(torch.tensor([[0.1, 0.9, 0.4]]), torch.tensor([0.5]))
        tensor([[0., 1., 0.]])

    Reference:
        Hermans, Beyer and Leibe, "In defense of the triplet loss", 2017, arXiv:1703.07737, eq. (5).
    """
    return _only(near.argmax(1), near)


def semi_hard(near: Negatives, partner: PerDefect) -> Negatives:
    """The nearest of the negatives that are farther away than every positive; without one, the farthest negative.

    Use where `hard` collapses the codes or finds hidden defects; not to separate the last few rows.

    Example:
        >>> semi_hard(torch.tensor([[0.1, 0.9, 0.4]]), torch.tensor([0.5]))
        tensor([[0., 0., 1.]])

    Reference:
        Schroff, Kalenichenko and Philbin, "FaceNet", CVPR 2015, arXiv:1503.03832, eq. (4).
    """
    farther = near < partner.unsqueeze(1)
    nearest = near.masked_fill(~farther, -torch.inf).argmax(1)
    return _only(torch.where(farther.any(1), nearest, near.argmin(1)), near)


def distance_weighted(near: Negatives, partner: PerDefect) -> Negatives:
    r"""Near negatives weigh more: by a factor e for every standard deviation of the defect's similarities.

    .. math:: w_{di} \propto \exp(s_{di} / \mathrm{std}_j\, s_{dj})

    Use between `uniform` and `hard`; not with fewer than a handful of negatives in a batch.

    Example:
        >>> distance_weighted(torch.tensor([[1.0, -1.0]]), torch.zeros(1))
        tensor([[0.8808, 0.1192]])

    Reference:
        Robinson et al., "Contrastive learning with hard negative samples", ICLR 2021, arXiv:2010.04592, section 3;
        after Wu et al., "Sampling matters in deep embedding learning", ICCV 2017. Our concentration is in standard
        deviations, so that it suits any similarity.
    """
    off = near - near.mean(1, keepdim=True)
    spread = torch.linalg.vector_norm(off, dim=1, keepdim=True) / near.shape[1] ** 0.5  # `std` takes ten times as long
    return torch.softmax(off / spread.clamp_min(1e-6), dim=1)


def _only(chosen: Tensor, near: Tensor) -> Tensor:
    return torch.zeros_like(near).scatter_(1, chosen.unsqueeze(1), 1.0)


MINERS = {"uniform": uniform, "hard": hard, "semi_hard": semi_hard, "distance_weighted": distance_weighted}


def mine(miner: str, negatives: Negatives, positives: Float[Tensor, "defect defect"]) -> Negatives:
    """Weights of the negatives of each defect, without gradient; each row is >= 0 and sums to 1.

    `positives` is the similarity of each defect and each defect.

    Raises:
        ConfigError: If the name is unknown.
    """
    part = choose("miner", MINERS, miner)
    if not negatives.numel():
        return negatives.detach()
    return part.factory(negatives.detach(), positives.detach().amin(1))
