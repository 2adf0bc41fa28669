"""Smooth L1 error."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import huber_loss

from blemish.core.output import Batch, Block, MeanError, Output
from blemish.losses.functional import learnt_mean, sample_mean


def huber_error(
    x: Float[Tensor, "batch *sample"], x_hat: Float[Tensor, "batch *sample"], delta: float = 1.0
) -> Float[Tensor, "batch *sample"]:
    r"""Quadratic near zero, linear beyond `delta`; >= 0.

    .. math:: \tfrac12 e^2 \ (|e| \le \delta), \quad \delta (|e| - \tfrac12 \delta) \ \text{otherwise}

    Example:
        >>> import torch
        >>> huber_error(torch.tensor([[0.0]]), torch.tensor([[3.0]]))
        tensor([[2.5000]])
    """
    return huber_loss(x_hat, x, reduction="none", delta=delta)


def huber_gradient(
    x: Float[np.ndarray, "batch feature"],
    x_hat: Float[np.ndarray, "batch feature"],
    into: Float[np.ndarray, "batch feature"],
    delta: float = 1.0,
) -> float:
    """The mean of `huber_error`; its gradient by `x_hat` is written into the third array.

    Example:
        >>> huber_gradient(np.array([[1.0, 4.0]]), np.array([[2.0, 1.0]]), into := np.empty((1, 2))), into
        (1.5, array([[ 0.5, -0.5]]))
    """
    return huber_in_place(np.subtract(x_hat, x, out=into), delta)


def huber_in_place(difference: Float[np.ndarray, "batch feature"], delta: float = 1.0) -> float:
    """The mean of Huber's error of some differences, which its gradient replaces."""
    cut = np.clip(difference, -delta, delta)
    difference -= cut / 2
    error = float(np.vdot(cut, difference)) / cut.size
    np.divide(cut, cut.size, out=difference)
    return error


@dataclass(frozen=True)
class Huber:
    """Huber's error, which a few wild values cannot dominate (with delta = 1 also called smooth L1).

    Use for numbers with heavy tails; not when large errors are exactly what you look for.

    Attributes:
        weight: Factor in the total.
        delta: Where quadratic turns linear, in units of scaled `x`, > 0.

    Reference:
        Huber, "Robust estimation of a location parameter", Annals of Mathematical Statistics 35, 1964.
    """

    weight: float = 1.0
    delta: float = 1.0
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
        return huber_error(x, x_hat, self.delta)

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
        return partial(huber_gradient, delta=self.delta)
