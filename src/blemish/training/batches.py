"""What a network is trained on: rows, and the batches that are drawn from them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import ceil

import torch
from jaxtyping import Float, Int
from torch import Tensor

from blemish.core.errors import DataError
from blemish.core.labels import OTHER, is_defect, is_ordinary, is_other
from blemish.core.output import Batch, Blocks
from blemish.training.augmentation import Synthetic
from blemish.training.optimizer import OneCycle, Schedule
from blemish.training.rows import ShardedRows, SparseRows

GATHERED_ROWS = 32_768  # per gather: larger ones are not faster, and would be a second copy of the data

Noise = Callable[[Tensor, torch.Generator, Blocks], Tensor]
Synthesis = Callable[[Tensor, torch.Generator, Blocks], Synthetic]


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
    blocks: Blocks = ()
    held_out: Float[Tensor, "held_out *sample"] | SparseRows | ShardedRows | None = None


@dataclass(frozen=True)
class Plan:
    """How to train; every default of the loop stands here and nowhere else.

    Attributes:
        epochs: Passes over the rows, >= 1.
        batch_size: Rows per batch, not counting repeated labels, >= 1.
        schedule: Learning rate over time and the optimiser's settings.
        labelled_fraction: Labelled defects, and as many labelled others, added to a batch that trains a contrast, as a
            fraction of `batch_size`; they are drawn with replacement where they are few.
        synthetic_fraction: Synthetic outliers added to such a batch, as a fraction of `batch_size`.
        clip_norm: The gradient's norm is cut to this, > 0.
        corruption: Input noise for denoising, or None.
        synthesise: Makes synthetic outliers of a batch's rows for contrasts, or None.
        augmentation: Changes the rows of a batch that trains a contrast a little, or None.
    """

    epochs: int = 50
    batch_size: int = 128
    schedule: Schedule = field(default_factory=OneCycle)
    labelled_fraction: float = 0.25
    synthetic_fraction: float = 1.0
    clip_norm: float = 1.0
    corruption: Noise | None = None
    synthesise: Synthesis | None = None
    augmentation: Noise | None = None


class Batches:
    """The batches of an epoch; labelled rows are drawn anew for each.

    In a batch the unlabelled and normal rows come first, so that the terms that reconstruct take the first rows and
    copy nothing; then labelled defects, labelled others and synthetic outliers, where the terms use them.
    """

    def __init__(self, data: TrainingData, plan: Plan, *, contrasts: bool, outliers: bool) -> None:
        """Sort the rows.

        Args:
            data: Rows and groups.
            plan: How many rows per batch, and of which.
            contrasts: Whether labelled rows join.
            outliers: Whether synthetic outliers join.

        Raises:
            DataError: If there is no row to learn from.
        """
        self.data, self.plan = data, plan
        rows, group = torch.arange(len(data.group)), data.group.cpu()
        self.base = rows[is_ordinary(group)]
        self.defects = rows[is_defect(group)] if contrasts else rows[:0]
        self.others = rows[is_other(group)] if contrasts else rows[:0]
        self.synthesise = plan.synthesise if outliers else None
        if not len(self.base):
            raise DataError("there is no unlabelled or normal row to learn from; label fewer rows or add data")
        self._n_batches = ceil(len(self.base) / plan.batch_size)
        self.n_labelled = min(ceil(plan.labelled_fraction * plan.batch_size), len(self.base))

    def __len__(self) -> int:
        """Batches per epoch."""
        return self._n_batches

    def epoch(self, generator: torch.Generator) -> Iterator[Batch]:
        """All unlabelled and normal rows once, in random order.

        Args:
            generator: Source of all randomness, on the CPU.
        """
        x, group = self.data.x, self.data.group
        if isinstance(x, ShardedRows):
            yield from self._from_disk(x, generator)
            return
        order = self.base[torch.randperm(len(self.base), generator=generator)]
        pieces = [torch.cat([chunk, *self._drawn(generator)]) for chunk in order.tensor_split(len(self))]
        for some in _in_gathers(pieces):
            sizes = [len(piece) for piece in some]
            index = torch.cat(some).to(x.device)
            found = x[index] if isinstance(x, SparseRows) else x.index_select(0, index)  # faster than x[index]
            for rows, groups in zip(found.split(sizes), group.index_select(0, index).split(sizes), strict=True):
                yield self._with_synthetic(rows, groups, generator)

    def _from_disk(self, x: ShardedRows, generator: torch.Generator) -> Iterator[Batch]:
        group, labelled = self.data.group, torch.cat([self.defects, self.others])
        kept = x[labelled]  # few, and needed in every batch
        place_of = {int(row): place for place, row in enumerate(labelled)}
        wanted = torch.zeros(len(x), dtype=torch.bool)
        wanted[self.base] = True
        shortest, longer = divmod(len(self.base), len(self))
        sizes = [shortest + 1] * longer + [shortest] * (len(self) - longer)
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
        if self.synthesise is None:
            return Batch(x, group, self.data.blocks, n_base)
        n_made = min(n_base, ceil(self.plan.synthetic_fraction * self.plan.batch_size))
        made, pace = self.synthesise(x[:n_made], generator, self.data.blocks)
        if pace is not None:  # a labelled clip may be a defect because of its speed: nothing is claimed of it
            as_it_came = torch.where(is_ordinary(group), 1.0, torch.nan)
            pace = torch.cat([as_it_came.to(pace.dtype), pace])
        x = torch.cat([x, made])
        group = torch.cat([group, group.new_full((len(made),), OTHER)])
        return Batch(x, group, self.data.blocks, n_base, pace)


def _in_gathers(pieces: list[Tensor]) -> Iterator[list[Tensor]]:
    """Some batches' rows at a time: fetched together, but not all of an epoch, which would be a second copy."""
    at_once = max(1, GATHERED_ROWS // max(1, len(pieces[0])))
    for start in range(0, len(pieces), at_once):
        yield pieces[start : start + at_once]
