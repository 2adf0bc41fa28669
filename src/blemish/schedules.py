"""Learning-rate schedules with the optimiser settings that belong to them."""

from dataclasses import dataclass

from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingWarmRestarts, LRScheduler, OneCycleLR
from torch.optim.optimizer import Optimizer


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
        """The scheduler of one training run; it is stepped after every batch."""
        return ConstantLR(optimiser, factor=1.0, total_iters=0)


@dataclass(frozen=True)
class OneCycle:
    """Up to a peak and down again over the whole run.

    Attributes:
        lr: The peak, > 0.
        warm_up: Share of the steps that go up, in (0, 1).
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
        """The scheduler of one training run; it is stepped after every batch."""
        return OneCycleLR(optimiser, max_lr=self.lr, total_steps=total_steps + 1, pct_start=self.warm_up)


@dataclass(frozen=True)
class CosineWarmRestarts:
    """Down a cosine, then back to the start, again and again.

    Attributes:
        lr: The rate after every restart, > 0.
        cycles: Number of cycles in the run, >= 1.
        weight_decay: AdamW's decoupled decay, >= 0.
        eps: Adam's epsilon, > 0; the tabular seed uses 1e-4.

    Reference:
        Loshchilov and Hutter, "SGDR", 2016, arXiv:1608.03983.
    """

    lr: float = 1e-3
    cycles: int = 2
    weight_decay: float = 1e-5
    eps: float = 1e-4

    def build(self, optimiser: Optimizer, total_steps: int) -> LRScheduler:
        """The scheduler of one training run; it is stepped after every batch."""
        return CosineAnnealingWarmRestarts(optimiser, T_0=max(1, -(-total_steps // self.cycles)))


SCHEDULES = {
    "constant": Constant,
    "one_cycle": OneCycle,
    "cosine_warm_restarts": CosineWarmRestarts,
}
