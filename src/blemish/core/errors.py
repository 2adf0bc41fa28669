"""Everything Blemish raises. Each message says what came, what was expected and what to do."""

import difflib
import re
from collections.abc import Mapping
from typing import Any


class BlemishError(Exception):
    """Base of all errors that Blemish raises on purpose; the command line prints it as one line."""


class DataError(BlemishError, ValueError):
    """The samples cannot be read or do not fit the model."""


class LabelError(BlemishError, ValueError):
    """The labels are not in Blemish's words, or use a colliding dialect."""


class NoDefectsError(BlemishError, ValueError):
    """What needs labelled defects was asked of a model that was fitted without any."""


class ConfigError(BlemishError, ValueError):
    """A choice of parts or a setting is unknown, misspelt or does not fit the others."""


class TrainingError(BlemishError, RuntimeError):
    """Training went wrong, for example a loss term became NaN."""


class ArtifactError(BlemishError, ValueError):
    """A model file is missing, truncated, foreign or from another version of Blemish."""


class ExportError(BlemishError, RuntimeError):
    """A model cannot be exported, or its export would not give the scores of the original."""


class MissingExtraError(BlemishError, ImportError):
    """An optional dependency is not installed; the message names the extra that brings it."""


class StoppedError(BlemishError):
    """A program that runs until it is stopped was stopped, by Ctrl-C: nothing failed."""


class DataWarning(UserWarning):
    """Something in the data was skipped or replaced; the message names it."""


class ReadingWarning(DataWarning):
    """A sample was skipped; it also stands in the record of reading, which commands print instead."""


class CutWarning(DataWarning):
    """There are too few samples for the rate of false alarms that a cut stands for; commands say it in their result."""


class QualityWarning(UserWarning):
    """A fitted model looks degenerate; the message says what to do."""


def missing_extra(package: str, extra: str) -> MissingExtraError:
    """The error for an absent optional dependency.

    Example:
        >>> missing_extra("av", "video")
        MissingExtraError("'av' is not installed; it comes with: pip install 'blemish[video]'")
    """
    return MissingExtraError(f"{package!r} is not installed; it comes with: pip install 'blemish[{extra}]'")


def reason_of(error: BaseException) -> str:
    r"""Why something failed, in the first line of an error's words, without addresses of Python's objects.

    Example:
        >>> reason_of(ValueError("cannot read <_io.BytesIO object at 0x7f>\nat line 3")), reason_of(MemoryError())
        ('cannot read', 'MemoryError')
    """
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    lines = re.sub(r"<[\w.]+ [^>]*0x\w+>", "", words).strip().splitlines()
    return " ".join(lines[0].split()) if lines else type(error).__name__


def nearest(word: str, known: Mapping[str, Any] | list[str]) -> str:
    """A hint that names the closest known word and all of them.

    Example:
        >>> nearest("marginn", ["margin", "kl"])
        "did you mean 'margin'? There are kl, margin"
    """
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    start = f"did you mean {close[0]!r}? There are " if close else "there are "
    return start + ", ".join(sorted(known))
