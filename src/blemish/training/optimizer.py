"""Adam on one vector, and the learning rates over a run.

A step of a small network is dominated by calls from Python, not by its arithmetic: hence one vector.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

BETA1, BETA2 = 0.9, 0.999
ALIGNED = 16  # floats: every weight starts at a multiple of this, so that products read whole cache lines

Rates = tuple[float, float]
"""Learning rate and Adam's beta1."""


def one_cycle_rates(step: int, total_steps: int, peak: float, warm_up: float) -> Rates:
    """A cosine up to the peak and one down to almost nothing; beta1 goes the other way, 0.95 to 0.85 and back.

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
    """Down a cosine to 0, again in every cycle."""
    length = max(1, -(-total_steps // cycles))
    return _between(start, 0.0, (step % length) / length), BETA1


def _between(start: float, end: float, done: float) -> float:
    return end + (start - end) / 2 * (1 + cos(pi * done))


class Schedule(ABC):
    """Learning rates over a run, and the optimiser settings that belong to them.

    Attributes:
        lr: The highest learning rate, > 0.
        weight_decay: AdamW's decoupled decay, >= 0; 0 makes it Adam.
        eps: Adam's epsilon, > 0.
    """

    lr: float
    weight_decay: float
    eps: float

    @abstractmethod
    def rates(self, step: int, total_steps: int) -> Rates:
        """Learning rate and beta1 after this many steps of a run."""


@dataclass(frozen=True)
class Constant(Schedule):
    """The same rate throughout."""

    lr: float = 1e-3
    weight_decay: float = 0.0
    eps: float = 1e-8

    def rates(self, step: int, total_steps: int) -> Rates:
        """See `Schedule.rates`."""
        return self.lr, BETA1


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up to a peak and down again over the whole run.

    Attributes:
        warm_up: Fraction of the steps that go up, in (0, 1).
    """

    lr: float = 3e-3
    warm_up: float = 0.15
    weight_decay: float = 1e-2
    eps: float = 1e-8

    def rates(self, step: int, total_steps: int) -> Rates:
        """See `one_cycle_rates`."""
        return one_cycle_rates(step, total_steps, self.lr, self.warm_up)


@dataclass(frozen=True)
class CosineWarmRestarts(Schedule):
    """Down a cosine, then back to the start, again and again.

    Attributes:
        cycles: Number of cycles in the run, >= 1.
        eps: Adam's epsilon, > 0; the original tabular prototype uses 1e-4.

    Reference:
        Loshchilov and Hutter, "SGDR", 2016, arXiv:1608.03983.
    """

    lr: float = 1e-3
    cycles: int = 2
    weight_decay: float = 1e-5
    eps: float = 1e-4

    def rates(self, step: int, total_steps: int) -> Rates:
        """See `warm_restart_rates`."""
        return warm_restart_rates(step, total_steps, self.lr, self.cycles)


class FlatWeights:
    """All weights of a network as views of one vector, and their gradients as views of another.

    One operator then clears, measures or moves them all (decisions.md 38). `release` gives each weight memory of its
    own again.

    Attributes:
        weight: Shape (all,).
        gradient: Shape (all,).
    """

    def __init__(self, network: nn.Module) -> None:
        """Move the weights; the network computes what it did before."""
        self._network = network
        parameters = list(network.parameters())
        places, end = [], 0
        for parameter in parameters:
            places.append(slice(end, end + parameter.numel()))
            end += -(-parameter.numel() // ALIGNED) * ALIGNED
        self.weight = torch.zeros(end, device=parameters[0].device, dtype=parameters[0].dtype)
        self.gradient = torch.zeros_like(self.weight)
        self._place_of = {}
        for parameter, place in zip(parameters, places, strict=True):
            self.weight[place].copy_(parameter.detach().flatten())
            parameter.data = self.weight[place].view_as(parameter)
            parameter.grad = self.gradient[place].view_as(parameter)
            self._place_of[parameter] = place

    def spans(self, parts: Sequence[nn.Module]) -> list[tuple[int, int]]:
        """Where the weights of some parts lie: start and end of each run of neighbours."""
        wanted = {parameter for part in parts for parameter in part.parameters()}
        runs: list[tuple[int, int]] = []
        for parameter, place in self._place_of.items():
            if parameter not in wanted:
                continue
            end = -(-place.stop // ALIGNED) * ALIGNED
            if runs and runs[-1][1] == place.start:
                runs[-1] = (runs[-1][0], end)
            else:
                runs.append((place.start, end))
        return runs

    def release(self) -> None:
        """Give every weight its own memory, and no gradient."""
        for parameter in self._network.parameters():
            parameter.data = parameter.data.clone()
            parameter.grad = None


class FlatAdam:
    """AdamW with a schedule, on some of a network's weights; see `FlatWeights`.

    The same numbers as `torch.optim.AdamW(fused=True)` after `clip_grad_norm_`, up to rounding. Clipping happens inside
    the kernel. Not for weights that may be left out of a step: all of them have a gradient.

    Reference:
        Loshchilov and Hutter, "Decoupled weight decay regularization", 2019, arXiv:1711.05101, algorithm 2.
    """

    def __init__(
        self, weights: FlatWeights, parts: Sequence[nn.Module], schedule: Schedule, total_steps: int, clip_norm: float
    ) -> None:
        """Start from moments of zero.

        Args:
            weights: Of the whole network; the norm of all gradients is clipped.
            parts: What is moved.
            schedule: Rates by step, decay and epsilon.
            total_steps: Steps of the whole run.
            clip_norm: The gradient's norm is cut to this, > 0.
        """
        self._weights, self._schedule, self._total, self._clip = weights, schedule, total_steps, clip_norm
        spans = weights.spans(parts)
        self._moved = [weights.weight[start:end] for start, end in spans]
        self._gradients = [weights.gradient[start:end] for start, end in spans]
        self.mean = [torch.zeros_like(some) for some in self._moved]
        self.square = [torch.zeros_like(some) for some in self._moved]
        self.n_steps, self._excess = (torch.zeros((), device=weights.weight.device) for _ in range(2))
        self._steps = [self.n_steps] * len(spans)
        self._done = 0

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        return self._schedule.rates(self._done, self._total)[0]

    def seek(self, done: int) -> None:
        """Continue after this many steps."""
        self._done = done
        self.n_steps.fill_(done)

    @torch.no_grad()
    def step(self) -> None:
        """Move the weights against their gradients."""
        lr, beta1 = self._schedule.rates(self._done, self._total)
        self._done += 1
        self._measure()
        # AdamW(fused=True) would call it, after Python that takes longer than the kernel (decisions.md 3, 38)
        torch._fused_adamw_(  # pyright: ignore[reportPrivateImportUsage]
            self._moved, self._gradients, self.mean, self.square, [], self._steps,
            lr=lr, beta1=beta1, beta2=BETA2, weight_decay=self._schedule.weight_decay, eps=self._schedule.eps,
            amsgrad=False, maximize=False, grad_scale=self._excess,
        )  # fmt: skip

    def _measure(self) -> None:
        """Count the step, and measure by how much the gradient is too long.

        On the CPU NumPy writes both into PyTorch's memory, in a fifth of the time.
        """
        gradient = self._weights.gradient
        if gradient.device.type != "cpu":
            self.n_steps += 1
            torch.linalg.vector_norm(gradient, out=self._excess).add_(1e-6).div_(self._clip).clamp_min_(1.0)
            return
        flat = gradient.numpy()
        self.n_steps.numpy()[...] = self._done
        self._excess.numpy()[...] = np.maximum((np.sqrt(np.vdot(flat, flat)) + 1e-6) / self._clip, 1.0)

    def arrays(self) -> dict[str, Float[Tensor, " some"]]:
        """The moments, by name: with the number of steps all that a later step depends on."""
        named = {"mean": self.mean, "square": self.square}
        return {f"{name}.{i}": some for name, parts in named.items() for i, some in enumerate(parts)}
