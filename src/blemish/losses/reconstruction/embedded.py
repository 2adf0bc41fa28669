"""Smooth L1 error between learnt vectors of categories: the tabular seed's own objective."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from blemish.core.output import Batch, Block, Output
from blemish.losses.functional import learnt_mean, sample_mean
from blemish.losses.reconstruction.huber import huber_error


def embed(
    x: Float[Tensor, "batch feature"], vectors: tuple[Float[Tensor, "_ _"], ...], blocks: tuple[Block, ...]
) -> Float[Tensor, "batch embedded"]:
    """Numbers and yes/no features as they are, then the vector of every category, shape (batch, embedded).

    Args:
        x: Features, shape (batch, feature); where a categorical column is not one-hot, a weighted sum of vectors.
        vectors: One matrix (category, width) for each categorical column.
        blocks: The columns.
    """
    plain = [x[:, b.start : b.stop] for b in blocks if b.kind != "categorical"]
    categorical = [b for b in blocks if b.kind == "categorical"]
    return torch.cat([*plain, *(x[:, b.start : b.stop] @ v for b, v in zip(categorical, vectors, strict=True))], dim=1)


@dataclass(frozen=True)
class Embedded:
    """Smooth L1 between the embedded row and the embedded reconstruction, through which the vectors learn as well.

    Use to reproduce the tabular seed, or to see what goes wrong with it: vectors that are short or all alike are
    reconstructed for free, so where the code is too narrow the loss falls to 0 and the categories are forgotten. Use
    'typed' for everything else. Scores compare the features themselves, because an error measured in such vectors
    would vanish along with them. The seed's decoder gives the vectors, ours the weights of a sum of them, so that a
    category can be read off. Without categories it is 'huber'.

    Attributes:
        weight: Factor in the total.

    Reference:
        Frachon, "Anomaly detection using a variational autoencoder", 2020 (the tabular seed's source): `loss_function`.
    """

    weight: float = 1.0
    needs: ClassVar[tuple[str, ...]] = ()
    wants_views: ClassVar[bool] = False
    wants_outliers: ClassVar[bool] = False
    needs_defects: ClassVar[bool] = False
    lower_bound: ClassVar[float] = 0.0

    def activate(
        self, x_hat: Float[Tensor, "batch *sample"], blocks: tuple[Block, ...] = ()
    ) -> Float[Tensor, "batch *sample"]:
        """The decoder's output in the space of `x`: as it is; the largest weight is the category."""
        return x_hat

    def error_map(
        self, x: Float[Tensor, "batch *sample"], x_hat: Float[Tensor, "batch *sample"], blocks: tuple[Block, ...] = ()
    ) -> Float[Tensor, "batch *element"]:
        """Error of every feature, shape of `x`."""
        return huber_error(x, x_hat)

    def sample_error(
        self, x: Float[Tensor, "batch *sample"], x_hat: Float[Tensor, "batch *sample"], blocks: tuple[Block, ...] = ()
    ) -> Float[Tensor, " batch"]:
        """Mean error over the features of every row, shape (batch,)."""
        return sample_mean(self.error_map(x, x_hat, blocks))

    def __call__(self, batch: Batch, out: Output) -> Float[Tensor, ""]:
        """Mean over the unlabelled and normal rows, of the error in the space of the vectors."""
        if out.vectors is None:
            errors = self.sample_error(batch.x, out.x_hat, batch.blocks)
        else:
            x, x_hat = (embed(rows, out.vectors, batch.blocks) for rows in (batch.x, out.x_hat))
            errors = sample_mean(huber_error(x, x_hat))
        return learnt_mean(errors, batch)
