"""One fit: begin, train, end."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch
from jaxtyping import Int

from blemish.calibration.calibration import hold_out, still_held_out
from blemish.core.labels import counts, is_ordinary
from blemish.core.version import __version__
from blemish.data.columns import frame_columns, is_frame
from blemish.data.dataset import Dataset
from blemish.fitting.choices import batch_size_for, choose_modality, epochs_for, plain
from blemish.fitting.fitted import Fitted, learn_groups
from blemish.fitting.model import Model, new_model
from blemish.training import AUGMENTATIONS, SYNTHETIC
from blemish.training.batches import Plan, TrainingData
from blemish.training.loop import EpochRecord, Training, stops_early
from blemish.training.objective import Objective
from blemish.training.shards import ShardedRows
from blemish.training.sparse import TensorRows

REFIT_FRACTION = 0.25  # of the epochs of a first fit: the weights are near their goal, the labels are what is new
VALIDATION_FRACTION = 0.1  # of the rows to learn from, with early stopping


@dataclass(frozen=True)
class Fit:
    """A fit that has begun: all that is known before the first step, and all that it takes to end it.

    Nothing of a detector changes before it has ended, so a fit that is left early leaves the former one in place.

    Attributes:
        model: The network, trained in place, with the modality that feeds it.
        objective: What a loop minimises; our own is `train`.
        patience: Epochs without gain before the training stops, or None.
        x: Samples that the scorer learns from and is calibrated on, shape (row, *sample).
        group: Their groups.
        names: A name for each.
        held_out: Those of them that calibrate, not trained on.
        rng: Source of all randomness.
        seed: Of `rng` and the weights.
        columns: A frame's names, or None.
        start: When it began, in seconds of `time.perf_counter`.
    """

    model: Model
    objective: Objective
    patience: int | None
    x: TensorRows | ShardedRows
    group: Int[np.ndarray, " row"]
    names: Sequence[Any]
    held_out: Int[np.ndarray, " held_out"]
    rng: np.random.Generator
    seed: int
    columns: list[Any] | None = None
    start: float = field(default_factory=time.perf_counter)

    @classmethod
    def begin(
        cls,
        arguments: Mapping[str, Any],
        rows: Dataset,
        group: Int[np.ndarray, " row"],
        seed: int,
        former: Fitted | None = None,
    ) -> "Fit":
        """Choose the parts, learn the scaling, build the network, and hold some rows out.

        Args:
            arguments: `DefectDetector`'s, by name.
            rows: The training data.
            group: Their groups.
            seed: Of the weights and of all that is drawn; PyTorch's global generator is as before afterwards.
            former: A fit whose parts, scaling and weights are kept, for a quarter of the epochs; None: a new model.

        Raises:
            ConfigError: If parts are unknown or do not fit.
            DataError: If the data cannot be used.
        """
        rng = np.random.default_rng(seed)
        if former is None:
            part = choose_modality(arguments["modality"], rows.modality)
            model = new_model(arguments, part, part.make().fit(rows.X), seed)
        else:
            model = former.model.copy()
        x = model.to_tensor(rows.X)
        held_out = hold_out(group, rng) if former is None else still_held_out(former.held_out, group)
        fit = cls.of(arguments, model, x, group, held_out, rng, seed, warm_start=former is not None)
        columns = frame_columns(rows.X) if is_frame(rows.X) else None
        return replace(fit, names=[plain(name) for name in rows.keys], columns=columns)

    @classmethod
    def of(
        cls,
        arguments: Mapping[str, Any],
        model: Model,
        x: TensorRows | ShardedRows,
        group: Int[np.ndarray, " row"],
        held_out: Int[np.ndarray, " held_out"],
        rng: np.random.Generator,
        seed: int,
        *,
        warm_start: bool = False,
    ) -> "Fit":
        """`begin` from where there are a model and tensors; the rows are named by their numbers.

        Args:
            arguments: `DefectDetector`'s, by name.
            model: A new one, or a trained one for a warm start.
            x: All samples, shape (row, *sample).
            group: Their groups.
            held_out: Rows for calibration.
            rng: Source of all randomness.
            seed: Of `rng` and the weights.
            warm_start: Train for a quarter of the epochs only.
        """
        choices = model.choices
        modality = choices.modality.factory
        batch_size = batch_size_for(arguments["batch_size"], modality.batch_size)
        epochs, patience = epochs_for(arguments["epochs"], len(x), batch_size)
        trained = np.ones(len(x), dtype=bool)
        trained[held_out] = False
        apart = held_out[:0]
        if patience is not None:
            learnt = rng.permutation(np.flatnonzero(trained & is_ordinary(group)))
            apart = learnt[: int(VALIDATION_FRACTION * len(learnt))]
            trained[apart] = False
        rows = np.flatnonzero(trained)
        plan = Plan(
            epochs=max(1, round(epochs * REFIT_FRACTION)) if warm_start else epochs,
            batch_size=batch_size,
            schedule=choices.schedule.make(),
            corruption=None if choices.corruption is None else choices.corruption.make(),
            synthesise=SYNTHETIC[modality.synthetic],
            augmentation=AUGMENTATIONS[modality.augmentation],
        )
        data = TrainingData(
            x=_some(x, rows),
            group=torch.from_numpy(group[rows]).to(x.device),
            blocks=model.modality.blocks,
            held_out=_some(x, np.sort(apart)) if len(apart) else None,
        )
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        objective = Objective(model.network, data, model.losses, plan, generator)
        return cls(model, objective, patience, x, group, range(len(x)), held_out, rng, seed)

    def judging(self, rows: Int[np.ndarray, " some"]) -> "Fit":
        """The same fit, whose scorer learns from some of the rows only and is calibrated on them."""
        return replace(
            self,
            x=self.x[torch.from_numpy(rows)],
            group=self.group[rows],
            names=[self.names[row] for row in rows.tolist()],
            held_out=np.flatnonzero(np.isin(rows, self.held_out)),
        )

    def train(self, state: Training | None = None, history: Sequence[EpochRecord] = ()) -> Iterator[EpochRecord]:
        """Train in place with our own loop, until early stopping ends it where it was asked for.

        Args:
            state: A training of the objective to resume; None: a new one.
            history: The epochs that it has behind it.

        Yields:
            An `EpochRecord` per epoch.
        """
        seen = list(history)
        if self.patience is not None and stops_early(seen, self.patience):
            return
        for record in (state or Training(self.objective)).epochs():
            seen.append(record)
            yield record
            if self.patience is not None and stops_early(seen, self.patience):
                break

    def end(self, *, out_of_fold: bool = False) -> Fitted:
        """Fit the scorer on the trained network's codes, and score the held-out rows with it.

        Args:
            out_of_fold: Keep the scorer that has not seen the held-out rows, however few they are.
        """
        # Rows on disk are judged by some of them, see `judging`: a scorer holds all that it learns from.
        assert not isinstance(self.x, ShardedRows)
        seed = self.seed if out_of_fold else int(self.rng.integers(2**31))
        names = list(self.names)
        return learn_groups(self.model, self.x, self.group, self.held_out, names, seed, out_of_fold=out_of_fold)

    def provenance(self, n_epochs: int) -> dict[str, Any]:
        """Where the fitted model comes from, as JSON values.

        Args:
            n_epochs: Epochs that were trained.
        """
        return {
            "rows": counts(self.group),
            "held_out": len(self.held_out),
            "epochs": n_epochs,
            "seconds": round(time.perf_counter() - self.start, 3),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": {"blemish": __version__, "torch": torch.__version__, "numpy": np.__version__},
        }


def _some(x: TensorRows | ShardedRows, rows: Int[np.ndarray, " some"]) -> TensorRows | ShardedRows:
    return x.only(rows) if isinstance(x, ShardedRows) else x[torch.from_numpy(rows)]
