"""The right error for each type of column of a mixed table."""

from dataclasses import dataclass
from itertools import groupby

import torch
from jaxtyping import Float
from torch import Tensor

from blemish.core.output import Blocks, Elements, PerRow, Samples
from blemish.losses.loss import ReconstructionLoss
from blemish.losses.reconstruction.bce import binary_cross_entropy
from blemish.losses.reconstruction.huber import huber_error


def categorical_error(x: Float[Tensor, "batch category"], logits: Float[Tensor, "batch category"]) -> PerRow:
    """Cross-entropy of a one-hot target, in nats, shape (batch,), >= 0."""
    return -(x * torch.log_softmax(logits, dim=1)).sum(1)


def column_errors(
    x: Float[Tensor, "batch feature"], x_hat: Float[Tensor, "batch feature"], blocks: Blocks
) -> Float[Tensor, "batch column"]:
    """One error per column: cross-entropy for categories and yes/no columns, Huber's (delta = 1) for numbers.

    Args:
        x: Scaled numbers, zeros and ones, and one-hot blocks, shape (batch, feature).
        x_hat: Numbers, and logits where `x` holds categories, shape (batch, feature).
        blocks: The columns, in order; they cover all features.

    Returns:
        Shape (batch, column), >= 0: nats for categories, halves of squared scaled units for numbers.
    """
    # neighbours of one type are computed together: a table has many numbers, and each call has its price
    pieces = []
    for kind, run in groupby(blocks, key=lambda block: block.kind):
        columns = list(run)
        if kind == "categorical":
            errors = [categorical_error(x[:, b.start : b.stop], x_hat[:, b.start : b.stop]) for b in columns]
            pieces.append(torch.stack(errors, dim=1))
        else:  # each such column is one feature
            features = slice(columns[0].start, columns[-1].stop)
            pieces.append(_OF_KIND[kind](x[:, features], x_hat[:, features]))
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=1)


_OF_KIND = {"numeric": huber_error, "binary": binary_cross_entropy}


def activate_columns(x_hat: Float[Tensor, "batch feature"], blocks: Blocks) -> Float[Tensor, "batch feature"]:
    """Probabilities where `x_hat` holds logits, shape of `x_hat`."""
    parts = {
        "numeric": lambda part: part,
        "binary": torch.sigmoid,
        "categorical": lambda part: torch.softmax(part, dim=1),
    }
    return torch.cat([parts[b.kind](x_hat[:, b.start : b.stop]) for b in blocks], dim=1)


@dataclass(frozen=True)
class Typed(ReconstructionLoss):
    """One term per column, so that a category of 60 values weighs as much as a number.

    Use for mixed tables; the default for them. Without columns (pictures) it is Huber's error of every element.
    Categories are compared as categories: a network that reconstructs its own *learnable* embeddings can cheat by
    shrinking them.
    """

    def activate(self, x_hat: Samples, blocks: Blocks = ()) -> Samples:
        """The decoder's output in the space of `x`: logits of categories and yes/no columns become probabilities."""
        return activate_columns(x_hat, blocks) if blocks else x_hat

    def error_map(self, x: Samples, x_hat: Samples, blocks: Blocks = ()) -> Elements:
        """Error of every column, shape (batch, column)."""
        return column_errors(x, x_hat, blocks) if blocks else huber_error(x, x_hat)
