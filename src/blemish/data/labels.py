"""Labels of samples: from a column, from a table of file names, or from the folders that files are in."""

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from blemish.core.errors import DataWarning, LabelError
from blemish.core.labels import translate
from blemish.core.run_config import RunConfig
from blemish.data.dataset import Dataset, PathLike, Reading
from blemish.data.tables import read_table

NAME_COLUMNS = ("path", "name", "file", "key")

# Of a run ------------------------------------------------------------------------------------------------------------


def labels_for(samples: Dataset, run: RunConfig, *, everything: bool = False) -> list[Any] | None:
    """Labels in Blemish's words, from a column, a table of names, or folders; None without any of these.

    Args:
        samples: What was read.
        run: Which labels.
        everything: Values or folders that are not named are 'other' (for a ground truth) instead of unlabelled.

    Raises:
        LabelError: If a column, table, value or folder is missing.
    """
    if run.labels is not None:
        return translate(_label_values(samples, run.labels), **_words(run.defect, run.other, run.normal, everything))
    folders = _words(run.defect_folder, run.other_folder, run.normal_folder, everything)
    if not any(folders.values()):
        return None
    if not samples.files:
        raise LabelError("--defect-folder is for folders of files; for a table use --labels COLUMN")
    return labels_from_folders(samples.keys, **folders)


def _words(
    defect: list[str] | None, other: list[str] | None, normal: list[str] | None, everything: bool
) -> dict[str, tuple[str, ...]]:
    """Which values or folders have each label; '*' is every remaining one."""
    named = {"defect": tuple(defect or ()), "other": tuple(other or ()), "normal": tuple(normal or ())}
    if everything and any(named.values()) and not any("*" in values for values in named.values()):
        named["other"] += ("*",)
    return named


def _label_values(samples: Dataset, labels: str) -> list[Any]:
    if labels in samples.columns:
        return samples.columns[labels]
    if not samples.files:
        raise LabelError(f"there is no label column {labels!r}; columns are {', '.join(samples.column_names)}")
    if not Path(labels).is_file():
        raise LabelError(f"there is no table of labels {labels!r}")
    return labels_from_table(samples.keys, labels, samples.reading)


def kinds_of(samples: Dataset, run: RunConfig, words: list[Any]) -> list[str]:
    """The kind of each sample within its group: its own label value, or its folder, or else its label."""
    if run.labels is not None:
        values = _label_values(samples, run.labels)
    else:
        values = [str(key).partition("/")[0] if "/" in str(key) else None for key in samples.keys]
    return [str(word) if value is None else str(value) for value, word in zip(values, words, strict=True)]


def limited(y: list[Any], most: int, seed: int | None) -> list[Any]:
    """At most this many labels per value, drawn at random; the others become unlabelled.

    Example:
        >>> sum(label is not None for label in limited(["defect"] * 5 + [None], 2, seed=0))
        2
    """
    rng, kept = np.random.default_rng(seed), list(y)
    for value in sorted({str(value) for value in y if value is not None}):
        rows = [i for i, label in enumerate(y) if str(label) == value]
        for i in rng.permutation(rows)[most:]:
            kept[i] = None
    return kept


# From a table of names -----------------------------------------------------------------------------------------------


def labels_from_table(keys: Sequence[str], path: PathLike, reading: Reading) -> list[Any]:
    """Look the label of each file up in a table of names.

    Args:
        keys: Paths relative to the data folder; of clips with '#' and the first frame.
        path: A table with a column of names ('path', 'name', 'file' or 'key', else the first) and one of labels
            ('label', else the second). A name may be the whole key, the file's name, its stem, or the clip's folder.
        reading: Where it is noted which columns were used.

    Returns:
        One value per key, None where the table does not name it.

    Raises:
        LabelError: If the table lacks a column, names no sample at all, or gives one sample two labels.
    """
    label_of = _read_labels(read_table(path, None, reading), path, reading)
    aliases = [_aliases(key) for key in keys]
    unknown = sorted(set(label_of).difference(*aliases))
    if len(unknown) == len(label_of):
        raise LabelError(
            f"none of the {len(label_of)} names in {path} is a sample; the first is {unknown[0]!r}, "
            f"samples look like {keys[0]!r}"
        )
    if unknown:
        how = f"{len(unknown)} name(s) in {path} are not samples, for example {unknown[0]!r}"
        reading.note("labels", path, how)
        warnings.warn(how, DataWarning, stacklevel=2)
    return [next((label_of[alias] for alias in names if alias in label_of), None) for names in aliases]


def _read_labels(table: pa.Table, path: PathLike, reading: Reading) -> dict[str, Any]:
    if table.num_columns < 2:
        raise LabelError(f"{path} has one column; a table of labels needs a column of names and one of labels")
    names = table.column_names
    name_column = next((column for column in NAME_COLUMNS if column in names), names[0])
    rest = [column for column in names if column != name_column]
    label_column = "label" if "label" in rest else rest[0]
    reading.note("labels", path, f"names of files are in column {name_column!r}, labels in column {label_column!r}")
    label_of: dict[str, Any] = {}
    for name, label in zip(table[name_column].to_pylist(), table[label_column].to_pylist(), strict=True):
        if label_of.setdefault(str(name), label) != label:
            raise LabelError(f"{path} gives {name!r} two labels, {label_of[str(name)]!r} and {label!r}; keep one")
    return label_of


def _aliases(key: str) -> list[str]:
    clip = _without_frame(key)
    path = Path(clip)
    return [key, clip, path.name, path.stem]


def _without_frame(key: str) -> str:
    return re.sub(r"#\d+$", "", key)


# From folders --------------------------------------------------------------------------------------------------------


def labels_from_folders(
    keys: Sequence[str], defect: Sequence[str] = (), other: Sequence[str] = (), normal: Sequence[str] = ()
) -> list[str | None]:
    """Label files by one of the folders in their path.

    Args:
        keys: Paths relative to the data folder.
        defect: Folder names whose files are defects; `'*'` in one of the three stands for every remaining folder.
        other: Likewise other outliers.
        normal: Likewise normal.

    Raises:
        LabelError: If there is no sample in a folder.

    Example:
        >>> labels_from_folders(["crack/a.png", "fine/b.png"], defect=["crack"])
        ['defect', None]
    """
    word_of = {**dict.fromkeys(normal, "normal"), **dict.fromkeys(other, "other"), **dict.fromkeys(defect, "defect")}
    rest = word_of.pop("*", None)
    parts = [Path(_without_frame(key)).parts for key in keys]
    for folder in word_of:
        if not any(folder in names for names in parts):
            raise LabelError(
                f"there is no sample in a folder {folder!r}; folders are "
                + ", ".join(sorted({names[0] for names in parts if len(names) > 1})[:8])
            )
    return [next((word_of[name] for name in names if name in word_of), rest) for names in parts]
