"""Mean squared error."""

from dataclasses import dataclass

from blemish.core.output import Blocks, Elements, Samples
from blemish.losses.loss import ReconstructionLoss


def squared_error(x: Samples, x_hat: Samples) -> Samples:
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

    def error_map(self, x: Samples, x_hat: Samples, blocks: Blocks = ()) -> Elements:
        """Error of every element, shape of `x`."""
        return squared_error(x, x_hat)
