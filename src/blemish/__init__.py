"""Blemish ranks the defect you care about above all other outliers, and those above the normal.

Everything public is here; parts and functions are in the modules named after them. PyTorch is imported when something
is first used, not by `import blemish`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blemish.choices import EarlyStopping
    from blemish.detector import DefectDetector, load
    from blemish.errors import BlemishError
    from blemish.explain import Explanation
    from blemish.fitting_file import fit_file
    from blemish.metrics import evaluate
    from blemish.modalities.image import Image
    from blemish.modalities.tabular import Tabular
    from blemish.modalities.video import Video
    from blemish.presets import PRESETS
    from blemish.scoring_file import score_file
    from blemish.sources import read
    from blemish.training import EpochRecord
    from blemish.version import __version__

_HOME = {
    "BlemishError": "errors",
    "DefectDetector": "detector",
    "EarlyStopping": "choices",
    "EpochRecord": "training",
    "Explanation": "explain",
    "Image": "modalities.image",
    "PRESETS": "presets",
    "Tabular": "modalities.tabular",
    "Video": "modalities.video",
    "__version__": "version",
    "evaluate": "metrics",
    "fit_file": "fitting_file",
    "load": "detector",
    "read": "sources",
    "score_file": "scoring_file",
}

__all__ = [
    "PRESETS", "BlemishError", "DefectDetector", "EarlyStopping", "EpochRecord", "Explanation", "Image", "Tabular",
    "Video", "__version__", "evaluate", "fit_file", "load", "read", "score_file",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name in _HOME:
        return getattr(import_module(f"blemish.{_HOME[name]}"), name)
    raise AttributeError(f"module 'blemish' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names."""
    return __all__
