"""The L2,p error: the p-th power of each row's Euclidean error."""

from dataclasses import dataclass

from blemish.core.output import Blocks, Elements, PerRow, Samples
from blemish.losses.loss import ReconstructionLoss


def l2p_error(
    x: Samples,
    x_hat: Samples,
    p: float = 1.0,
    relative_to: float | None = None,
) -> PerRow:
    r"""Each row's Euclidean error to the power p, shape (batch,), >= 0.

    .. math:: e_i = \left( \lVert x_i - \hat x_i \rVert_2 / \lVert x_i - c \rVert_2 \right)^p

    One norm per *row*. A popular PyTorch post takes one norm over the whole batch and loses the robustness that the
    paper is about. Without `relative_to`, c, nothing is divided.

    Example:
        >>> import torch
        >>> l2p_error(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]]))
        tensor([5.])
    """
    squared = (x - x_hat).flatten(1).square().sum(1).clamp_min(1e-12)
    if relative_to is not None:
        squared = squared / (x - relative_to).flatten(1).square().sum(1).clamp_min(1e-12)
    return squared ** (p / 2)


@dataclass(frozen=True)
class L2p(ReconstructionLoss):
    """The L2,p error of RSRAE: rows that reconstruct badly pull with bounded force.

    Use when the training data are contaminated; not when rows have very different lengths.

    Attributes:
        p: Power, in (0, 2]; 1 is robust, 2 the usual squared error.
        relative_to: None, or a value c: errors count relative to the row's distance from it, as in the authors' code,
            which brings rows to length 1. For pictures 0.5, the grey that is 0 in their pixels of -1 to 1: measured
            from black, every dark picture would look badly reconstructed. Not for tables: normal rows lie near 0.

    Reference:
        Lai, Zou and Lerman, 2019, arXiv:1904.00152, eq. (4). We take the mean over rows, the paper the sum.
    """

    p: float = 1.0
    relative_to: float | None = None

    def error_map(self, x: Samples, x_hat: Samples, blocks: Blocks = ()) -> Elements:
        """Squared error of every element, shape of `x`: what a row's norm is made of, before its length divides it."""
        return (x - x_hat).square()

    def sample_error(self, x: Samples, x_hat: Samples, blocks: Blocks = ()) -> PerRow:
        """Error of every row, shape (batch,)."""
        return l2p_error(x, x_hat, self.p, self.relative_to)
