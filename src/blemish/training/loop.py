"""THE training: what it minimises, and the loop, a generator that yields one `EpochRecord` per epoch."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite
from typing import Any, Literal

import numpy as np
import torch

from blemish.autoencoder.autoencoder import Autoencoder
from blemish.core.errors import ConfigError, TrainingError
from blemish.core.labels import is_defect, is_ordinary
from blemish.core.output import Batch, Output, Samples, Scalar
from blemish.core.threads import fitting_threads, numpy_on_one_thread
from blemish.losses.loss import Loss, SeparateStep
from blemish.training.batches import Batches, Plan, TrainingData
from blemish.training.numpy_step import numpy_step
from blemish.training.optimizer import FlatAdam, FlatWeights, Schedule

VALIDATION_ROWS = 1024  # per pass: fits the cache


@dataclass(frozen=True)
class Stage:
    """One step on a batch: what it minimises and what it moves.

    Attributes:
        terms: Whose weighted sum is minimised.
        trains: The parts of the network that are moved.
        schedule: Learning rate over time and the optimiser's settings.
    """

    terms: Sequence[Loss]
    trains: Sequence[str]
    schedule: Schedule

    @property
    def decodes(self) -> bool:
        """Whether the terms look at reconstructions."""
        return "decoder" in self.trains


class Objective:
    """What every loop needs, ours or another's: the terms that apply, the batches, the steps on each, and the losses.

    Attributes:
        terms: Those that apply; the ones with a step of their own come last.
        batches: Draws the batches.
    """

    def __init__(
        self, model: Autoencoder, data: TrainingData, terms: Sequence[Loss], plan: Plan, generator: torch.Generator
    ) -> None:
        """Check the terms.

        Args:
            model: On the device of the data; it is trained in place.
            data: Rows and groups.
            terms: Those that need more labelled defects than there are, are left out.
            plan: How to train.
            generator: Source of all randomness, on the CPU.

        Raises:
            ConfigError: If a term needs a field that no part fills, or has no lower bound.
            DataError: If there is no row to learn from.
        """
        n_defects = int(is_defect(data.group).sum())
        self.model, self.data, self.plan, self.generator = model, data, plan, generator
        applicable = [term for term in terms if n_defects >= term.min_defects]
        self.terms = sorted(applicable, key=lambda term: isinstance(term, SeparateStep))
        check_terms(self.terms, model)
        contrasts, augmented, outliers = (
            any(getattr(term, wish) for term in self.terms)
            for wish in ("needs_defects", "wants_augmentation", "wants_outliers")
        )
        self.batches = Batches(data, plan, contrasts=contrasts, outliers=outliers)
        self._noise = plan.corruption or (plan.augmentation if augmented else None)
        self._noise_seed = int(torch.randint(2**62, (), generator=generator))

    def epoch(self) -> Iterator[Batch]:
        """All rows once, in random order, with the labelled rows and synthetic outliers that the terms use."""
        return self.batches.epoch(self.generator)

    def noise_generator(self, device: torch.device | None = None) -> torch.Generator:
        """Source of the input noise and of a stochastic bottleneck's; None: where the rows are."""
        return torch.Generator(device or self.data.x.device).manual_seed(self._noise_seed)

    def stages(self) -> list[Stage]:
        """The sum of terms that moves the whole network, then a stage for each term with a step of its own."""
        summed = [term for term in self.terms if not isinstance(term, SeparateStep)]
        schedule: Any = self.plan.schedule  # a dataclass, which its abstract base is not
        alone = [
            Stage([term], term.trains, replace(schedule, lr=term.lr_factor * schedule.lr))
            for term in self.terms
            if isinstance(term, SeparateStep)
        ]
        return [Stage(summed, ("encoder", "decoder", "bottleneck"), schedule), *alone]

    def seen(self, batch: Batch, generator: torch.Generator) -> Samples:
        """The rows as the network sees them: with noise, or augmented."""
        return batch.x if self._noise is None else self._noise(batch.x, generator, batch.blocks)

    def losses(
        self, stage: Stage, batch: Batch, seen: Samples, generator: torch.Generator
    ) -> tuple[Scalar, list[Scalar]]:
        """The weighted sum of a stage's terms, and every term before its weight."""
        n = int(is_ordinary(batch.group).sum()) if batch.n_ordinary is None else batch.n_ordinary  # these come first
        out: Output = self.model(seen, generator, n if stage.decodes else 0)
        ordinary = batch.first(n), out.first(n)
        values = [term(batch, out) if term.needs_defects else term(*ordinary) for term in stage.terms]
        weighted = [v if t.weight == 1 else t.weight * v for t, v in zip(stage.terms, values, strict=True)]
        return (weighted[0] if len(weighted) == 1 else torch.stack(weighted).sum()), values

    @torch.no_grad()
    def validate(self) -> float | None:
        """Weighted sum of the terms that need no defects on the held-out rows; None without such rows."""
        model, data, total = self.model, self.data, 0.0
        if data.held_out is None:
            return None
        terms = [term for term in self.terms if not term.needs_defects]
        model.eval()
        for x in data.held_out.split(VALIDATION_ROWS):
            batch, out = Batch(x, data.group.new_zeros(len(x)), data.blocks), model(x)
            total += len(x) * sum(term.weight * float(term(batch, out)) for term in terms)
        return total / len(data.held_out)


def check_terms(terms: Sequence[Loss], model: Autoencoder) -> None:
    """Refuse an objective that cannot work, before any time is spent on it.

    Raises:
        ConfigError: If there is no term, a term's field is not filled, or a term has no lower bound.
    """
    if all(isinstance(term, SeparateStep) for term in terms):
        raise ConfigError("there is no loss term to train; add one that reconstructs, for example 'mse'")
    filled = {"x_hat", "h", "z", *model.fills}
    for term in terms:
        name = type(term).__name__
        absent = [need for need in term.needs if need not in filled]
        if absent:
            raise ConfigError(
                f"loss {name} needs {absent[0]!r}, which bottleneck {type(model.bottleneck).__name__} does not fill; "
                f"it fills {', '.join(sorted(filled))}"
            )
        if term.lower_bound == -inf:
            raise ConfigError(f"loss {name} has no lower bound and would diverge; give it a cap, for example cap=10")


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

    Args and errors are those of `Objective`.

    Raises:
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

    def step(self, batch: Batch) -> list[Scalar] | list[float]:
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
