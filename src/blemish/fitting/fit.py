"""From a detector's arguments to a trained model."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int

from blemish.core.labels import is_ordinary
from blemish.core.parts import Part
from blemish.data.rows import Rows
from blemish.fitting.choices import batch_size_for, choose_modality, choose_parts, epochs_for, whole_number
from blemish.fitting.model import Model, build, device_for
from blemish.modalities.modality import FittedModality
from blemish.training import AUGMENTATIONS, SYNTHETIC
from blemish.training.loop import EpochRecord, Run, run, stops_early
from blemish.training.shards import ShardedRows
from blemish.training.sparse import TensorRows
from blemish.training.task import Plan, Task, TrainingData

REFIT_SHARE = 0.25  # of the epochs of a first fit
VALIDATION_SHARE = 0.1  # of the rows to learn from, with early stopping


def build_model(arguments: Mapping[str, Any], rows: Rows, seed: int) -> Model:
    """Choose the parts, learn the scaling, and build the network from the seed.

    Args:
        arguments: `DefectDetector`'s, by name.
        rows: The training data.
        seed: For the weights; PyTorch's global generator is as before afterwards.

    Raises:
        ConfigError: If parts are unknown or do not fit.
        DataError: If the data cannot be used.
    """
    part = choose_modality(arguments["modality"], rows.modality)
    return assemble(arguments, part, part.make().fit(rows.X), seed)


def assemble(arguments: Mapping[str, Any], part: Part, modality: FittedModality, seed: int) -> Model:
    """`build_model` from where the scaling is learnt.

    Args:
        arguments: `DefectDetector`'s, by name.
        part: The kind of data.
        modality: What was learnt of it.
        seed: For the weights.

    Raises:
        ConfigError: If parts are unknown or do not fit.
    """
    choices, spec = choose_parts(arguments, part), part.make()
    latent_dim = arguments["latent_dim"]
    latent_dim = (
        spec.latent_dim(modality.sample_shape) if latent_dim == "auto" else whole_number("latent_dim", latent_dim)
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build(choices, modality, latent_dim, device_for(arguments["device"]))


@dataclass(frozen=True)
class Job:
    """A fit that has begun: all that is known before the first step, and all that it takes to end the fit.

    Attributes:
        task: What a loop trains; our own is `blemish.training.loop.run`.
        patience: Epochs without gain before the end, or None.
        model: The network in the task, with the modality that feeds it.
        x: All samples, shape (row, *sample).
        group: Their groups.
        names: A name for each row.
        held_out: Rows for calibration, not in the task.
        rng: Source of all randomness.
        start: When it began, in seconds of `time.perf_counter`.
        seed: Of `rng` and the weights.
        columns: A frame's names, or None.
    """

    task: Task
    patience: int | None
    model: Model
    x: TensorRows
    group: Int[np.ndarray, " row"]
    names: list[Any]
    held_out: Int[np.ndarray, " held_out"]
    rng: np.random.Generator
    start: float
    seed: int
    columns: list[Any] | None


def plan_task(
    model: Model,
    x: TensorRows | ShardedRows,
    group: Int[np.ndarray, " row"],
    held_out: Int[np.ndarray, " held_out"],
    arguments: Mapping[str, Any],
    rng: np.random.Generator,
    *,
    warm_start: bool,
) -> tuple[Task, int | None]:
    """What to train on the rows that are not held out, and the patience of early stopping.

    Args:
        model: What `build_model` made, or a trained model for a warm start.
        x: All samples, shape (row, *sample).
        group: Their groups.
        held_out: Rows for calibration.
        arguments: `DefectDetector`'s, by name.
        rng: Source of all randomness.
        warm_start: Train for a quarter of the epochs only.
    """
    modality = model.choices.modality
    batch_size = batch_size_for(arguments["batch_size"], modality.factory.batch_size)
    epochs, patience = epochs_for(arguments["epochs"], len(x), batch_size)
    rows = _without(np.arange(len(x)), held_out, len(x))
    apart = rows[:0]
    if patience is not None:
        learnt = rng.permutation(rows[is_ordinary(group[rows])])
        apart = learnt[: int(VALIDATION_SHARE * len(learnt))]
        rows = _without(rows, apart, len(x))
    corruption = model.choices.corruption
    plan = Plan(
        epochs=max(1, round(epochs * REFIT_SHARE)) if warm_start else epochs,
        batch_size=batch_size,
        schedule=model.choices.schedule.make(),
        corruption=None if corruption is None else corruption.make(),
        synthesise=SYNTHETIC[modality.factory.synthetic],
        view=AUGMENTATIONS[modality.factory.augmentation],
    )
    data = TrainingData(
        x=_some(x, rows),
        group=torch.from_numpy(group[rows]).to(x.device),
        blocks=model.modality.blocks,
        held_out=_some(x, np.sort(apart)) if len(apart) else None,
    )
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    return Task(model.network, data, model.losses, plan, generator), patience


def _without(rows: Int[np.ndarray, " row"], taken: Int[np.ndarray, " taken"], n: int) -> Int[np.ndarray, " left"]:
    kept = np.zeros(n, dtype=bool)
    kept[rows] = True
    kept[taken] = False
    return np.flatnonzero(kept)


def _some(x: TensorRows | ShardedRows, rows: Int[np.ndarray, " some"]) -> TensorRows | ShardedRows:
    return x.only(rows) if isinstance(x, ShardedRows) else x[torch.from_numpy(rows)]


def run_job(job: Job, under_way: Run | None = None, history: Sequence[EpochRecord] = ()) -> Iterator[EpochRecord]:
    """Train in place with our own loop, until early stopping ends it where it was asked for.

    Args:
        job: A fit that has begun.
        under_way: A run of its task to go on with; None: a new one.
        history: The epochs that it has behind it.

    Yields:
        An `EpochRecord` an epoch.
    """
    seen = list(history)
    if job.patience is not None and stops_early(seen, job.patience):
        return
    for record in run(job.task, under_way):
        seen.append(record)
        yield record
        if job.patience is not None and stops_early(seen, job.patience):
            break
