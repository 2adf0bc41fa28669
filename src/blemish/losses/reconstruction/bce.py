"""Binary cross-entropy with logits."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from blemish.core.output import Batch, Block, Output
from blemish.losses.functional import learnt_mean, sample_mean


def binary_cross_entropy(
    x: Float[Tensor, "batch *sample"], logits: Float[Tensor, "batch *sample"]
) -> Float[Tensor, "batch *sample"]:
    r"""Cross-entropy of every element, in nats, >= 0 for x in [0, 1].

    .. math:: -x \log \sigma(\ell) - (1 - x) \log(1 - \sigma(\ell))

    Example:
        >>> import torch
        >>> binary_cross_entropy(torch.tensor([[1.0]]), torch.tensor([[0.0]]))
        tensor([[0.6931]])
    """
    return binary_cross_entropy_with_logits(logits, x, reduction="none")


@dataclass(frozen=True)
class Bce:
    """Binary cross-entropy of pixels in [0, 1]; the decoder's output is read as logits.

    Use for pictures that are nearly black and white; not for values outside [0, 1], which are clamped. The entropy of
    a grey pixel is taken off, so that a perfect reconstruction costs 0 and grey rows do not count as outliers. The
    numbers of a table, which have no bounds, are seen through the logistic function, before and after.

    Attributes:
        weight: Factor in the total.

    Reference:
        Bishop, "Pattern recognition and machine learning", 2006, eq. (4.90).
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
        """The decoder's output in the space of `x`: logits become probabilities, but for numbers of a table."""
        return _where_number(x_hat, torch.sigmoid(x_hat), blocks)

    def error_map(
        self, x: Float[Tensor, "batch *sample"], x_hat: Float[Tensor, "batch *sample"], blocks: tuple[Block, ...] = ()
    ) -> Float[Tensor, "batch *element"]:
        """Kullback-Leibler divergence of every element, in nats, shape of `x`."""
        target = _where_number(torch.sigmoid(x), x.clamp(0, 1), blocks)
        entropy = binary_cross_entropy(target, target.logit(eps=1e-6))
        return (binary_cross_entropy(target, x_hat) - entropy).clamp_min(0)

    def sample_error(
        self, x: Float[Tensor, "batch *sample"], x_hat: Float[Tensor, "batch *sample"], blocks: tuple[Block, ...] = ()
    ) -> Float[Tensor, " batch"]:
        """Mean error of every row, shape (batch,)."""
        return sample_mean(self.error_map(x, x_hat, blocks))

    def __call__(self, batch: Batch, out: Output) -> Float[Tensor, ""]:
        """Mean over the unlabelled and normal rows."""
        return learnt_mean(self.sample_error(batch.x, out.x_hat, batch.blocks), batch)


def _where_number(
    numbers: Float[Tensor, "batch *sample"], others: Float[Tensor, "batch *sample"], blocks: tuple[Block, ...]
) -> Float[Tensor, "batch *sample"]:
    if not blocks:
        return others
    is_number = [b.kind == "numeric" for b in blocks for _ in range(b.start, b.stop)]
    return torch.where(torch.tensor(is_number, device=numbers.device), numbers, others)
