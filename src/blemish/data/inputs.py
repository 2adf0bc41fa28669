"""What the command line was pointed at, as samples and labels."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from blemish.core.errors import DataError, LabelError
from blemish.core.labels import translate
from blemish.core.run_config import RunConfig
from blemish.data.file_labels import labels_from_folders, labels_from_table
from blemish.data.sources import Samples, read
from blemish.data.streams import Stream, one_chunk, open_stream

Groups = dict[str, tuple[str, ...]]
IN_MEMORY_BYTES = 2**28  # on disk; in memory it may be ten times as much


def samples_to_fit(run: RunConfig) -> Samples:
    """Read a run's data, with its labels, key and dropped columns taken out.

    Raises:
        DataError: If the data cannot be read, or a table lacks a named column.
    """
    assert run.data is not None
    spec, reading = _spec(run.modality), _reading(run)
    samples = read(run.data, **reading, frames=spec.get("frames"), column=spec.get("column"))
    if not samples.files:
        for name in reading["take_out"]:
            need_column(samples, name, run.data)
    return samples


def _spec(modality: Any) -> dict[str, Any]:
    return modality if isinstance(modality, dict) else {"name": modality or "auto"}


def _reading(run: RunConfig) -> dict[str, Any]:
    """How a run's data are read, at once or a chunk at a time."""
    return {
        "modality": str(_spec(run.modality).get("name", "auto")),
        "glob": run.glob or "*",
        "names": column_names(run.names),
        "take_out": [name for name in (run.labels, run.key, *(run.drop or [])) if name],
    }


def training_rows(det: Any) -> tuple[Any, list[Any]] | None:
    """The rows and labels of a model's fit, if its run says where they are and they are still there."""
    run = RunConfig.check(det.notes_["run"], "the model") if det.notes_.get("run") else None
    if run is None or run.data is None or not Path(run.data).exists():
        return None
    if run.limit_labels is not None and run.random_state is None:
        return None  # which labels were drawn is not known any more
    samples = samples_to_fit(run)
    y = labels_for(samples, run)
    if y is None:
        return None
    return samples.X, y if run.limit_labels is None else limited(y, run.limit_labels, run.random_state)


def is_large(run: RunConfig) -> bool:
    """Whether a run's data are of a kind and size that should not be read at once."""
    path = Path(str(run.data))
    files = path.rglob(run.glob or "*") if path.is_dir() else [path]
    if sum(file.stat().st_size for file in files if file.is_file()) <= IN_MEMORY_BYTES:
        return False
    try:
        stream_to_fit(run)
    except DataError:
        return False  # reading it at once says what is wrong
    return True


def stream_to_fit(run: RunConfig) -> Stream:
    """`samples_to_fit` a chunk at a time.

    Raises:
        DataError: If the data cannot be read, or are of a kind that has to be in memory.
    """
    reading = _reading(run)
    found = open_stream(str(run.data), **reading)
    if found is None:
        raise DataError(
            f"{run.data} cannot be read a chunk at a time; tables (CSV, Parquet, Arrow) and folders of images can"
        )
    absent = [name for name in reading["take_out"] if not found.files and name not in found.types]
    if absent:
        raise DataError(f"{run.data} has no column {absent[0]!r}; it has {', '.join(found.types)}")
    return found


def samples_to_score(
    det: Any,
    data: str,
    *,
    glob: str | None = None,
    names: str | None = None,
    apart: tuple[str | None, ...] = (),
) -> Samples:
    """Read data as the model's training data were read: same glob, same header, same columns taken out.

    Args:
        det: A model.
        data: File or folder.
        glob: Which file names count; None: as in training.
        names: File of column names; None: as in training.
        apart: More columns to take out.
    """
    _need_no_feature(det, apart)
    return read_like(reading_options(det), data, glob, names, apart)


def _need_no_feature(det: Any, apart: tuple[str | None, ...]) -> None:
    features = getattr(det.fitted_.model.modality, "names", ())
    used = next((name for name in apart if name in features), None)
    if used is not None:
        raise DataError(
            f"column {used!r} names or labels the rows here, but the model was fitted on it like any other; fit again "
            f"with --key, --labels or --drop {used}, or leave it out"
        )


def read_like(
    training: Mapping[str, Any], data: str, glob: str | None, names: str | None, apart: tuple[str | None, ...]
) -> Samples:
    """Read data as training data were read, which `reading_options` says."""
    return read(
        data,
        modality=training["modality"],
        glob=glob or training["glob"] or "*",
        names=column_names(names or training["names"]),
        take_out=[name for name in (*apart, *training["apart"]) if name],
        frames=training["frames"],
        column=training["column"],
    )


def reading_options(det: Any) -> dict[str, Any]:
    """How a model's training data were read.

    Returns:
        modality, glob, names, frames and column as `read` has them, and 'apart': columns that are no features.
    """
    n_frames = getattr(det.fitted_.model.modality, "n_frames", None)
    column = _spec(det.modality).get("column")
    return _training(det.fitted_.model.choices.modality.name, n_frames, {**det.notes_, "column": column})


def reading_of_exported(facts: Mapping[str, Any]) -> dict[str, Any]:
    """`reading_options` of an exported model, from what its file says."""
    return _training(facts["modality"], facts.get("n_frames"), facts["notes"])


def _training(modality: str, n_frames: int | None, notes: Mapping[str, Any]) -> dict[str, Any]:
    run = notes.get("run", {})
    return {
        "modality": modality,
        "glob": run.get("glob"),
        "names": run.get("names"),
        "apart": notes.get("taken_out", []),
        "frames": n_frames,
        "column": notes.get("column"),
    }


def stream_to_score(
    det: Any, data: str, *, glob: str | None = None, names: str | None = None, key: str | None = None
) -> Stream:
    """`samples_to_score` a chunk at a time, or in one chunk where the kind of data needs that."""
    _need_no_feature(det, (key,))
    training = reading_options(det)
    found = open_stream(
        data,
        modality=training["modality"],
        glob=glob or training["glob"] or "*",
        names=column_names(names or training["names"]),
        take_out=[*([key] if key else []), *training["apart"]],
    )
    if found is None:
        return one_chunk(samples_to_score(det, data, glob=glob, names=names, apart=(key,)))
    if key and key not in found.types:
        raise DataError(f"{data} has no column {key!r}; it has {', '.join(found.types) or 'none'}")
    return found


def labels_for(samples: Samples, run: RunConfig, *, everything: bool = False) -> list[Any] | None:
    """Labels in Blemish's words, from a column, a table of names, or folders; None without any of these.

    Args:
        samples: What was read.
        run: Which labels.
        everything: Values or folders that are not named are 'other', for a truth; else they are unlabelled.

    Raises:
        LabelError: If a column, table, value or folder is not there.
    """
    if run.labels is not None:
        return translate(_label_values(samples, run.labels), **_groups(run.defect, run.other, run.normal, everything))
    folders = _groups(run.defect_folder, run.other_folder, run.normal_folder, everything)
    if not any(folders.values()):
        return None
    if not samples.files:
        raise LabelError("--defect-folder is for folders of files; for a table use --labels COLUMN")
    return labels_from_folders(samples.keys, **folders)


def _groups(
    defect: list[str] | None, other: list[str] | None, normal: list[str] | None, everything: bool
) -> dict[str, tuple[str, ...]]:
    groups = {"defect": tuple(defect or ()), "other": tuple(other or ()), "normal": tuple(normal or ())}
    if everything and any(groups.values()) and not any("*" in values for values in groups.values()):
        groups["other"] += ("*",)
    return groups


def _label_values(samples: Samples, labels: str) -> list[Any]:
    if labels in samples.columns:
        return samples.columns[labels]
    if not samples.files:
        raise LabelError(f"there is no label column {labels!r}; columns are {_columns_of(samples)}")
    if not Path(labels).is_file():
        raise LabelError(f"there is no table of labels {labels!r}")
    return labels_from_table(samples.keys, labels)


def kinds_of(samples: Samples, run: RunConfig, words: list[Any]) -> list[str]:
    """What stands behind each row's group: its own label value, or its folder."""
    if run.labels is not None:
        values = _label_values(samples, run.labels)
    else:
        values = [str(key).partition("/")[0] if "/" in str(key) else None for key in samples.keys]
    return [str(word) if value is None else str(value) for value, word in zip(values, words, strict=True)]


def limited(y: list[Any], most: int, seed: int | None) -> list[Any]:
    """At most so many labels of each value, drawn at random; the others become unlabelled.

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


def keys_of(samples: Samples, key: str | None) -> tuple[list[Any], str]:
    """A name for each sample, and what these names are."""
    if key:
        return samples.columns[key], key
    return samples.keys, "path" if samples.files else "row"


def name_known(det: Any, keys: list[Any]) -> None:
    """Call the samples that explanations point to by the user's names instead of row numbers."""
    det.fitted_ = det.fitted_.with_names(lambda row: keys[row] if isinstance(row, int) else row)


def column_names(names: str | list[str] | None) -> list[str] | None:
    """Column names from a file with one a line.

    Raises:
        DataError: If there is no such file.
    """
    if names is None or isinstance(names, list):
        return names
    path = Path(names)
    if not path.is_file():
        raise DataError(f"there is no file {names!r} of column names")
    return path.read_text(encoding="utf-8").split()


def need_column(samples: Samples, name: str, data: str) -> None:
    """Refuse data without a named column.

    Raises:
        DataError: If it is missing.
    """
    if name not in samples.columns:
        raise DataError(f"{data} has no column {name!r}; it has {_columns_of(samples)}")


def _columns_of(samples: Samples) -> str:
    held = list(samples.X.column_names) if hasattr(samples.X, "column_names") else ["X"]
    return ", ".join([*held, *samples.columns])
