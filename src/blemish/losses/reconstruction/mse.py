"""Mean squared error."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from blemish.core.output import Block
from blemish.losses.loss import ReconstructionLoss


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


@dataclass(frozen=True)
class Mse(ReconstructionLoss):
    """Squared error, mean over the elements of a row and over the unlabelled and normal rows.

    Use for pictures and scaled numbers; not for numbers with heavy tails ('huber') or mixed tables ('typed').
    """

    def error_map(
        self, x: Float[Tensor, "batch *sample"], x_hat: Float[Tensor, "batch *sample"], blocks: tuple[Block, ...] = ()
    ) -> Float[Tensor, "batch *element"]:
        """Error of every element, shape of `x`."""
        return squared_error(x, x_hat)
