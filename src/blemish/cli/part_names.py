"""Refuse misspelt parts before PyTorch is imported."""

from collections.abc import Mapping
from typing import Any

from blemish.autoencoder.backbones import BACKBONES
from blemish.autoencoder.bottlenecks import BOTTLENECKS
from blemish.core.errors import ConfigError, nearest
from blemish.losses import LOSSES
from blemish.modalities import MODALITIES
from blemish.scoring import SCORERS
from blemish.training import CORRUPTIONS, SCHEDULES

PARTS = {
    "modality": MODALITIES,
    "backbone": BACKBONES,
    "bottleneck": BOTTLENECKS,
    "losses": LOSSES,
    "corruption": CORRUPTIONS,
    "scorer": SCORERS,
    "lr": SCHEDULES,
}
"""Argument of `DefectDetector` → the parts to choose from."""


def check_names(arguments: Mapping[str, Any]) -> None:
    """Refuse misspelt parts; their options are checked where the parts are chosen.

    Args:
        arguments: Some arguments of `DefectDetector`, by name.

    Raises:
        ConfigError: If a part is unknown; the message suggests the nearest name.
    """
    for argument, parts in PARTS.items():
        given, kind = arguments.get(argument), "loss" if argument == "losses" else argument
        for spec in given if isinstance(given, (list, tuple)) else [given]:
            name = spec.get("name") if isinstance(spec, Mapping) else spec
            known = ["auto", *parts, *(["reconstruction"] if kind == "loss" else [])]
            if isinstance(name, str) and name not in known:
                raise ConfigError(f"{kind} {name!r} is unknown; {nearest(name, list(parts))}")
