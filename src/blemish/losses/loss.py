"""What every loss term is: abstract bases, each with the bodies that all terms of its kind share."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool
from torch import Tensor

from blemish.core.labels import is_ordinary
from blemish.core.output import Batch, Blocks, Codes, Elements, Groups, Output, PerRow, Samples, Scalar
from blemish.core.parts import choose
from blemish.losses import LOSSES
from blemish.losses.contrast.miners import MINERS


def mean_where(values: PerRow, mask: Bool[Tensor, " batch"]) -> Scalar:
    """Mean of the masked values; 0 where the mask is empty.

    Example:
        >>> mean_where(torch.tensor([1.0, 2.0, 9.0]), torch.tensor([True, True, False]))
        tensor(1.5000)
    """
    # `where`, not a product: an overflow in a masked row would make it NaN
    return torch.where(mask, values, 0).sum() / mask.sum().clamp_min(1)


def ordinary_mean(values: PerRow, batch: Batch) -> Scalar:
    """Mean over the unlabelled and normal rows of a batch; 0 without any.

    Example:
        >>> ordinary_mean(torch.tensor([1.0, 2.0, 9.0]), Batch(torch.zeros(3, 1), torch.tensor([0, 1, 3])))
        tensor(1.5000)
    """
    if batch.n_ordinary == len(values) > 0:
        return values.mean()
    return mean_where(values, is_ordinary(batch.group))


def sample_mean(element: Elements) -> PerRow:
    """Mean over all axes but the first, shape (batch,)."""
    return element.flatten(1).mean(1)


@dataclass(frozen=True)
class Loss(ABC):
    """One summand of the objective: a frozen dataclass of options that declares what it needs.

    Attributes:
        weight: Factor of the term in the total.
        needs: Fields of `Output` that have to be filled; checked before training.
        needs_defects: Whether every batch has to contain labelled defects; without any, the term is left out.
        wants_augmentation: Whether its batches are shown to the network through random augmentation.
        wants_outliers: Whether its batches contain synthetic outliers.
    """

    weight: float = 1.0
    needs: ClassVar[tuple[str, ...]] = ()
    needs_defects: ClassVar[bool] = False
    wants_augmentation: ClassVar[bool] = False
    wants_outliers: ClassVar[bool] = False

    @property
    def min_defects(self) -> int:
        """Labelled defects below which the term is left out."""
        return int(self.needs_defects)

    @property
    def lower_bound(self) -> float:
        """A number that the unweighted term never falls below, for any code; minus infinity if there is none."""
        return 0.0

    @abstractmethod
    def __call__(self, batch: Batch, out: Output) -> Scalar:
        """The term before its weight.

        Args:
            batch: The rows; only the unlabelled and normal ones, unless the term needs defects.
            out: What the network made of them.
        """


@dataclass(frozen=True)
class ReconstructionLoss(Loss):
    """A term that also tells how badly each row, and each element of it, is reconstructed; an objective has one.

    A new one gives its `error_map`; the rest changes only where the decoder's output is not in the space of `x`
    (`activate`), or a row's error is not the mean over its elements (`sample_error`).
    """

    def activate(self, x_hat: Samples, blocks: Blocks = ()) -> Samples:
        """The decoder's output in the space of `x`: unchanged."""
        return x_hat

    @abstractmethod
    def error_map(self, x: Samples, x_hat: Samples, blocks: Blocks = ()) -> Elements:
        """Error of every element, shape of `x`, or one per column of a table, shape (batch, column); >= 0."""

    def sample_error(self, x: Samples, x_hat: Samples, blocks: Blocks = ()) -> PerRow:
        """Error of every row, shape (batch,): the mean of its elements."""
        return sample_mean(self.error_map(x, x_hat, blocks))

    def __call__(self, batch: Batch, out: Output) -> Scalar:
        """Mean over the unlabelled and normal rows."""
        return ordinary_mean(self.sample_error(batch.x, out.x_hat, batch.blocks), batch)


@dataclass(frozen=True)
class ContrastiveLoss(Loss):
    """A term on the codes alone: labelled defects close together, everything else far away."""

    needs_defects: ClassVar[bool] = True

    @abstractmethod
    def contrast(self, z: Codes, group: Groups) -> Scalar:
        """The term of codes, shape (batch, latent), and their groups, shape (batch,)."""

    def __call__(self, batch: Batch, out: Output) -> Scalar:
        """See `contrast`."""
        return self.contrast(out.z, batch.group)


@dataclass(frozen=True)
class MinedLoss(ContrastiveLoss):
    """A contrast whose negatives are weighted by a miner.

    With a handful of defects a network memorises them, so these terms are trained on augmented rows and with synthetic
    outliers among the negatives (decisions.md 6).

    Attributes:
        miner: Name of the function that weights the negatives, see `MINERS`.
    """

    miner: str = "uniform"
    wants_augmentation: ClassVar[bool] = True
    wants_outliers: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse an unknown miner."""
        choose("miner", MINERS, self.miner)


@dataclass(frozen=True)
class SeparateStep(Loss):
    """A term that is not summed: after each step on the sum it takes one of its own, with its own optimiser.

    Its weight only scales what the records show: Adam does not depend on the scale of a gradient. Its step decodes
    nothing unless it trains the decoder; `x_hat` is empty then (decisions.md 22).

    Attributes:
        trains: The parts of the network that its step moves: 'encoder', 'bottleneck', 'decoder'.
        lr_factor: Its learning rate as a multiple of the schedule's, > 0.
    """

    trains: ClassVar[tuple[str, ...]]
    lr_factor: ClassVar[float] = 1.0


def losses_of_kind(kind: type[Loss]) -> dict[str, type[Loss]]:
    """The losses that are of one kind, by name; found in `LOSSES`, so that a new one need not be listed twice.

    Example:
        >>> list(losses_of_kind(SeparateStep))
        ['subspace', 'orthogonality']
    """
    return {name: loss for name, loss in LOSSES.items() if issubclass(loss, kind)}
