"""From a detector's arguments to chosen parts, with every 'auto' filled in."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np

from blemish.autoencoder import BACKBONES, BOTTLENECKS
from blemish.core.errors import ConfigError
from blemish.core.parts import Part, choose
from blemish.losses import LOSSES
from blemish.losses.loss import ReconstructionLoss, losses_of_kind
from blemish.modalities import MODALITIES
from blemish.scoring import SCORERS
from blemish.scoring.kinds import Kinds
from blemish.scoring.latent import MIN_CONTRASTED
from blemish.scoring.scorer import Scorer
from blemish.training import CORRUPTIONS, SCHEDULES

Arguments = Mapping[str, Any]
"""`DefectDetector`'s, by name."""

AUTO_STEPS, MIN_EPOCHS, MAX_EPOCHS = 600, 10, 200


@dataclass(frozen=True)
class EarlyStopping:
    """A value of `epochs`: train until the loss on held-out rows stops falling.

    Attributes:
        at_most: Epochs, >= 1.
        patience: Epochs without improvement before training stops, >= 1.
    """

    at_most: int = 200
    patience: int = 10


@dataclass(frozen=True)
class Choices:
    """The parts of one detector."""

    modality: Part
    backbone: Part
    bottleneck: Part
    losses: tuple[Part, ...]
    corruption: Part | None
    scorer: Part
    schedule: Part

    def spec(self) -> dict[str, Any]:
        """Names and options as JSON values; the arguments that give the same parts again."""
        single = {name: getattr(self, name).spec() for name in ("modality", "backbone", "bottleneck", "scorer")}
        corruption = None if self.corruption is None else self.corruption.spec()
        losses = [loss.spec() for loss in self.losses]
        return {**single, "losses": losses, "corruption": corruption, "lr": self.schedule.spec()}


def scorer_of(choices: Choices, n_kinds: int) -> Scorer[Any]:
    """The chosen scorer, of several kinds of defect around it where there are."""
    one: Scorer[Any] = choices.scorer.make()
    return one if n_kinds == 1 else Kinds(one, n_kinds)


def choose_parts(arguments: Arguments, modality: Part) -> Choices:
    """Fill in every 'auto' for a kind of data that was found, and check the names.

    Raises:
        ConfigError: If a part or an option is unknown, no or several losses reconstruct, or a value makes no sense.
    """
    bottleneck = choose("bottleneck", BOTTLENECKS, arguments["bottleneck"])
    losses = arguments["losses"]
    scorer = _scorer(arguments["scorer"], losses, modality)
    if isinstance(losses, str) and losses == "auto":
        losses = ["reconstruction", *bottleneck.factory.default_losses, *_contrast(scorer, modality)]
    elif isinstance(losses, (str, Mapping)) or not isinstance(losses, (list, tuple)):
        losses = [losses]
    named = [modality.factory.loss if loss == "reconstruction" else loss for loss in losses]
    chosen = tuple(choose("loss", LOSSES, loss) for loss in named)
    if sum(issubclass(loss.factory, ReconstructionLoss) for loss in chosen) != 1:
        raise ConfigError(
            f"losses {[loss.name for loss in chosen]} must hold exactly one that reconstructs: "
            f"'reconstruction' (the default for the data), {', '.join(losses_of_kind(ReconstructionLoss))}"
        )
    backbone = modality.factory.backbone if arguments["backbone"] == "auto" else arguments["backbone"]
    corruption = arguments["corruption"]
    return Choices(
        modality=modality,
        backbone=choose("backbone", BACKBONES, backbone),
        bottleneck=bottleneck,
        losses=chosen,
        corruption=None if corruption is None else choose("corruption", CORRUPTIONS, corruption),
        scorer=scorer,
        schedule=_schedule(arguments["lr"]),
    )


def choose_modality(spec: Any, guess: str) -> Part:
    """The kind of data: the guess where the user said 'auto'.

    Raises:
        ConfigError: If it is unknown.
    """
    return choose("modality", MODALITIES, guess if isinstance(spec, str) and spec == "auto" else spec)


def _contrast(scorer: Part, modality: Part) -> list[Any]:
    """The terms that the default objective gains for a scorer that reads the latent space.

    Where a pretext task shapes the code without labels, the contrast waits for more of them: it memorises a few.
    """
    contrast, pretext = scorer.factory.contrast, modality.factory.pretext
    if not (contrast and pretext):
        return list(contrast)
    return [*({"name": name, "least_defects": MIN_CONTRASTED} for name in contrast), *pretext]


def _scorer(spec: Any, losses: Any, modality: Part) -> Part:
    """The data's default scorer, or the latent one where a loss shapes the latent space by the labelled defects."""
    if isinstance(spec, str) and spec == "auto":
        named = losses if isinstance(losses, (list, tuple)) else [losses]
        terms = [choose("loss", LOSSES, loss).factory for loss in named if loss not in ("auto", "reconstruction")]
        spec = "latent" if any(term.needs_defects for term in terms) else modality.factory.scorer
    part = choose("scorer", SCORERS, spec)
    own = {"experts": modality.factory.experts, "far": modality.factory.far}
    if part.name == "ensemble" and "experts" not in part.options:
        part = replace(part, options={**own, **part.options})
    elif part.name == modality.factory.scorer != "ensemble":
        part = replace(part, options={"far": own["far"], **part.options})
    return part


def _schedule(lr: Any) -> Part:
    if isinstance(lr, str) and lr == "auto":
        return choose("lr", SCHEDULES, "one_cycle")
    if isinstance(lr, (int, float)) and not isinstance(lr, bool):
        if not 0 < lr < 10:
            raise ConfigError(f"lr={lr!r} must be a learning rate above 0 and below 10")
        return choose("lr", SCHEDULES, {"name": "constant", "lr": float(lr)})
    return choose("lr", SCHEDULES, lr)


def whole_number(name: str, value: Any, least: int = 1) -> int:
    """A count that a user gave.

    Raises:
        ConfigError: If it is not a whole number, or too small.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__") or int(value) < least:
        raise ConfigError(f"{name}={value!r} must be 'auto' or a whole number of at least {least}")
    return int(value)


def seed_of(random_state: Any) -> int:
    """The seed that a `random_state` stands for; a fresh one for None."""
    if random_state is None:
        return int(np.random.SeedSequence().entropy % 2**62)  # pyright: ignore[reportOperatorIssue]
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**62))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    return whole_number("random_state", random_state, least=0)


def plain(value: Any) -> Any:
    """A NumPy scalar as Python's own."""
    return value.item() if isinstance(value, np.generic) else value


def batch_size_for(value: Any, default: int) -> int:
    """Rows per batch: the modality's default for 'auto'."""
    return default if value == "auto" else whole_number("batch_size", value)


def epochs_for(value: Any, n_rows: int, batch_size: int) -> tuple[int, int | None]:
    """Number of epochs and the patience of early stopping, None without it.

    'auto' is as many epochs as make 600 steps, within 10 and 200.

    Raises:
        ConfigError: If the value makes no sense.
    """
    if isinstance(value, str) and value == "auto":
        return max(MIN_EPOCHS, min(MAX_EPOCHS, ceil(AUTO_STEPS / ceil(n_rows / batch_size)))), None
    if isinstance(value, (Mapping, EarlyStopping)):
        spec = {"name": "early_stopping", **value} if isinstance(value, Mapping) else value
        stopping = choose("epochs", {"early_stopping": EarlyStopping}, spec).make()
        return whole_number("at_most", stopping.at_most), whole_number("patience", stopping.patience)
    return whole_number("epochs", value), None
