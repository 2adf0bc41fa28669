"""Smooth L1 error."""

from dataclasses import dataclass

from torch.nn.functional import huber_loss

from blemish.core.output import Blocks, Elements, Samples
from blemish.losses.loss import ReconstructionLoss


def huber_error(x: Samples, x_hat: Samples, delta: float = 1.0) -> Samples:
    r"""Quadratic near zero, linear beyond `delta`; >= 0.

    .. math:: \tfrac12 e^2 \ (|e| \le \delta), \quad \delta (|e| - \tfrac12 \delta) \ \text{otherwise}

    Example:
        >>> import torch
        >>> huber_error(torch.tensor([[0.0]]), torch.tensor([[3.0]]))
        tensor([[2.5000]])
    """
    return huber_loss(x_hat, x, reduction="none", delta=delta)


@dataclass(frozen=True)
class Huber(ReconstructionLoss):
    """Huber's error, which a few wild values cannot dominate (with delta = 1 also called smooth L1).

    Use for numbers with heavy tails; not when large errors are exactly what you look for.

    Attributes:
        delta: Where quadratic turns linear, in units of scaled `x`, > 0.

    Reference:
        Huber, "Robust estimation of a location parameter", Annals of Mathematical Statistics 35, 1964.
    """

    delta: float = 1.0

    def error_map(self, x: Samples, x_hat: Samples, blocks: Blocks = ()) -> Elements:
        """Error of every element, shape of `x`."""
        return huber_error(x, x_hat, self.delta)
