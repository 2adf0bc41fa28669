"""Labels and groups of samples: from a column, from a table of file names, or from the names of files and folders."""

import re
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from blemish.core.errors import ConfigError, DataError, LabelError, ReadingWarning
from blemish.core.labels import ONE_KIND, as_label, translate
from blemish.core.run_config import RunConfig
from blemish.data.dataset import Dataset, PathLike, Reading
from blemish.data.images import IMAGES
from blemish.data.tables import read_table
from blemish.data.writing import check_labels

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
        named = _words(run.defect, run.other, run.normal, everything)
        return translate(_label_values(samples, run.labels), **named, kinds=tuple(run.kind or ()))
    folders = _words(run.defect_folder, run.other_folder, run.normal_folder, everything)
    if not any(folders.values()) and not run.kind:
        return None
    if not samples.files:
        raise LabelError("--defect-folder is for folders of files; for a table use --labels COLUMN")
    return labels_from_folders(samples.keys, **folders, kinds=run.kind or ())


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
    return [
        str(value if value is not None else word or "unlabelled") for value, word in zip(values, words, strict=True)
    ]


def kinds_in(samples: Dataset, run: RunConfig, kinds: Sequence[str]) -> list[str] | None:
    """Those of a model's kinds of defect that a truth names; None where it has other words for the one kind."""
    if tuple(kinds) == ONE_KIND or run.defect or run.defect_folder:
        return None
    if run.labels is not None:
        there = {as_label(value) for value in _label_values(samples, run.labels)}
    else:
        there = {part for key in samples.keys for part in Path(str(key)).parts[:-1]}
    return [kind for kind in kinds if kind in there] or None


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


# Groups of samples ---------------------------------------------------------------------------------------------------


def groups_for(samples: Dataset, groups: str | None, key: str | None = None) -> Sequence[Any] | None:
    """The group of each sample; without `groups` that with which it came, such as the recording of a clip.

    Args:
        samples: What was read.
        groups: A column; 'folder', the folder that a file lies in; or a regular expression on names, whose first group
            in brackets (without one, whose match) is the group. A name that it does not match has none.
        key: The column of a table that holds the names.

    Raises:
        DataError: If there is neither such a column nor a name, or no name matches.
        ConfigError: If it is not a regular expression.
    """
    return samples.groups if groups is None else groups_by(*values_to_group(samples, groups, key), groups)


def values_to_group(samples: Dataset, groups: str, key: str | None) -> tuple[Sequence[Any], bool]:
    """What groups samples: the cells of a column, or names; and whether it is names."""
    if groups in samples.columns:
        return samples.columns[groups], False
    if samples.files:
        return [_without_frame(name) for name in samples.keys], True
    if key in samples.columns:
        return samples.columns[key], True
    raise DataError(
        f"there is no column {groups!r} to group by; columns are {', '.join(samples.column_names)} (a regular "
        "expression is for names: of files, or in the column --key)"
    )


def groups_by(values: Sequence[Any], named: bool, groups: str) -> Sequence[Any]:
    """The groups of what `values_to_group` gave."""
    if not named:
        return values
    if groups == "folder":
        return [Path(str(name)).parent.as_posix() for name in values]
    try:
        found = [re.search(groups, str(name)) for name in values]
    except re.error as error:
        raise ConfigError(
            f"--groups {groups!r} is neither a column, 'folder' nor a regular expression ({error})"
        ) from None
    if not any(found):
        raise DataError(f"--groups {groups!r} matches none of the {len(found)} names; the first is {str(values[0])!r}")
    return [match and (match[1] if match.re.groups else match[0]) for match in found]


# From a table of names -----------------------------------------------------------------------------------------------


def labels_from_table(keys: Sequence[str], path: PathLike, reading: Reading) -> list[Any]:
    """Look the label of each file up in a table of names.

    Args:
        keys: Paths relative to the data folder; of clips with '#' and the first frame.
        path: A table with a column of names ('path', 'name', 'file' or 'key', else the first) and one of labels
            ('label', else the second). A name is a path, or its end that only one sample has: '7.png', '7', 'b/7.png';
            all clips of a recording have the recording's name. Rows without a label are passed over.
        reading: Where it is noted which columns were used.

    Returns:
        One value per key, None where the table does not name it.

    Raises:
        LabelError: If the table lacks a column, names no sample at all, a name fits several samples, or a sample has
            two labels.
    """
    label_of = _read_labels(path, reading)
    known = Names(keys)
    found = {name: known.samples(name) for name in label_of}
    unknown = [name for name, samples in found.items() if not samples]
    if len(unknown) == len(label_of):
        raise LabelError(
            f"none of the {len(label_of)} names in {path} is a sample; the first is {unknown[0]!r}, "
            f"samples look like {keys[0]!r}"
        )
    several = {name: samples for name, samples in found.items() if len(samples) > 1}
    if several:
        name, samples = next(iter(several.items()))
        raise LabelError(
            f"{len(several)} name(s) in {path} fit several samples: {name!r} fits {some(samples)}; write as much of "
            "the path as tells them apart"
        )
    if unknown:
        how = f"{len(unknown)} name(s) in {path} are not samples, for example {some(unknown, 3)}"
        reading.note("labels", path, how)
        warnings.warn(how, ReadingWarning, stacklevel=2)
    names_of: dict[str, list[str]] = {}
    for name, (sample, *_) in ((name, samples) for name, samples in found.items() if samples):
        names_of.setdefault(sample, []).append(name)
    two = [names for names in names_of.values() if len({as_label(label_of[name]) for name in names}) > 1]
    if two:
        given = ", ".join(f"{name!r} {label_of[name]!r}" for name in two[0])
        raise LabelError(f"{path} gives {len(two)} sample(s) two labels: {given}; keep one")
    return [label_of.get(names_of.get(_without_frame(key), [""])[0]) for key in keys]


class Names:
    """Samples by the ends of their paths."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._whole = {key: _without_frame(key) for key in keys}
        self._ends: dict[str, list[str]] = {}
        for sample in dict.fromkeys(self._whole.values()):
            parts = Path(sample).parts
            ends = ["/".join(parts[at:]) for at in range(len(parts))]
            for end in dict.fromkeys([*ends, *(_without_ending(end) for end in ends)]):
                self._ends.setdefault(end, []).append(sample)

    def samples(self, name: str) -> list[str]:
        """Those that a name fits: the one whose whole path it is, or all whose path ends so."""
        # As it stands first: what is not UTF-8 has backslashes (`core.files.printable`), as Windows' paths have.
        return self._of(name) or (self._of(name.replace("\\", "/")) if "\\" in name else [])

    def _of(self, name: str) -> list[str]:
        name = name.removeprefix("./")
        if name in self._whole:
            return [self._whole[name]]
        if name in self._ends.get(name, []):
            return [name]
        while name not in self._ends and "/" in name:  # a path that begins above the folder
            name = name.partition("/")[2]
        return self._ends.get(name, [])


def _without_frame(key: str) -> str:
    return re.sub(r"#\d+$", "", key)


def _without_ending(name: str) -> str:
    return name.removesuffix(Path(name).suffix) if Path(name).suffix else name


def some(names: Sequence[str], most: int = 5) -> str:
    """Names for a message: the first few, and how many more there are."""
    return ", ".join(map(repr, names[:most])) + (f" and {len(names) - most} more" if len(names) > most else "")


def _read_labels(path: PathLike, reading: Reading) -> dict[str, Any]:
    check_labels(path)
    # As text: as numbers, 007 would be 7.
    table = read_table(path, None, reading, typed=False)
    if table.num_columns < 2:
        raise LabelError(f"{path} has one column; a table of labels needs a column of names and one of labels")
    names = table.column_names
    name_column = next((column for column in NAME_COLUMNS if column in names), names[0])
    rest = [column for column in names if column != name_column]
    label_column = "label" if "label" in rest else rest[0]
    reading.note(
        "labels",
        path,
        f"names of files are in column {name_column!r}, labels in column {label_column!r}",
        surprising=name_column not in NAME_COLUMNS or label_column != "label",
    )
    labels_of: dict[str, dict[str, Any]] = {}
    for name, label in zip(table[name_column].to_pylist(), table[label_column].to_pylist(), strict=True):
        if as_label(name):
            labels_of.setdefault(as_label(name), {}).setdefault(as_label(label), label)
    stated = {name: [label for word, label in labels.items() if word] for name, labels in labels_of.items()}
    two = {name: labels for name, labels in stated.items() if len(labels) > 1}
    if two:
        each = [f"{name!r} two labels, {' and '.join(map(repr, labels))}" for name, labels in two.items()]
        raise LabelError(f"{path} gives {'; '.join(each[:5])}{' …' if len(each) > 5 else ''}; keep one")
    if not any(stated.values()):
        raise LabelError(f"{path} has no label in column {label_column!r}")
    numbers = {"0": 0, "1": 1}
    return {name: numbers.get(as_label(labels[0]), labels[0]) for name, labels in stated.items() if labels}


def names_pictures(run: RunConfig) -> bool:
    """Whether labels name pictures of a folder one by one, or the folder that they lie in: then they are not frames."""
    folder = Path(str(run.data))
    if not folder.is_dir():
        return False
    named = {*(run.defect_folder or []), *(run.other_folder or []), *(run.normal_folder or [])}
    pictures = [file for file in folder.rglob(run.glob or "*") if file.suffix.lower() in IMAGES]
    if any(file.parent.name in named for file in pictures):
        return True
    if run.labels is None or not Path(run.labels).is_file():
        return False
    parents = Names(sorted({file.parent.relative_to(folder).as_posix() for file in pictures}))
    files = Names([file.relative_to(folder).as_posix() for file in pictures])
    return any(files.samples(name) and not parents.samples(name) for name in _read_labels(run.labels, Reading()))


# From folders --------------------------------------------------------------------------------------------------------


def labels_from_folders(
    keys: Sequence[str],
    defect: Sequence[str] = (),
    other: Sequence[str] = (),
    normal: Sequence[str] = (),
    kinds: Sequence[str] = (),
) -> list[str | None]:
    """Label files by one of the folders in their path.

    Args:
        keys: Paths relative to the data folder.
        defect: Folder names whose files are defects; `'*'` in one of the three stands for every remaining folder.
        other: Likewise other outliers.
        normal: Likewise normal.
        kinds: Folder names that are kinds of defect, and mean themselves.

    Raises:
        LabelError: If a folder holds no samples, or a folder or sample has two groups.

    Example:
        >>> labels_from_folders(["crack/a.png", "fine/b.png"], defect=["crack"])
        ['defect', None]
    """
    named = {"normal": normal, "other": other, "defect": defect, **{kind: [kind] for kind in kinds}}
    twice = [folder for folder, n in Counter(f for folders in named.values() for f in set(folders)).items() if n > 1]
    if twice:
        raise LabelError(f"folder {twice[0]!r} is named for two groups; name it for one")
    word_of = {folder: word for word, folders in named.items() for folder in folders}
    rest = word_of.pop("*", None)
    parts = [Path(_without_frame(key)).parts for key in keys]
    for folder in word_of:
        if not any(folder in names for names in parts):
            raise LabelError(
                f"there is no sample in a folder {folder!r}; folders are "
                + ", ".join(sorted({names[0] for names in parts if len(names) > 1})[:8])
            )
    words = [list(dict.fromkeys(word_of[name] for name in names if name in word_of)) for names in parts]
    two = [str(key) for key, found in zip(keys, words, strict=True) if len(found) > 1]
    if two:
        raise LabelError(f"{len(two)} sample(s) lie in folders of two groups: {some(two)}; name one of the folders")
    return [next(iter(found), rest) for found in words]
