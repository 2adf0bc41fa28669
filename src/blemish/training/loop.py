"""THE training loop: a generator that yields one `EpochRecord` per epoch."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from blemish.autoencoder.autoencoder import Autoencoder
from blemish.core.errors import TrainingError
from blemish.core.output import Batch
from blemish.core.threads import fitting_threads, numpy_on_one_thread
from blemish.losses.loss import Loss
from blemish.training.batches import Plan, TrainingData
from blemish.training.numpy_step import numpy_step
from blemish.training.objective import Objective
from blemish.training.optimizer import FlatAdam, FlatWeights


@dataclass(frozen=True)
class EpochRecord:
    """The results of one epoch.

    Attributes:
        epoch: Counted from 1.
        total: Weighted sum of the terms, mean over the batches.
        terms: Every term before its weight, mean over the batches, by class name.
        validation: Weighted sum of the terms that need no defects on held-out rows; None without such rows.
        lr: Learning rate at the end.
        seconds: Wall time of the epoch.
        step: What computed the gradients: PyTorch's autograd, or the NumPy step of `blemish.training.numpy_step`, twice
            as fast, which knows some networks and losses; None in model files from before it was recorded.
    """

    epoch: int
    total: float
    terms: dict[str, float]
    validation: float | None
    lr: float
    seconds: float
    step: Literal["numpy", "autograd"] | None = None


def train(
    model: Autoencoder, data: TrainingData, terms: Sequence[Loss], plan: Plan, generator: torch.Generator
) -> Iterator[EpochRecord]:
    """Train in place; one record per epoch, so the caller draws the progress and stops by leaving the loop.

    Args:
        model: The network, on the device of the data.
        data: Rows and groups.
        terms: The objective; terms that need more labelled defects than there are, are left out.
        plan: How to train.
        generator: Source of all randomness, on the CPU.

    Yields:
        An `EpochRecord` per epoch.

    Raises:
        ConfigError: If a term needs a field that no part fills, or has no lower bound.
        DataError: If there is no row to learn from.
        TrainingError: If a term becomes NaN or infinite; it is named.
    """
    yield from Training(Objective(model, data, terms, plan, generator)).epochs()


class Training:
    """A training in progress: all that changes from step to step.

    Attributes:
        objective: What is minimised.
        epoch: Epochs done.
        weights: Those of the network.
        noise: Source of the input noise and of a stochastic bottleneck's.
    """

    def __init__(self, objective: Objective) -> None:
        """Lay the weights out in one vector, and start every stage's optimiser."""
        self.objective, self.epoch = objective, 0
        model, plan = objective.model, objective.plan
        self.weights, self.noise = FlatWeights(model), objective.noise_generator()
        self._stages, total = objective.stages(), plan.epochs * len(objective.batches)
        self.optimisers = [
            FlatAdam(self.weights, [getattr(model, part) for part in s.trains], s.schedule, total, plan.clip_norm)
            for s in self._stages
        ]
        self._numpy_step = numpy_step(model, objective.terms, objective.data.blocks)

    @property
    def lr(self) -> float:
        """The learning rate."""
        return self.optimisers[0].lr

    def epochs(self) -> Iterator[EpochRecord]:
        """Train the epochs that are left; see `train`."""
        objective, terms = self.objective, self.objective.terms
        try:
            while self.epoch < objective.plan.epochs:
                start = time.perf_counter()
                objective.model.train()
                sums = [torch.zeros((), device=objective.data.x.device) for _ in terms]
                with fitting_threads(objective.model), numpy_on_one_thread():
                    for batch in objective.epoch():
                        for total, value in zip(sums, self.step(batch), strict=True):
                            total += value
                    validation = objective.validate()
                self.epoch += 1
                means = [float(value) / len(objective.batches) for value in sums]
                check_finite(means, terms, self.epoch)
                yield EpochRecord(
                    epoch=self.epoch,
                    total=sum(term.weight * mean for term, mean in zip(terms, means, strict=True)),
                    terms={type(term).__name__: mean for term, mean in zip(terms, means, strict=True)},
                    validation=validation,
                    lr=self.lr,
                    seconds=time.perf_counter() - start,
                    step="autograd" if self._numpy_step is None else "numpy",
                )
        finally:
            self.weights.release()

    def step(self, batch: Batch) -> list[Float[Tensor, ""]] | list[float]:
        """One step of every stage on a batch; every term before its weight."""
        seen, found = self.objective.seen(batch, self.noise), []
        if self._numpy_step is not None:  # decisions.md 51
            error = self._numpy_step.gradient(batch, seen)
            self.optimisers[0].step()
            return [error]
        for stage, optimiser in zip(self._stages, self.optimisers, strict=True):
            total, values = self.objective.losses(stage, batch, seen, self.noise)
            self.weights.gradient.zero_()
            total.backward()
            optimiser.step()
            found += [value.detach() for value in values]
        return found

    def arrays(self) -> dict[str, np.ndarray]:
        """All that the next epochs depend on, by name; between two epochs."""
        moments = {f"{i}.{name}": x for i, o in enumerate(self.optimisers) for name, x in o.arrays().items()}
        sources = {"order": self.objective.generator.get_state(), "noise": self.noise.get_state()}
        return {name: x.cpu().numpy() for name, x in {"weight": self.weights.weight, **moments, **sources}.items()}

    def restore(self, arrays: Mapping[str, np.ndarray], epoch: int) -> None:
        """Resume a training of the same objective from its `arrays` after this many epochs."""
        self.epoch = epoch
        state = {name: torch.from_numpy(x.copy()) for name, x in arrays.items()}
        self.weights.weight.copy_(state["weight"])
        for i, optimiser in enumerate(self.optimisers):
            optimiser.seek(epoch * len(self.objective.batches))
            for name, x in optimiser.arrays().items():
                x.copy_(state[f"{i}.{name}"])
        self.objective.generator.set_state(state["order"])
        self.noise.set_state(state["noise"])


def stops_early(history: Sequence[EpochRecord], patience: int, min_gain: float = 1e-4) -> bool:
    """Whether the last `patience` epochs brought no relative gain of the validation loss (or the total without one).

    Example:
        >>> records = [EpochRecord(i, 1.0, {}, None, 1e-3, 0.0) for i in range(5)]
        >>> stops_early(records, patience=3), stops_early(records, patience=5)
        (True, False)
    """
    losses = [record.total if record.validation is None else record.validation for record in history]
    if len(losses) <= patience:
        return False
    best = min(losses[:-patience])
    return min(losses[-patience:]) > best - min_gain * abs(best)


def check_finite(means: Sequence[float], terms: Sequence[Loss], epoch: int) -> None:
    """Stop a training that diverges.

    Raises:
        TrainingError: If a term is NaN or infinite; it is named.
    """
    bad = [type(term).__name__ for term, mean in zip(terms, means, strict=True) if not isfinite(mean)]
    if bad:
        raise TrainingError(
            f"loss {', '.join(bad)} became NaN or infinite in epoch {epoch}; lower lr or that loss's weight"
        )
