"""What is trained, whichever loop does it: rows, plan, objective and batches."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, inf

import torch
from jaxtyping import Float, Int
from torch import Tensor

from blemish.autoencoder.autoencoder import Autoencoder
from blemish.core.errors import ConfigError, DataError
from blemish.core.labels import OTHER
from blemish.core.output import Batch, Block, LossTerm, Output, OwnStep, SelfMade
from blemish.losses.functional import is_defect, is_learnt, is_other
from blemish.training.schedules import OneCycle, Schedule
from blemish.training.shards import ShardedRows
from blemish.training.sparse import SparseRows

VALIDATION_ROWS = 1024  # at a time
GATHERED_ROWS = 32_768  # at a time

Noise = Callable[[Tensor, torch.Generator, tuple[Block, ...]], Tensor]
Synthesis = Callable[[Tensor, torch.Generator, tuple[Block, ...]], SelfMade]


@dataclass(frozen=True)
class TrainingData:
    """Rows to train on.

    Attributes:
        x: Shape (row, *sample), dense, sparse or on disk; batches are dense.
        group: Shape (row,), codes of `blemish.core.labels`.
        blocks: The columns of a table.
        held_out: Samples for the validation loss, (row, *sample), all unlabelled or normal; may be None.
    """

    x: Float[Tensor, "row *sample"] | SparseRows | ShardedRows
    group: Int[Tensor, " row"]
    blocks: tuple[Block, ...] = ()
    held_out: Float[Tensor, "held_out *sample"] | SparseRows | ShardedRows | None = None


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
    schedule: Schedule = field(default_factory=OneCycle)
    labelled_share: float = 0.25
    synthetic_share: float = 1.0
    clip_norm: float = 1.0
    corruption: Noise | None = None
    synthesise: Synthesis | None = None
    view: Noise | None = None


@dataclass(frozen=True)
class Stage:
    """One step on a batch: what it minimises and what it moves.

    Attributes:
        terms: Whose weighted sum is minimised.
        trains: The parts of the network that are moved.
        schedule: Learning rate over time and the optimiser's settings.
    """

    terms: Sequence[LossTerm]
    trains: Sequence[str]
    schedule: Schedule

    @property
    def decodes(self) -> bool:
        """Whether the terms look at reconstructions."""
        return "decoder" in self.trains


class Task:
    """What every loop needs, ours or another's: the terms that apply, the batches, the steps on each, and the losses.

    Attributes:
        model: The network.
        data: Rows and groups.
        terms: The objective without the terms that need defects where none is labelled; those with a step of their own
            come last.
        plan: How to train.
        sampler: Puts the batches together.
        generator: Source of all randomness, on the CPU.
    """

    def __init__(
        self,
        model: Autoencoder,
        data: TrainingData,
        terms: Sequence[LossTerm],
        plan: Plan,
        generator: torch.Generator,
    ) -> None:
        """Check the objective; `train` says what is refused, and what the arguments are."""
        n_defects = int(is_defect(data.group).sum())
        self.model, self.data, self.plan, self.generator = model, data, plan, generator
        applicable = [
            term for term in terms if not term.needs_defects or n_defects >= getattr(term, "least_defects", 1)
        ]
        self.terms = sorted(applicable, key=lambda term: isinstance(term, OwnStep))
        check_terms(self.terms, model, data)
        views, outliers = (
            any(getattr(term, wish) for term in self.terms) for wish in ("wants_views", "wants_outliers")
        )
        contrasts = any(term.needs_defects for term in self.terms)
        self.sampler = Sampler(data, plan, contrasts=contrasts, outliers=outliers)
        self._noise = plan.corruption or (plan.view if views else None)
        self._noise_seed = int(torch.randint(2**62, (), generator=generator))

    def batches(self) -> Iterator[Batch]:
        """All rows once, in random order, with the labelled rows and self-made outliers that the terms want."""
        return self.sampler.epoch(self.generator)

    def noise_generator(self, device: torch.device | None = None) -> torch.Generator:
        """Source of the input noise and of a stochastic bottleneck's; None: where the rows are."""
        return torch.Generator(device or self.data.x.device).manual_seed(self._noise_seed)

    def stages(self) -> list[Stage]:
        """The sum of terms that moves the whole network, then a stage for each term with a step of its own."""
        summed = [term for term in self.terms if not isinstance(term, OwnStep)]
        schedule = self.plan.schedule
        alone = [
            Stage([term], term.trains, replace(schedule, lr=term.lr_factor * schedule.lr))
            for term in self.terms
            if isinstance(term, OwnStep)
        ]
        return [Stage(summed, ("encoder", "decoder", "bottleneck"), schedule), *alone]

    def seen(self, batch: Batch, generator: torch.Generator) -> Float[Tensor, "batch *sample"]:
        """The rows as the network sees them: with noise, or through a view."""
        return batch.x if self._noise is None else self._noise(batch.x, generator, batch.blocks)

    def losses(
        self, stage: Stage, batch: Batch, seen: Float[Tensor, "batch *sample"], generator: torch.Generator
    ) -> tuple[Float[Tensor, ""], list[Float[Tensor, ""]]]:
        """The weighted sum of a stage's terms, and every term before its weight."""
        n = int(is_learnt(batch.group).sum()) if batch.learnt is None else batch.learnt  # these rows come first
        out: Output = self.model(seen, generator, n if stage.decodes else 0)
        learnt = batch.first(n), out.first(n)
        values = [term(batch, out) if term.needs_defects else term(*learnt) for term in stage.terms]
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


class Sampler:
    """Batches as views of large gathers; labelled rows are drawn anew for every batch."""

    def __init__(self, data: TrainingData, plan: Plan, *, contrasts: bool, outliers: bool) -> None:
        self.data, self.plan = data, plan
        labelled = is_defect(data.group) | is_other(data.group)
        rows = torch.arange(len(data.group))
        self.base = rows[~labelled.cpu()]
        self.defects = rows[is_defect(data.group).cpu()] if contrasts else rows[:0]
        self.others = rows[is_other(data.group).cpu()] if contrasts else rows[:0]
        self.synthesise = plan.synthesise if outliers else None
        if not len(self.base):
            raise DataError("there is no unlabelled or normal row to learn from; label fewer rows or add data")
        self.n_batches = ceil(len(self.base) / plan.batch_size)
        self.n_labelled = min(ceil(plan.labelled_share * plan.batch_size), len(self.base))

    def epoch(self, generator: torch.Generator) -> Iterator[Batch]:
        """All rows once, in random order."""
        x, group = self.data.x, self.data.group
        if isinstance(x, ShardedRows):
            yield from self._from_disk(x, generator)
            return
        order = self.base[torch.randperm(len(self.base), generator=generator)]
        pieces = [torch.cat([chunk, *self._drawn(generator)]) for chunk in order.tensor_split(self.n_batches)]
        for some in _in_gathers(pieces):
            sizes = [len(piece) for piece in some]
            index = torch.cat(some).to(x.device)
            found = x[index] if isinstance(x, SparseRows) else x.index_select(0, index)  # faster than x[index]
            for rows, groups in zip(found.split(sizes), group.index_select(0, index).split(sizes), strict=True):
                yield self._with_synthetic(rows, groups, generator)

    def _from_disk(self, x: ShardedRows, generator: torch.Generator) -> Iterator[Batch]:
        group, labelled = self.data.group, torch.cat([self.defects, self.others])
        kept = x[labelled]  # few, and wanted in every batch
        place_of = {int(row): place for place, row in enumerate(labelled)}
        wanted = torch.zeros(len(x), dtype=torch.bool)
        wanted[self.base] = True
        shortest, longer = divmod(len(self.base), self.n_batches)
        sizes = [shortest + 1] * longer + [shortest] * (self.n_batches - longer)
        for rows, numbers in x.shuffled(wanted.numpy(), sizes, generator):
            drawn = torch.cat([*self._drawn(generator), labelled[:0]])
            places = torch.tensor([place_of[int(row)] for row in drawn], dtype=torch.long, device=rows.device)
            groups = group[torch.cat([numbers, drawn]).to(group.device)]
            yield self._with_synthetic(torch.cat([rows, kept[places]]), groups, generator)

    def _drawn(self, generator: torch.Generator) -> list[Tensor]:
        return [self._draw(rows, generator) for rows in (self.defects, self.others) if len(rows)]

    def _draw(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Every labelled row once where they fit, random ones (with replacement) where not or to fill up."""
        n = self.n_labelled
        if len(rows) >= n:
            return rows[torch.randperm(len(rows), generator=generator)[:n]]
        extra = torch.randint(len(rows), (n - len(rows),), generator=generator)
        return torch.cat([rows, rows[extra]])

    def _with_synthetic(self, x: Tensor, group: Tensor, generator: torch.Generator) -> Batch:
        n_base = len(group) - sum(self.n_labelled for rows in (self.defects, self.others) if len(rows))
        if self.synthesise is not None:
            n_made = min(n_base, ceil(self.plan.synthetic_share * self.plan.batch_size))
            made, pace = self.synthesise(x[:n_made], generator, self.data.blocks)
            if pace is not None:
                as_it_came = torch.where(is_learnt(group), 1.0, torch.nan)
                pace = torch.cat([as_it_came.to(pace.dtype), pace])
            x = torch.cat([x, made])
            group = torch.cat([group, group.new_full((len(made),), OTHER)])
            return Batch(x, group, self.data.blocks, n_base, pace)
        return Batch(x, group, self.data.blocks, n_base)


def _in_gathers(pieces: list[Tensor]) -> Iterator[list[Tensor]]:
    """Some batches' rows at a time: fetched together, but not all of an epoch, which would be a second copy."""
    at_once = max(1, GATHERED_ROWS // max(1, len(pieces[0])))
    for start in range(0, len(pieces), at_once):
        yield pieces[start : start + at_once]
