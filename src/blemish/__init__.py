"""Blemish ranks the defect you care about above all other outliers, and those above the normal.

Everything public is here; parts and functions are in the modules named after them. PyTorch is imported when something
is first used, not by `import blemish`.
"""

TYPE_CHECKING = False  # as typing has it, whose import takes longer than all of this

if TYPE_CHECKING:
    from blemish.core.errors import BlemishError
    from blemish.core.metrics import evaluate
    from blemish.core.version import __version__
    from blemish.data.read import read
    from blemish.detector import DefectDetector, load
    from blemish.explain.explanation import Explanation
    from blemish.fitting.choices import EarlyStopping
    from blemish.modalities.image import Image
    from blemish.modalities.tabular import Tabular
    from blemish.modalities.video import Video
    from blemish.out_of_core import fit_file, score_file
    from blemish.presets import PRESETS
    from blemish.training.loop import EpochRecord

_HOME = {
    "BlemishError": "core.errors",
    "DefectDetector": "detector",
    "EarlyStopping": "fitting.choices",
    "EpochRecord": "training.loop",
    "Explanation": "explain.explanation",
    "Image": "modalities.image",
    "PRESETS": "presets",
    "Tabular": "modalities.tabular",
    "Video": "modalities.video",
    "__version__": "core.version",
    "evaluate": "core.metrics",
    "fit_file": "out_of_core",
    "load": "detector",
    "read": "data.read",
    "score_file": "out_of_core",
}

__all__ = [
    "PRESETS", "BlemishError", "DefectDetector", "EarlyStopping", "EpochRecord", "Explanation", "Image", "Tabular",
    "Video", "__version__", "evaluate", "fit_file", "load", "read", "score_file",
]  # fmt: skip


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for."""
    if name in _HOME:
        from importlib import import_module

        return getattr(import_module(f"blemish.{_HOME[name]}"), name)
    raise AttributeError(f"module 'blemish' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names."""
    return __all__
