"""Mean squared error."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float
from torch import Tensor

from blemish.core.output import Batch, Block, MeanError, Output
from blemish.losses.functional import learnt_mean, sample_mean


def squared_error(
    x: Float[Tensor, "batch *sample"], x_hat: Float[Tensor, "batch *sample"]
) -> Float[Tensor, "batch *sample"]:
    """Squared difference of every element, in squared units of `x`, >= 0.

    Example:
        >>> import torch
        >>> squared_error(torch.tensor([[1.0]]), torch.tensor([[3.0]]))
        tensor([[4.]])
    """
    return (x - x_hat).square()


def squared_gradient(
    x: Float[np.ndarray, "batch feature"],
    x_hat: Float[np.ndarray, "batch feature"],
    into: Float[np.ndarray, "batch feature"],
) -> float:
    """The mean of `squared_error`; its gradient by `x_hat` is written into the third array.

    Example:
        >>> squared_gradient(np.array([[1.0, 4.0]]), np.array([[2.0, 1.0]]), into := np.empty((1, 2))), into
        (5.0, array([[ 1., -3.]]))
    """
    np.subtract(x_hat, x, out=into)
    error = float(np.vdot(into, into)) / into.size
    into *= 2 / into.size
    return error


@dataclass(frozen=True)
class Mse:
    """Squared error, mean over the elements of a row and the rows to be learnt.

    Use for pictures and scaled numbers; not for numbers with heavy tails ('huber') or mixed tables ('typed').

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
        """The decoder's output in the space of `x`: as it is."""
        return x_hat

    def error_map(
        self, x: Float[Tensor, "batch *sample"], x_hat: Float[Tensor, "batch *sample"], blocks: tuple[Block, ...] = ()
    ) -> Float[Tensor, "batch *element"]:
        """Error of every element, shape of `x`."""
        return squared_error(x, x_hat)

    def sample_error(
        self, x: Float[Tensor, "batch *sample"], x_hat: Float[Tensor, "batch *sample"], blocks: tuple[Block, ...] = ()
    ) -> Float[Tensor, " batch"]:
        """Mean error of every row, shape (batch,)."""
        return sample_mean(self.error_map(x, x_hat, blocks))

    def __call__(self, batch: Batch, out: Output) -> Float[Tensor, ""]:
        """Mean over the unlabelled and normal rows."""
        return learnt_mean(self.sample_error(batch.x, out.x_hat, batch.blocks), batch)

    def written_out(self, blocks: tuple[Block, ...] = ()) -> MeanError:
        """The term in NumPy; see `WrittenOut`."""
        return squared_gradient
