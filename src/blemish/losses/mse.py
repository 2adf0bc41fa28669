"""Mean squared error."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from blemish.functional import learnt_mean, sample_mean
from blemish.output import Batch, Block, Output


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
