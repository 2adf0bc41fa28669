"""THE training loop: a generator that yields one `EpochRecord` an epoch."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, inf, isfinite

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

from blemish.autoencoder import Autoencoder
from blemish.errors import ConfigError, DataError, TrainingError
from blemish.functional import is_defect, is_learnt, is_other
from blemish.labels import OTHER
from blemish.output import Batch, Block, LossTerm, Output, OwnStep
from blemish.schedules import Constant, CosineWarmRestarts, OneCycle
from blemish.sparse import SparseRows
from blemish.threads import fitting_threads

VALIDATION_ROWS = 1024  # at a time

Noise = Callable[[Tensor, torch.Generator, tuple[Block, ...]], Tensor]


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


@dataclass(frozen=True)
class TrainingData:
    """Rows in memory.

    Attributes:
        x: Shape (row, *sample), dense or sparse; batches are dense.
        group: Shape (row,), codes of `blemish.labels`.
        blocks: The columns of a table.
        held_out: Samples for the validation loss, (row, *sample), all unlabelled or normal; may be None.
    """

    x: Float[Tensor, "row *sample"] | SparseRows
    group: Int[Tensor, " row"]
    blocks: tuple[Block, ...] = ()
    held_out: Float[Tensor, "held_out *sample"] | SparseRows | None = None


@dataclass(frozen=True)
class Plan:
    """How to train; every default of the loop stands here and nowhere else.

    Attributes:
        epochs: Passes over the rows, >= 1.
        batch_size: Rows of a batch that are not repeated labels, >= 1.
        schedule: Learning rate over time and the optimiser's settings.
        labelled_share: Labelled defects, and as many labelled others, added to a batch that trains a contrast, as a
            share of `batch_size`; they are drawn with replacement where they are few.
        synthetic_share: Self-made outliers added to such a batch, as a share of `batch_size`.
        clip_norm: The gradient's norm is cut to this, > 0.
        corruption: Input noise for denoising, or None.
        synthesise: Makes self-made outliers of a batch's rows for contrasts, or None.
        view: Shows the rows of a batch that trains a contrast a little differently, or None.
    """

    epochs: int = 50
    batch_size: int = 128
    schedule: Constant | OneCycle | CosineWarmRestarts = field(default_factory=OneCycle)
    labelled_share: float = 0.25
    synthetic_share: float = 1.0
    clip_norm: float = 1.0
    corruption: Noise | None = None
    synthesise: Noise | None = None
    view: Noise | None = None


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
    has_defects = bool(is_defect(data.group).any())
    terms = [term for term in terms if has_defects or not term.needs_defects]
    terms = sorted(terms, key=lambda term: isinstance(term, OwnStep))
    check_terms(terms, model, data)
    contrasts, views = any(term.needs_defects for term in terms), any(term.wants_views for term in terms)
    sampler = _Sampler(data, plan, contrasts=contrasts, views=views)
    noise = plan.corruption or (plan.view if views else None)
    stages = _stages(model, terms, plan, plan.epochs * sampler.n_batches)
    device_generator = torch.Generator(data.x.device).manual_seed(int(torch.randint(2**62, (), generator=generator)))

    for epoch in range(1, plan.epochs + 1):
        start = time.perf_counter()
        model.train()
        sums = torch.zeros(len(terms), device=data.x.device)
        with fitting_threads(model):
            for batch in sampler.epoch(generator):
                seen = batch.x if noise is None else noise(batch.x, device_generator, batch.blocks)
                values = [_step(model, batch, seen, stage, plan.clip_norm, device_generator) for stage in stages]
                sums += torch.cat(values)
            validation = _validate(model, data, terms)
        means = [value / sampler.n_batches for value in sums.tolist()]
        _check_finite(means, terms, epoch)
        yield EpochRecord(
            epoch=epoch,
            total=sum(term.weight * mean for term, mean in zip(terms, means, strict=True)),
            terms={type(term).__name__: mean for term, mean in zip(terms, means, strict=True)},
            validation=validation,
            lr=float(stages[0].optimiser.param_groups[0]["lr"]),
            seconds=time.perf_counter() - start,
        )


def check_terms(terms: Sequence[LossTerm], model: Autoencoder, data: TrainingData) -> None:
    """Refuse an objective that cannot work, before any time is spent on it.

    Raises:
        ConfigError: If there is no term, a term's field is not filled, or a term has no lower bound.
        DataError: If there is no row.
    """
    if not len(data.x):
        raise DataError("there is no unlabelled or normal row to learn from; label fewer rows or add data")
    if all(isinstance(term, OwnStep) for term in terms):
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


class _Sampler:
    """Batches as views of one gather an epoch; labelled rows are drawn anew for every batch."""

    def __init__(self, data: TrainingData, plan: Plan, *, contrasts: bool, views: bool) -> None:
        self.data, self.plan = data, plan
        labelled = is_defect(data.group) | is_other(data.group)
        rows = torch.arange(len(data.group))
        self.base = rows[~labelled.cpu()]
        self.defects = rows[is_defect(data.group).cpu()] if contrasts else rows[:0]
        self.others = rows[is_other(data.group).cpu()] if contrasts else rows[:0]
        self.synthesise = plan.synthesise if views else None
        if not len(self.base):
            raise DataError("there is no unlabelled or normal row to learn from; label fewer rows or add data")
        self.n_batches = ceil(len(self.base) / plan.batch_size)
        self.n_labelled = min(ceil(plan.labelled_share * plan.batch_size), len(self.base))

    def epoch(self, generator: torch.Generator) -> Iterator[Batch]:
        """All rows once, in random order."""
        x, group = self.data.x, self.data.group
        order = self.base[torch.randperm(len(self.base), generator=generator)]
        pieces = []
        for chunk in order.tensor_split(self.n_batches):
            drawn = [self._draw(rows, generator) for rows in (self.defects, self.others) if len(rows)]
            pieces.append(torch.cat([chunk, *drawn]))
        sizes = [len(piece) for piece in pieces]
        index = torch.cat(pieces).to(x.device)
        for rows, groups in zip(x[index].split(sizes), group[index].split(sizes), strict=True):
            yield self._with_synthetic(rows, groups, generator)

    def _draw(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Every labelled row once where they fit, random ones (with replacement) where not or to fill up."""
        n = self.n_labelled
        if len(rows) >= n:
            return rows[torch.randperm(len(rows), generator=generator)[:n]]
        extra = torch.randint(len(rows), (n - len(rows),), generator=generator)
        return torch.cat([rows, rows[extra]])

    def _with_synthetic(self, x: Tensor, group: Tensor, generator: torch.Generator) -> Batch:
        if self.synthesise is not None:
            n_base = len(group) - sum(self.n_labelled for rows in (self.defects, self.others) if len(rows))
            n_made = min(n_base, ceil(self.plan.synthetic_share * self.plan.batch_size))
            made = self.synthesise(x[:n_made], generator, self.data.blocks)
            x = torch.cat([x, made])
            group = torch.cat([group, group.new_full((len(made),), OTHER)])
        return Batch(x, group, self.data.blocks)


@dataclass(frozen=True)
class _Stage:
    """One step on a batch: what it minimises and what it moves."""

    terms: Sequence[LossTerm]
    optimiser: torch.optim.Optimizer
    scheduler: LRScheduler
    decodes: bool


def _stages(model: Autoencoder, terms: Sequence[LossTerm], plan: Plan, total_steps: int) -> list[_Stage]:
    """The sum of terms that moves the whole network, then one stage for each term with a step of its own."""

    def stage(terms: Sequence[LossTerm], trains: Sequence[str], lr_factor: float) -> _Stage:
        schedule = replace(plan.schedule, lr=lr_factor * plan.schedule.lr)
        moved = [parameter for part in trains for parameter in getattr(model, part).parameters()]
        optimiser = torch.optim.AdamW(
            moved, lr=schedule.lr, weight_decay=schedule.weight_decay, eps=schedule.eps, fused=True
        )
        return _Stage(terms, optimiser, schedule.build(optimiser, total_steps), "decoder" in trains)

    summed = [term for term in terms if not isinstance(term, OwnStep)]
    alone = [stage([term], term.trains, term.lr_factor) for term in terms if isinstance(term, OwnStep)]
    return [stage(summed, ("encoder", "decoder", "bottleneck"), 1.0), *alone]


def _step(
    model: Autoencoder, batch: Batch, seen: Tensor, stage: _Stage, clip_norm: float, generator: torch.Generator
) -> Tensor:
    n = int(is_learnt(batch.group).sum())  # these rows come first
    out: Output = model(seen, generator, n if stage.decodes else 0)
    learnt = batch.first(n), out.first(n)
    values = torch.stack([term(batch, out) if term.needs_defects else term(*learnt) for term in stage.terms])
    weights = values.new_tensor([term.weight for term in stage.terms])
    model.zero_grad(set_to_none=True)
    (weights * values).sum().backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    stage.optimiser.step()
    stage.scheduler.step()
    return values.detach()


def _check_finite(means: list[float], terms: Sequence[LossTerm], epoch: int) -> None:
    bad = [type(term).__name__ for term, mean in zip(terms, means, strict=True) if not isfinite(mean)]
    if bad:
        raise TrainingError(
            f"loss {', '.join(bad)} became NaN or infinite in epoch {epoch}; lower lr or that loss's weight"
        )


@torch.no_grad()
def _validate(model: Autoencoder, data: TrainingData, terms: Sequence[LossTerm]) -> float | None:
    if data.held_out is None:
        return None
    model.eval()
    total = 0.0
    for x in data.held_out.split(VALIDATION_ROWS):
        batch, out = Batch(x, data.group.new_zeros(len(x)), data.blocks), model(x)
        total += len(x) * sum(term.weight * float(term(batch, out)) for term in terms if not term.needs_defects)
    return total / len(data.held_out)
