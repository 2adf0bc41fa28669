"""What a training minimises: the loss terms that apply to the data, and the steps that each batch takes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf

import torch
from jaxtyping import Float
from torch import Tensor

from blemish.autoencoder.autoencoder import Autoencoder
from blemish.core.errors import ConfigError
from blemish.core.labels import is_defect, is_ordinary
from blemish.core.output import Batch, Output
from blemish.losses.loss import Loss, SeparateStep
from blemish.training.batches import Batches, Plan, TrainingData
from blemish.training.schedules import Schedule

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
        model: The network.
        data: Rows and groups.
        terms: Those given, without the ones that need more labelled defects than there are; those with a step of their
            own come last.
        plan: How to train.
        batches: Draws the batches.
        generator: Source of all randomness, on the CPU.
    """

    def __init__(
        self,
        model: Autoencoder,
        data: TrainingData,
        terms: Sequence[Loss],
        plan: Plan,
        generator: torch.Generator,
    ) -> None:
        """Check the terms; `train` says what is refused, and what the arguments are."""
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
        schedule = self.plan.schedule
        alone = [
            Stage([term], term.trains, replace(schedule, lr=term.lr_factor * schedule.lr))
            for term in self.terms
            if isinstance(term, SeparateStep)
        ]
        return [Stage(summed, ("encoder", "decoder", "bottleneck"), schedule), *alone]

    def seen(self, batch: Batch, generator: torch.Generator) -> Float[Tensor, "batch *sample"]:
        """The rows as the network sees them: with noise, or augmented."""
        return batch.x if self._noise is None else self._noise(batch.x, generator, batch.blocks)

    def losses(
        self, stage: Stage, batch: Batch, seen: Float[Tensor, "batch *sample"], generator: torch.Generator
    ) -> tuple[Float[Tensor, ""], list[Float[Tensor, ""]]]:
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
