"""Any preset in a `lightning.Trainer`: its loggers, callbacks, devices and precision around our losses and batches.

Needs the extra `lightning`. Use it for what a Trainer brings; our own loop does the same with less, see
docs/decisions.md.
"""

import time
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from blemish.core.errors import ConfigError, missing_extra
from blemish.core.output import Batch
from blemish.detector import DefectDetector
from blemish.training.loop import EpochRecord, Objective, Stage, check_finite
from blemish.training.optimizer import BETA2

try:
    from lightning import LightningModule
except ImportError:
    raise missing_extra("lightning", "lightning") from None

Rows = tuple[Float[Tensor, "batch *sample"], Int[Tensor, " batch"], Float[Tensor, " batch"] | None]


class DefectModule(LightningModule):
    """A detector's network, objective, batches and schedule for a Trainer.

    Each loss term is logged before its weight under its class name, the weighted sum as 'total', the loss on held-out
    rows as 'validation' where the detector has early stopping; all as means over an epoch. The gradient is clipped as
    in our loop. Not for several devices: each of them would train on the same batches.

    Attributes:
        detector: The detector; fitted after `fitted`.
        epochs: What our own loop would train, for `Trainer(max_epochs=…)`.
        network: What is trained.

    Example:
        >>> from lightning import Trainer  # doctest: +SKIP
        >>> module = DefectModule(DefectDetector.from_preset("rsrae"), X, y)  # doctest: +SKIP
        >>> Trainer(max_epochs=module.epochs).fit(module)  # doctest: +SKIP
        >>> module.fitted().outlier_score(X)  # doctest: +SKIP

    Reference:
        Falcon and the PyTorch Lightning team, "PyTorch Lightning", 2019, github.com/Lightning-AI/pytorch-lightning.
    """

    def __init__(
        self, detector: DefectDetector, X: Any, y: Any = None, *, groups: Any = None, warm_start: bool = False
    ) -> None:
        """Begin a fit.

        Args:
            detector: What to fit; `DefectDetector.from_preset` gives any preset.
            X: See `DefectDetector.fit`.
            y: See `DefectDetector.fit`.
            groups: See `DefectDetector.fit`.
            warm_start: Start from the detector's weights, as `DefectDetector.refit` does.

        Raises:
            BlemishError: What `DefectDetector.fit` refuses before it trains.
        """
        super().__init__()
        self.detector = detector
        self._begun = detector.begin_fit(X, y, groups=groups, warm_start=warm_start)
        self.network = self._begun.model.network
        self.automatic_optimization = False  # some objectives take several steps per batch
        self.network.train()  # a warm start comes from scoring
        self.epochs = self._objective.plan.epochs
        self._generator: torch.Generator | None = None
        self._stages: list[Stage] = []
        self._done = self._steps = 0
        self._of_epoch: list[Tensor] = []
        self._history: list[EpochRecord] = []
        self._since = 0.0

    @property
    def _objective(self) -> Objective:
        return self._begun.objective

    def train_dataloader(self) -> "Batches":
        """The batches of our own loop."""
        return Batches(self._objective)

    def configure_optimizers(self) -> Any:
        """One optimiser per step; their schedules run over as many batches as the Trainer will make.

        Raises:
            ConfigError: If the Trainer has several devices, or no end.
        """
        if self.trainer.world_size > 1:
            raise ConfigError(f"the Trainer has {self.trainer.world_size} devices; give it devices=1")
        steps = self.trainer.estimated_stepping_batches
        if steps == float("inf"):
            raise ConfigError(
                "the Trainer has no end, and the learning rate needs one; give it max_epochs=module.epochs"
            )
        self._stages, network = self._objective.stages(), self._objective.model
        optimisers = []
        for stage in self._stages:
            moved = [weight for part in stage.trains for weight in getattr(network, part).parameters()]
            chosen = stage.schedule
            optimisers.append(
                torch.optim.AdamW(moved, lr=chosen.lr, weight_decay=chosen.weight_decay, eps=chosen.eps, fused=True)
            )
        self._done, self._steps = 0, int(steps)
        return optimisers

    def on_train_start(self) -> None:
        """Input noise is drawn where the network is."""
        self._generator = self._objective.noise_generator(self.device)

    def on_train_epoch_start(self) -> None:
        """Begin a record, as our own loop does."""
        self._of_epoch, self._since = [], time.perf_counter()

    def training_step(self, batch: Rows) -> None:
        """Every step on one batch: of the weighted sum of the terms, then of each term with a step of its own."""
        assert self._generator is not None
        objective, (x, group, pace) = self._objective, batch
        rows = Batch(x, group, objective.data.blocks, pace=pace)
        seen = objective.seen(rows, self._generator)
        of_trainer: Any = self.optimizers()
        optimisers = of_trainer if isinstance(of_trainer, list) else [of_trainer]
        found = []
        for stage, optimiser in zip(self._stages, optimisers, strict=True):
            lr, beta1 = stage.schedule.rates(self._done, self._steps)
            optimiser.param_groups[0].update(lr=lr, betas=(beta1, BETA2))
            total, of_stage = objective.losses(stage, rows, seen, self._generator)
            self.network.zero_grad(set_to_none=True)
            self.manual_backward(total)
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), objective.plan.clip_norm)
            optimiser.step()
            found += [value.detach() for value in of_stage]
        self._done += 1
        values = torch.stack(found)
        self._of_epoch.append(values)
        check_finite(values.tolist(), objective.terms, self.current_epoch + 1)
        terms = {type(term).__name__: value for term, value in zip(objective.terms, values, strict=True)}
        total = sum(term.weight * value for term, value in zip(objective.terms, values, strict=True))
        self.log_dict({**terms, "total": total}, on_step=False, on_epoch=True, batch_size=1)

    def on_train_epoch_end(self) -> None:
        """Log the loss on held-out rows, for Lightning's EarlyStopping(monitor="validation")."""
        validation = self._objective.validate()
        if validation is not None:
            self.log("validation", validation)
            self.network.train()
        means = torch.stack(self._of_epoch).mean(dim=0).tolist()
        terms = {type(term).__name__: mean for term, mean in zip(self._objective.terms, means, strict=True)}
        total = sum(term.weight * mean for term, mean in zip(self._objective.terms, means, strict=True))
        lr = self._stages[0].schedule.rates(self._done, self._steps)[0]
        seconds = time.perf_counter() - self._since
        self._history.append(EpochRecord(self.current_epoch + 1, total, terms, validation, lr, seconds, "autograd"))

    def fitted(self) -> DefectDetector:
        """End the fit on the present weights, and return the detector, ready to score."""
        self.network.to(self._begun.model.device)
        return self.detector.end_fit(self._begun, self._history)


class Batches:
    """Rows, groups and paces of the objective's batches, anew for every epoch."""

    def __init__(self, objective: Objective) -> None:
        """Keep the objective."""
        self._objective = objective

    def __len__(self) -> int:
        """Batches of an epoch."""
        return len(self._objective.batches)

    def __iter__(self) -> Iterator[Rows]:
        """One epoch."""
        for batch in self._objective.epoch():
            yield batch.x, batch.group, batch.pace
