"""The data that a command was pointed at, read as its run file or its model says."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from blemish.core.errors import DataError
from blemish.core.run_config import RunConfig
from blemish.data.dataset import Dataset, Dialect, HowToRead, Reading
from blemish.data.labels import groups_for, labels_for, limited, names_pictures
from blemish.data.read import read_as
from blemish.data.streams import Stream, one_chunk, open_stream

MAX_IN_MEMORY = 2**28  # bytes on disk; in memory it may be ten times as much


def samples_to_fit(run: RunConfig) -> Dataset:
    """Read a run's data, with its labels, key and dropped columns taken out.

    Raises:
        DataError: If the data cannot be read, or a table lacks a named column.
    """
    assert run.data is not None
    how = _how_to_read(run)
    samples = read_as(run.data, how)
    if not samples.files:
        for name in how.take_out:
            if name != run.groups:
                need_column(samples, name, run.data)
    return replace(samples, groups=groups_for(samples, run.groups, run.key))


def _spec(modality: Any) -> dict[str, Any]:
    return modality if isinstance(modality, dict) else {"name": modality or "auto"}


def modality_of_table(modality: Any) -> dict[str, Any]:
    """A modality, by name or with options, where options are to be added that only tables have."""
    return dict(modality) if isinstance(modality, dict) else {"name": modality or "tabular"}


def _how_to_read(run: RunConfig) -> HowToRead:
    spec = _spec(run.modality)
    return HowToRead(
        str(spec.get("name", "auto")),
        run.glob or "*",
        column_names(run.names),
        [name for name in (run.labels, run.key, run.groups, *(run.drop or [])) if name],
        spec.get("frames"),
        spec.get("column"),
        dialect_of(run.given()),
        single=names_pictures(run),
        masks=run.masks,
        masks_given=True,
    )


DIALECT = ("skip_lines", "delimiter", "decimal", "encoding", "na")
"""How text files are written, among the keys of a run file."""


def dialect_of(given: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> Dialect:
    """What was said about text files, and where nothing is said now, what was said `before`, at the fit."""
    now = {name: given[name] for name in DIALECT if given.get(name) not in (None, [])}
    then = {name: (before or {})[name] for name in DIALECT if (before or {}).get(name) is not None}
    assumed = not now.keys() & {"delimiter", "encoding"}
    return replace(Dialect.check(**{**then, **now}), assumed=bool(then) and assumed)


def training_rows(det: Any) -> tuple[Any, list[Any]] | None:
    """The training samples and labels of a model; None if its run does not name them or they are gone."""
    run = RunConfig.check(det.notes_["run"], "the model") if det.notes_.get("run") else None
    if run is None or run.data is None or not Path(run.data).exists():
        return None
    if run.limit_labels is not None and run.random_state is None:
        return None  # it is not known which labels were drawn
    samples = samples_to_fit(run)
    y = labels_for(samples, run)
    if y is None:
        return None
    return samples, y if run.limit_labels is None else limited(y, run.limit_labels, run.random_state)


def is_large(run: RunConfig) -> bool:
    """Whether a run's data can be read a chunk at a time and are too large to be read at once."""
    path = Path(str(run.data))
    files = path.rglob(run.glob or "*") if path.is_dir() else [path]
    if sum(file.stat().st_size for file in files if file.is_file()) <= MAX_IN_MEMORY:
        return False
    try:
        stream_to_fit(run)
    except DataError:
        return False  # reading it at once raises the error that says why
    return True


def stream_to_fit(run: RunConfig) -> Stream:
    """`samples_to_fit` a chunk at a time; raises DataError if the data cannot be read, or not a chunk at a time."""
    how = _how_to_read(run)
    found = open_stream(str(run.data), how)
    if found is None:
        raise DataError(
            f"{run.data} cannot be read a chunk at a time; tables (CSV, Parquet, Arrow) and folders of images can"
        )
    needed = [name for name in how.take_out if name != run.groups]
    absent = [name for name in needed if not found.files and name not in found.types]
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
    **dialect: Any,
) -> Dataset:
    """Read data as the model's training data were read: same glob and header unless given, same columns taken out.

    `apart` are more columns to take out; `dialect` is what is said now about text files, by the names in `DIALECT`.
    """
    _refuse_features(det, apart)
    return read_like(reading_options(det), data, glob, names, apart, **dialect)


def _refuse_features(det: Any, apart: tuple[str | None, ...]) -> None:
    features = getattr(det.fitted_.model.modality, "names", ())
    used = next((name for name in apart if name in features), None)
    if used is not None:
        raise DataError(
            f"column {used!r} names or labels the rows here, but the model was fitted on it as a feature; fit again "
            f"with --key, --labels or --drop {used}, or leave it out"
        )


def read_like(
    training: Mapping[str, Any],
    data: str,
    glob: str | None,
    names: str | None,
    apart: tuple[str | None, ...],
    **dialect: Any,
) -> Dataset:
    """Read data as training data were read, which `reading_options` says."""
    return read_as(data, _as_in_training(training, glob, names, apart, dialect))


def _as_in_training(
    training: Mapping[str, Any],
    glob: str | None,
    names: str | None,
    apart: tuple[str | None, ...],
    dialect: Mapping[str, Any],
) -> HowToRead:
    return HowToRead(
        training["modality"],
        glob or training["glob"] or "*",
        column_names(names or training["names"]),
        [name for name in (*apart, *training["apart"]) if name],
        training["frames"],
        training["column"],
        dialect_of(dialect, training),
        as_text=training["as_text"],
        masks=training["masks"],
    )


def reading_options(det: Any) -> dict[str, Any]:
    """How a model's training data were read.

    Returns:
        modality, glob, names, groups, masks, frames, column and what was said about text files, as `read` and a run
        file have them, 'apart': columns that are not features, and 'as_text': columns whose cells are categories, or
        numbers that are not written plainly.
    """
    model = det.fitted_.model
    notes = {**det.notes_, "column": _spec(det.modality).get("column")}
    n_frames = getattr(model.modality, "n_frames", None)
    facts = {"modality": model.choices.modality.name, "n_frames": n_frames, "notes": notes}
    return reading_of_exported({**facts, "columns": model.modality.kinds()})


def reading_of_exported(facts: Mapping[str, Any]) -> dict[str, Any]:
    """`reading_options` of an exported model, from what its file says."""
    notes = facts["notes"]
    run = notes.get("run", {})
    return {
        "modality": facts["modality"],
        "glob": run.get("glob"),
        "names": run.get("names"),
        "groups": run.get("groups"),
        "masks": run.get("masks"),
        "apart": notes.get("taken_out", []),
        "frames": facts.get("n_frames"),
        "column": notes.get("column"),
        "as_text": [
            column.get("of", column["name"])
            for column in facts.get("columns", [])
            if column["kind"] == "categorical" or "style" in column
        ],
        **{name: run.get(name) for name in DIALECT},
    }


def stream_to_score(
    det: Any, data: str, *, glob: str | None = None, names: str | None = None, key: str | None = None, **dialect: Any
) -> Stream:
    """`samples_to_score` a chunk at a time, or in one chunk where the kind of data needs that."""
    _refuse_features(det, (key,))
    found = open_stream(data, _as_in_training(reading_options(det), glob, names, (key,), dialect))
    if found is None:
        samples = samples_to_score(det, data, glob=glob, names=names, apart=(key,), **dialect)
        if key:
            need_column(samples, key, data)
        return one_chunk(samples)
    if key and key not in found.types:
        raise DataError(f"{data} has no column {key!r}; it has {', '.join(found.types) or 'none'}")
    return found


def reading_for(det: Any, samples: Dataset) -> Reading:
    """What of these samples was read, and how a model takes them."""
    return samples.reading.more(det.fitted_.model.modality.notes_of(samples.X))


def keys_of(samples: Dataset, key: str | None) -> tuple[list[Any], str]:
    """One name per sample, and the heading of their column."""
    if key:
        return samples.columns[key], key
    return list(samples.keys), "path" if samples.files else "row"


def name_known(det: Any, keys: Sequence[Any]) -> None:
    """Replace the row numbers that explanations point to by the keys of these samples."""
    det.fitted_ = det.fitted_.with_names(lambda row: keys[row] if isinstance(row, int) else row)


def column_names(names: str | list[str] | None) -> list[str] | None:
    """Column names from a file with one per line; raises DataError if the file does not exist."""
    if names is None or isinstance(names, list):
        return names
    path = Path(names)
    if not path.is_file():
        raise DataError(f"there is no file {names!r} of column names")
    return path.read_text(encoding="utf-8").split()


def need_column(samples: Dataset, name: str, data: str) -> None:
    """Refuse data without a named column; raises DataError if it is missing."""
    if name not in samples.columns:
        raise DataError(f"{data} has no column {name!r}; it has {', '.join(samples.column_names)}")
