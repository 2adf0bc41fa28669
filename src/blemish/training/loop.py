"""THE training loop: a generator that yields one `EpochRecord` an epoch."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from blemish.autoencoder.autoencoder import Autoencoder
from blemish.core.errors import TrainingError
from blemish.core.output import Batch, LossTerm
from blemish.core.threads import fitting_threads, numpy_on_one_thread
from blemish.training.numpy_step import chain_of
from blemish.training.optimizer import FlatAdam, FlatWeights
from blemish.training.task import Plan, Task, TrainingData


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch was like.

    Attributes:
        epoch: Counted from 1.
        total: Weighted sum of the terms, mean over the batches.
        terms: Every term before its weight, mean over the batches, by class name.
        validation: Weighted sum of the terms that need no defects on held-out rows; None without such rows.
        lr: Learning rate at the end.
        seconds: Wall time of the epoch.
    """

    epoch: int
    total: float
    terms: dict[str, float]
    validation: float | None
    lr: float
    seconds: float


def train(
    model: Autoencoder, data: TrainingData, terms: Sequence[LossTerm], plan: Plan, generator: torch.Generator
) -> Iterator[EpochRecord]:
    """Train in place; one record an epoch, so the caller draws the progress and stops by leaving the loop.

    Args:
        model: The network, on the device of the data.
        data: Rows and groups.
        terms: The objective; terms that need defects are dropped when none is labelled.
        plan: How to train.
        generator: Source of all randomness, on the CPU.

    Yields:
        An `EpochRecord` an epoch.

    Raises:
        ConfigError: If a term needs a field that no part fills, or has no lower bound.
        DataError: If there is no row to learn from.
        TrainingError: If a term becomes NaN or infinite; it is named.
    """
    yield from run(Task(model, data, terms, plan, generator))


def run(task: Task, under_way: "Run | None" = None) -> Iterator[EpochRecord]:
    """`train` for a task that was put together before.

    Args:
        task: What to train.
        under_way: A run of this task to go on with; None: a new one.
    """
    going = Run(task) if under_way is None else under_way
    n_batches, terms = task.sampler.n_batches, task.terms
    try:
        while going.epoch < task.plan.epochs:
            start = time.perf_counter()
            task.model.train()
            sums = [torch.zeros((), device=task.data.x.device) for _ in terms]
            with fitting_threads(task.model), numpy_on_one_thread():
                for batch in task.batches():
                    for total, value in zip(sums, going.step(batch), strict=True):
                        total += value
                validation = task.validate()
            going.epoch += 1
            means = [float(value) / n_batches for value in sums]
            check_finite(means, terms, going.epoch)
            yield EpochRecord(
                epoch=going.epoch,
                total=sum(term.weight * mean for term, mean in zip(terms, means, strict=True)),
                terms={type(term).__name__: mean for term, mean in zip(terms, means, strict=True)},
                validation=validation,
                lr=going.lr,
                seconds=time.perf_counter() - start,
            )
    finally:
        going.weights.release()


class Run:
    """A training under way: all that changes from step to step.

    Attributes:
        task: What is trained.
        epoch: Epochs done.
        weights: Of the network.
        noise: Source of the input noise and of a stochastic bottleneck's.
    """

    def __init__(self, task: Task) -> None:
        """Lay the weights out, and start every stage's optimiser."""
        self.task, self.epoch = task, 0
        self.weights, self.noise = FlatWeights(task.model), task.noise_generator()
        self._stages, total, clip = task.stages(), task.plan.epochs * task.sampler.n_batches, task.plan.clip_norm
        self.optimisers = [
            FlatAdam(self.weights, [getattr(task.model, part) for part in stage.trains], stage.schedule, total, clip)
            for stage in self._stages
        ]
        self._chain = chain_of(task.model, task.terms, task.data.blocks)

    @property
    def lr(self) -> float:
        """The learning rate."""
        return self.optimisers[0].lr

    def arrays(self) -> dict[str, np.ndarray]:
        """All that the next epochs depend on, by name; between two epochs."""
        moments = {f"{i}.{name}": x for i, o in enumerate(self.optimisers) for name, x in o.arrays().items()}
        sources = {"order": self.task.generator.get_state(), "noise": self.noise.get_state()}
        return {name: x.cpu().numpy() for name, x in {"weight": self.weights.weight, **moments, **sources}.items()}

    def restore(self, arrays: Mapping[str, np.ndarray], epoch: int) -> None:
        """Go on from what `arrays` gave after so many epochs of a run of the same task."""
        self.epoch = epoch
        state = {name: torch.from_numpy(x.copy()) for name, x in arrays.items()}
        self.weights.weight.copy_(state["weight"])
        for i, optimiser in enumerate(self.optimisers):
            optimiser.seek(epoch * self.task.sampler.n_batches)
            for name, x in optimiser.arrays().items():
                x.copy_(state[f"{i}.{name}"])
        self.task.generator.set_state(state["order"])
        self.noise.set_state(state["noise"])

    def step(self, batch: Batch) -> list[Float[Tensor, ""]] | list[float]:
        """One step of every stage on a batch; every term before its weight."""
        seen, found = self.task.seen(batch, self.noise), []
        if self._chain is not None and batch.learnt == len(seen):
            error = self._chain.gradient(batch, seen)
            self.optimisers[0].step()
            return [error]
        for stage, optimiser in zip(self._stages, self.optimisers, strict=True):
            total, values = self.task.losses(stage, batch, seen, self.noise)
            self.weights.gradient.zero_()
            total.backward()
            optimiser.step()
            found += [value.detach() for value in values]
        return found


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


def check_finite(means: Sequence[float], terms: Sequence[LossTerm], epoch: int) -> None:
    """Refuse to go on where a term is no number.

    Raises:
        TrainingError: If a term is NaN or infinite; it is named.
    """
    bad = [type(term).__name__ for term, mean in zip(terms, means, strict=True) if not isfinite(mean)]
    if bad:
        raise TrainingError(
            f"loss {', '.join(bad)} became NaN or infinite in epoch {epoch}; lower lr or that loss's weight"
        )
