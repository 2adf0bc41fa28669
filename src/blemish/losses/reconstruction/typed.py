"""A fitting error for every column of a mixed table."""

from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from blemish.core.output import Batch, Block, MeanError, Output
from blemish.losses.functional import categorical_error, learnt_mean, sample_mean
from blemish.losses.reconstruction.bce import binary_cross_entropy
from blemish.losses.reconstruction.huber import huber_error, huber_gradient, huber_in_place


def column_errors(
    x: Float[Tensor, "batch feature"], x_hat: Float[Tensor, "batch feature"], blocks: tuple[Block, ...]
) -> Float[Tensor, "batch column"]:
    """One error a column: cross-entropy for categories and yes/no columns, Huber's (delta = 1) for numbers.

    Args:
        x: Scaled numbers, zeros and ones, and one-hot blocks, shape (batch, feature).
        x_hat: Numbers, and logits where `x` holds categories, shape (batch, feature).
        blocks: The columns, in order; they cover all features.

    Returns:
        Shape (batch, column), >= 0: nats for categories, halves of squared scaled units for numbers.
    """
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


def activate_columns(
    x_hat: Float[Tensor, "batch feature"], blocks: tuple[Block, ...]
) -> Float[Tensor, "batch feature"]:
    """Probabilities where `x_hat` holds logits, shape of `x_hat`."""
    parts = {
        "numeric": lambda part: part,
        "binary": torch.sigmoid,
        "categorical": lambda part: torch.softmax(part, dim=1),
    }
    return torch.cat([parts[b.kind](x_hat[:, b.start : b.stop]) for b in blocks], dim=1)


def column_gradient(
    x: Float[np.ndarray, "batch feature"],
    x_hat: Float[np.ndarray, "batch feature"],
    into: Float[np.ndarray, "batch feature"],
    binary: list[int],
) -> float:
    """The mean of `column_errors` without categories; its gradient by `x_hat` is written into the third array.

    Args:
        x: Scaled numbers, zeros and ones.
        x_hat: Numbers, and logits where `x` holds zeros and ones.
        into: What is written.
        binary: The features that are zeros and ones.

    Example:
        >>> column_gradient(np.array([[1.0, 1.0]]), np.array([[2.0, 0.0]]), into := np.empty((1, 2)), [1]), into
        (0.5965735902799727, array([[ 0.5 , -0.25]]))
    """
    np.subtract(x_hat, x, out=into)
    into[:, binary] = 0
    error, truth, logits = huber_in_place(into), x[:, binary], x_hat[:, binary]
    into[:, binary] = (1 / (1 + np.exp(-logits)) - truth) / into.size
    return error + float((np.logaddexp(0, logits) - logits * truth).sum()) / into.size


@dataclass(frozen=True)
class Typed:
    """One term a column, so that a category of 60 values weighs as much as a number.

    Use for mixed tables; the default for them. Without columns (pictures) it is Huber's error of every element.
    Categories are compared as categories: a network that reconstructs its own *learnable* embeddings can cheat by
    shrinking them.

    Attributes:
        weight: Factor in the total.
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
        """The decoder's output in the space of `x`: logits of categories and yes/no columns become probabilities."""
        return activate_columns(x_hat, blocks) if blocks else x_hat

    def error_map(
        self, x: Float[Tensor, "batch *sample"], x_hat: Float[Tensor, "batch *sample"], blocks: tuple[Block, ...] = ()
    ) -> Float[Tensor, "batch *element"]:
        """Error of every column, shape (batch, column)."""
        return column_errors(x, x_hat, blocks) if blocks else huber_error(x, x_hat)

    def sample_error(
        self, x: Float[Tensor, "batch *sample"], x_hat: Float[Tensor, "batch *sample"], blocks: tuple[Block, ...] = ()
    ) -> Float[Tensor, " batch"]:
        """Mean error over the columns of every row, shape (batch,)."""
        return sample_mean(self.error_map(x, x_hat, blocks))

    def __call__(self, batch: Batch, out: Output) -> Float[Tensor, ""]:
        """Mean over the unlabelled and normal rows."""
        return learnt_mean(self.sample_error(batch.x, out.x_hat, batch.blocks), batch)

    def written_out(self, blocks: tuple[Block, ...] = ()) -> MeanError | None:
        """The term in NumPy, where no column is categorical; see `WrittenOut`."""
        if any(block.kind == "categorical" for block in blocks):
            return None
        binary = [block.start for block in blocks if block.kind == "binary"]
        return partial(column_gradient, binary=binary) if binary else huber_gradient
