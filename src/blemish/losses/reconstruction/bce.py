"""Binary cross-entropy with logits."""

from dataclasses import dataclass

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from blemish.core.output import Blocks, Elements, Samples
from blemish.losses.loss import ReconstructionLoss


def binary_cross_entropy(x: Samples, logits: Samples) -> Samples:
    r"""Cross-entropy of every element, in nats, >= 0 for x in [0, 1].

    .. math:: -x \log \sigma(\ell) - (1 - x) \log(1 - \sigma(\ell))

    Example:
        >>> import torch
        >>> binary_cross_entropy(torch.tensor([[1.0]]), torch.tensor([[0.0]]))
        tensor([[0.6931]])
    """
    return binary_cross_entropy_with_logits(logits, x, reduction="none")


@dataclass(frozen=True)
class Bce(ReconstructionLoss):
    """Binary cross-entropy of pixels in [0, 1]; the decoder's output is read as logits.

    Use for pictures that are nearly black and white; not for values outside [0, 1], which are clamped. The entropy of
    a grey pixel is subtracted, so that a perfect reconstruction costs 0 and grey rows do not count as outliers. The
    numbers of a table, which have no bounds, pass through the logistic function on both sides.

    Reference:
        Bishop, "Pattern recognition and machine learning", 2006, eq. (4.90).
    """

    def activate(self, x_hat: Samples, blocks: Blocks = ()) -> Samples:
        """The decoder's output in the space of `x`: logits become probabilities, except for the numbers of a table."""
        return _where_number(x_hat, torch.sigmoid(x_hat), blocks)

    def error_map(self, x: Samples, x_hat: Samples, blocks: Blocks = ()) -> Elements:
        """Kullback-Leibler divergence of every element, in nats, shape of `x`."""
        target = _where_number(torch.sigmoid(x), x.clamp(0, 1), blocks)
        entropy = binary_cross_entropy(target, target.logit(eps=1e-6))
        return (binary_cross_entropy(target, x_hat) - entropy).clamp_min(0)


def _where_number(numbers: Samples, others: Samples, blocks: Blocks) -> Samples:
    if not blocks:
        return others
    is_number = [b.kind == "numeric" for b in blocks for _ in range(b.start, b.stop)]
    return torch.where(torch.tensor(is_number, device=numbers.device), numbers, others)
