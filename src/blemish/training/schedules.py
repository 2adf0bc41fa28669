"""Learning-rate schedules with the optimiser settings that belong to them."""

from dataclasses import dataclass
from math import cos, pi

from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingWarmRestarts, LRScheduler, OneCycleLR
from torch.optim.optimizer import Optimizer

BETA1 = 0.9

Rates = tuple[float, float]
"""Learning rate and Adam's beta1."""


def one_cycle_rates(step: int, total_steps: int, peak: float, warm_up: float) -> Rates:
    """A cosine up to the peak and one down to almost nothing; beta1 goes the other way, 0.95 to 0.85 and back.

    Args:
        step: Steps already made.
        total_steps: Of the whole run.
        peak: Highest learning rate.
        warm_up: Fraction of the steps that go up.

    Reference:
        Smith and Topin, "Super-convergence", 2017, arXiv:1708.07120; as in `torch.optim.lr_scheduler.OneCycleLR`.
    """
    turn, first, last = warm_up * (total_steps + 1) - 1, peak / 25, peak / 25e4
    if step <= turn:
        done = step / turn if turn else 1.0
        return _between(first, peak, done), _between(0.95, 0.85, done)
    done = (step - turn) / (total_steps - turn)
    return _between(peak, last, done), _between(0.85, 0.95, done)


def warm_restart_rates(step: int, total_steps: int, start: float, cycles: int) -> Rates:
    """Down a cosine to 0, again in every cycle; arguments as of `one_cycle_rates`."""
    length = max(1, -(-total_steps // cycles))
    return _between(start, 0.0, (step % length) / length), BETA1


def _between(start: float, end: float, done: float) -> float:
    return end + (start - end) / 2 * (1 + cos(pi * done))


@dataclass(frozen=True)
class Constant:
    """The same rate throughout.

    Attributes:
        lr: Learning rate, > 0.
        weight_decay: AdamW's decoupled decay, >= 0; 0 makes it Adam.
        eps: Adam's epsilon, > 0.
    """

    lr: float = 1e-3
    weight_decay: float = 0.0
    eps: float = 1e-8

    def build(self, optimiser: Optimizer, total_steps: int) -> LRScheduler:
        """The same rates as `rates`, for loops that use PyTorch's optimisers; stepped after every batch."""
        return ConstantLR(optimiser, factor=1.0, total_iters=0)

    def rates(self, step: int, total_steps: int) -> Rates:
        """Learning rate and beta1 after this many steps."""
        return self.lr, BETA1


@dataclass(frozen=True)
class OneCycle:
    """Up to a peak and down again over the whole run.

    Attributes:
        lr: The peak, > 0.
        warm_up: Fraction of the steps that go up, in (0, 1).
        weight_decay: AdamW's decoupled decay, >= 0.
        eps: Adam's epsilon, > 0.

    Reference:
        Smith and Topin, "Super-convergence", 2017, arXiv:1708.07120.
    """

    lr: float = 3e-3
    warm_up: float = 0.15
    weight_decay: float = 1e-2
    eps: float = 1e-8

    def build(self, optimiser: Optimizer, total_steps: int) -> LRScheduler:
        """The same rates as `rates`, for loops that use PyTorch's optimisers; stepped after every batch."""
        return OneCycleLR(optimiser, max_lr=self.lr, total_steps=total_steps + 1, pct_start=self.warm_up)

    def rates(self, step: int, total_steps: int) -> Rates:
        """Learning rate and beta1 after this many steps."""
        return one_cycle_rates(step, total_steps, self.lr, self.warm_up)


@dataclass(frozen=True)
class CosineWarmRestarts:
    """Down a cosine, then back to the start, again and again.

    Attributes:
        lr: The rate after every restart, > 0.
        cycles: Number of cycles in the run, >= 1.
        weight_decay: AdamW's decoupled decay, >= 0.
        eps: Adam's epsilon, > 0; the original tabular prototype uses 1e-4.

    Reference:
        Loshchilov and Hutter, "SGDR", 2016, arXiv:1608.03983.
    """

    lr: float = 1e-3
    cycles: int = 2
    weight_decay: float = 1e-5
    eps: float = 1e-4

    def build(self, optimiser: Optimizer, total_steps: int) -> LRScheduler:
        """The same rates as `rates`, for loops that use PyTorch's optimisers; stepped after every batch."""
        return CosineAnnealingWarmRestarts(optimiser, T_0=max(1, -(-total_steps // self.cycles)))

    def rates(self, step: int, total_steps: int) -> Rates:
        """Learning rate and beta1 after this many steps."""
        return warm_restart_rates(step, total_steps, self.lr, self.cycles)


Schedule = Constant | OneCycle | CosineWarmRestarts
