"""The names of all parts, without importing any part: PyTorch takes seconds, and a misspelt name should not."""

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from blemish.core.errors import ConfigError, nearest

DICTS = {
    "modality": ("modalities/__init__.py", "MODALITIES"),
    "backbone": ("autoencoder/backbones/__init__.py", "BACKBONES"),
    "bottleneck": ("autoencoder/bottlenecks/__init__.py", "BOTTLENECKS"),
    "loss": ("losses/__init__.py", "LOSSES"),
    "corruption": ("training/corruptions.py", "CORRUPTIONS"),
    "scorer": ("scoring/__init__.py", "SCORERS"),
    "lr": ("training/schedules.py", "SCHEDULES"),
}
"""Kind of part → the file and the dict that hold them."""


@cache
def names(kind: str) -> tuple[str, ...]:
    """What the parts of a kind are called, read from the source of their dict.

    Args:
        kind: A key of `DICTS`.

    Example:
        >>> names("backbone")
        ('linear', 'mlp', 'conv', 'conv_lstm')
    """
    file, name = DICTS[kind]
    dicts: dict[str, ast.Dict] = {}
    for node in ast.parse((Path(__file__).parents[1] / file).read_text(encoding="utf-8")).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and isinstance(value, ast.Dict):
            dicts[target.id] = value

    def keys(found: ast.Dict) -> list[str]:
        pairs = zip(found.keys, found.values, strict=True)  # a key of None is '**other'
        return [
            one
            for key, value in pairs
            for one in (keys(dicts[ast.unparse(value)]) if key is None else [ast.unparse(key).strip("'")])
        ]

    return tuple(keys(dicts[name]))


def check_names(arguments: Mapping[str, Any]) -> None:
    """Refuse misspelt parts early; options are checked where the parts are chosen.

    Args:
        arguments: `DefectDetector`'s, by name; some of them.

    Raises:
        ConfigError: If a part is unknown; the nearest is named.
    """
    for kind in DICTS:
        given = arguments.get("losses" if kind == "loss" else kind)
        for spec in given if isinstance(given, (list, tuple)) else [given]:
            name = spec.get("name") if isinstance(spec, Mapping) else spec
            known = ["auto", *names(kind), *(["reconstruction"] if kind == "loss" else [])]
            if isinstance(name, str) and name not in known:
                raise ConfigError(f"{kind} {name!r} is unknown; {nearest(name, list(names(kind)))}")
