"""Labels of files: from a table of names, or from the folders that they lie in."""

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from blemish.core.errors import DataWarning, LabelError
from blemish.data.sources import PathLike, read_table


def labels_from_table(keys: Sequence[str], path: PathLike) -> list[Any]:
    """Look the label of each file up in a table of names.

    Args:
        keys: Paths relative to the data folder; of clips with '#' and the first frame.
        path: A table with a column of names ('path', 'name', 'file' or 'key', else the first) and one of labels
            ('label', else the second). A name may be the whole key, the file's name, its stem, or the clip's folder.

    Returns:
        One value a key, None where the table does not name it.

    Raises:
        LabelError: If the table lacks a column, names no sample at all, or gives one sample two labels.
    """
    table = read_table(path)
    if table.num_columns < 2:
        raise LabelError(f"{path} has one column; a table of labels needs a column of names and one of labels")
    columns = table.column_names
    name_column = next((c for c in ("path", "name", "file", "key") if c in columns), columns[0])
    rest = [c for c in columns if c != name_column]
    label_column = "label" if "label" in rest else rest[0]
    label_of: dict[str, Any] = {}
    for name, label in zip(table[name_column].to_pylist(), table[label_column].to_pylist(), strict=True):
        if label_of.setdefault(str(name), label) != label:
            raise LabelError(f"{path} gives {name!r} two labels, {label_of[str(name)]!r} and {label!r}; keep one")
    found = [next((alias for alias in _aliases(key) if alias in label_of), None) for key in keys]
    unknown = sorted(set(label_of) - {name for key in keys for name in _aliases(key)})
    if len(unknown) == len(label_of):
        raise LabelError(
            f"none of the {len(label_of)} names in {path} is a sample; the first is {unknown[0]!r}, "
            f"samples look like {keys[0]!r}"
        )
    if unknown:
        warnings.warn(
            f"{len(unknown)} name(s) in {path} are no samples, for example {unknown[0]!r}", DataWarning, stacklevel=2
        )
    return [None if alias is None else label_of[alias] for alias in found]


def _aliases(key: str) -> list[str]:
    clip = _without_frame(key)
    path = Path(clip)
    return [key, clip, path.name, path.stem]


def _without_frame(key: str) -> str:
    return re.sub(r"#\d+$", "", key)


def labels_from_folders(
    keys: Sequence[str], defect: Sequence[str] = (), other: Sequence[str] = (), normal: Sequence[str] = ()
) -> list[str | None]:
    """Label files by a folder on their way.

    Args:
        keys: Paths relative to the data folder.
        defect: Folder names whose files are defects; `'*'` in one of the three stands for all the rest.
        other: Folder names whose files are other outliers.
        normal: Folder names whose files are normal.

    Raises:
        LabelError: If a folder holds no sample.

    Example:
        >>> labels_from_folders(["crack/a.png", "fine/b.png"], defect=["crack"])
        ['defect', None]
    """
    word_of = {
        folder: word
        for word, folders in [("normal", normal), ("other", other), ("defect", defect)]
        for folder in folders
    }
    rest = word_of.pop("*", None)
    parts = [Path(_without_frame(key)).parts for key in keys]
    for folder in word_of:
        if not any(folder in names for names in parts):
            raise LabelError(
                f"no sample lies in a folder {folder!r}; folders are "
                + ", ".join(sorted({names[0] for names in parts if len(names) > 1})[:8])
            )
    return [next((word_of[name] for name in names if name in word_of), rest) for names in parts]
