"""Smooth L1 error between learnt vectors of categories: the objective of the original tabular prototype."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from blemish.core.output import Batch, Blocks, Elements, Output, Samples, Scalar
from blemish.losses.loss import ReconstructionLoss, ordinary_mean, sample_mean
from blemish.losses.reconstruction.huber import huber_error


def embed(
    x: Float[Tensor, "batch feature"], vectors: tuple[Float[Tensor, "_ _"], ...], blocks: Blocks
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
class Embedded(ReconstructionLoss):
    """Smooth L1 between the embedded row and the embedded reconstruction, through which the vectors learn as well.

    Use to reproduce the original tabular prototype, or to see what goes wrong with it: vectors that are short or
    nearly identical are reconstructed for free, so where the code is too narrow the loss falls to 0 and the categories
    are forgotten. Use 'typed' for everything else. Scores compare the features themselves, because an error measured in
    such vectors would vanish along with them. The prototype's decoder gives the vectors, ours the weights of a sum of
    them, so that a category can be read off. Without categories it is 'huber'. See decisions.md 20.

    Reference:
        Frachon, "Anomaly detection using a variational autoencoder", 2020 (the prototype's source): `loss_function`.
    """

    def error_map(self, x: Samples, x_hat: Samples, blocks: Blocks = ()) -> Elements:
        """Error of every feature, shape of `x`."""
        return huber_error(x, x_hat)

    def __call__(self, batch: Batch, out: Output) -> Scalar:
        """Mean over the unlabelled and normal rows, of the error in the space of the vectors."""
        if out.vectors is None:
            errors = self.sample_error(batch.x, out.x_hat, batch.blocks)
        else:
            x, x_hat = (embed(rows, out.vectors, batch.blocks) for rows in (batch.x, out.x_hat))
            errors = sample_mean(huber_error(x, x_hat))
        return ordinary_mean(errors, batch)
