"""Whatever a user points at, as a `Dataset`: the one place that guesses what was meant, and records each guess."""

import os
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import narwhals.stable.v1 as nw
import numpy as np
import pyarrow as pa
from PIL import Image as Pillow
from scipy.sparse import issparse

from blemish.core.errors import DataError
from blemish.core.files import printable
from blemish.data.columns import eager, is_frame
from blemish.data.dataset import Dataset, Dialect, HowToRead, PathLike, Reading, without
from blemish.data.dialect.encoding import text_encoding
from blemish.data.folders import look_into
from blemish.data.images import IMAGES, channels_first, decode_all
from blemish.data.tables import known_suffix, looks_like_a_table, read_npz, read_table
from blemish.data.text import as_series, is_series, is_text, lines_of, texts_of
from blemish.data.video import read_clips

BUILT_IN = ("tabular", "image", "video", "text")
"""Modalities that are guessed and checked here. Data for any other are handed to it as they are."""


# Files and folders ---------------------------------------------------------------------------------------------------


def read(
    data: PathLike,
    *,
    modality: str = "auto",
    glob: str = "*",
    names: Sequence[str] | None = None,
    take_out: Sequence[str] = (),
    frames: int | None = None,
    column: str | None = None,
    skip_lines: int | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    na: Sequence[str] = (),
) -> Dataset:
    """Read a data set; what was guessed, skipped and taken out is recorded in its `reading`.

    Args:
        data: A CSV (also compressed), Parquet, Arrow or NPZ file; a text file with one text per line; a folder of
            images, of videos, of frame folders or of text files.
        modality: 'auto', 'tabular', 'image', 'video', 'text', or the name of another modality. With 'auto', a folder of
            folders of consecutively numbered, similar pictures is read as video, one of .txt files without pictures as
            text; so is a table that has only one column, of texts, and a .txt file whose lines are not rows of a table.
        glob: Which file names in a folder count.
        names: Column names of a CSV file without a header.
        take_out: Columns that are not features (labels, keys); they are returned separately. Absent ones are ignored.
        frames: Frames of a clip; None: see `Video.frames`.
        column: The column of a table that holds the texts; None: see `Text.column`.
        skip_lines: Lines of a text file before its heading, or with `names` before its first row; None: guessed.
        delimiter: What stands between its cells, 'tab' and 'space' too; None: guessed.
        decimal: Its decimal mark, '.' or ','; None: guessed.
        encoding: Its encoding, such as 'cp1252'; None: guessed.
        na: Cells that are missing, in addition to empty ones and words such as NA.

    Raises:
        DataError: If nothing is there, the file is empty or of an unknown kind, or nothing in it can be decoded.
        ConfigError: If an option makes no sense.
    """
    dialect = Dialect.check(skip_lines, delimiter, decimal, encoding, na)
    return read_as(data, HowToRead(modality, glob, names, take_out, frames, column, dialect))


def read_as(data: PathLike, how: HowToRead) -> Dataset:
    """`read`, with its options in one."""
    path, reading = existing(data), Reading()
    if path.is_dir():
        return _read_folder(path, how, reading)
    if known_suffix(path) == ".npz":
        X, columns = read_npz(path, how.take_out, reading)
        return Dataset(X, list(range(len(X))), _kind_of(X, how.modality, path, reading), columns, reading=reading)
    if is_lines(path, how, reading):
        texts = list(chain.from_iterable(lines_of(path, text_encoding(path, how.dialect, reading))))
        return Dataset(texts, list(range(len(texts))), "text", reading=reading)
    return from_table(read_table(path, how.names, reading, how.dialect, as_text=how.as_text), how, reading)


def existing(data: PathLike) -> Path:
    """A path to something that is there; DataError where there is nothing."""
    path = Path(data)
    if not path.exists():
        raise DataError(f"there is no file or folder {str(path)!r}")
    if not path.is_dir() and not path.is_file():
        raise DataError(f"{path} is a pipe, socket or device; give a file or a folder")
    if not path.is_dir() and printable(path) != str(path):  # PyArrow opens no such file
        raise DataError(f"{printable(path)}: the name is not UTF-8; rename the file, or its folder")
    return path


def from_table(table: pa.Table, how: HowToRead, reading: Reading, start: int = 0) -> Dataset:
    """A table as samples, the first of which is number `start`."""
    apart = {name: table[name].to_pylist() for name in how.take_out if name in table.column_names}
    reading.take_out(apart)
    features = table.drop_columns(list(apart))
    if not features.num_columns:
        raise DataError(f"no feature is left of the columns {', '.join(table.column_names)}; take out fewer")
    keys = list(range(start, start + table.num_rows))
    if how.modality == "text" or (how.modality == "auto" and holds_only_texts(features, reading)):
        return Dataset(texts_of(features, how.column), keys, "text", apart, reading=reading)
    modality = "tabular" if how.modality in ("auto", *BUILT_IN) else how.modality
    return Dataset(features, keys, modality, apart, reading=reading)


def _read_folder(folder: Path, how: HowToRead, reading: Reading) -> Dataset:
    there, groups = look_into(folder, how, reading), None
    if there.modality == "video":
        X, keys, groups = read_clips(folder, there.videos, there.pictures, how.frames, reading)
    else:
        files = there.on_demand(folder, how, reading)
        X, left_out = files.take(range(len(files)), reading)
        keys = without(files.keys, left_out)
        if not X and there.modality == "text":
            raise DataError(f"none of the {len(files)} text files in {folder} can be read")
        if not X:
            raise none_decoded(there.pictures)
    modality = "image" if how.modality == "tabular" else there.modality
    return Dataset(X, keys, modality, files=True, groups=groups, reading=reading)


def none_decoded(pictures: Sequence[Path]) -> DataError:
    """The error for images of which none can be decoded."""
    return DataError(f"none of the {len(pictures)} images can be decoded, the first is {[*pictures, ''][0]}")


# Objects -------------------------------------------------------------------------------------------------------------


def to_dataset(X: Any, modality: str = "auto", frames: int | None = None, column: str | None = None) -> Dataset:
    """Samples in whatever form a user has them.

    Args:
        X: A table of any library, an array, a list of arrays, a list of paths of images or of texts, a series of texts,
            a file or folder, or what `read` returned.
        modality: The model's, or 'auto'. Data for one that is not built in are taken as they are; it checks them.
        frames: Frames of a clip when recordings are cut.
        column: The column of a table that holds the texts.

    Raises:
        DataError: If nothing can be read, or the data are of another modality than the model.
    """
    if isinstance(X, Dataset):
        found = X
    elif isinstance(X, (str, os.PathLike)):
        found = read_as(X, HowToRead(modality, frames=frames, column=column))
    else:
        _refuse(X)
        found = _of_object(X, modality, column)
    if found.n_given and modality not in ("auto", found.modality):
        raise DataError(f"the data are {found.modality}, the model is for {modality}")
    return found


def _refuse(X: Any) -> None:
    if issparse(X):
        raise DataError("sparse data was passed, but dense data is required; use X.toarray()")
    if nw.dependencies.is_polars_lazyframe(X):
        raise DataError("a LazyFrame has no rows yet; give X.collect()")
    if is_frame(X):
        eager(X)


def _of_object(X: Any, modality: str, column: str | None) -> Dataset:
    reading, built_in = Reading(), modality in ("auto", *BUILT_IN)
    if modality == "text" or (modality == "auto" and holds_only_texts(X, reading)):
        return _texts(X, reading, column)
    table = "tabular" if built_in else modality
    if is_frame(X):
        return _frame(X, table)
    if isinstance(X, Mapping):
        return _columns(X, table)
    if not built_in:
        return Dataset(X, range(_n_rows(X)), modality)
    if isinstance(X, np.ndarray):
        return _array(X, reading)
    return _list(X, modality, reading) if isinstance(X, Sequence) and len(X) else _other(X, reading)


def _frame(X: Any, modality: str) -> Dataset:
    index = X.index if nw.dependencies.is_pandas_dataframe(X) else None
    return Dataset(X, range(len(eager(X))) if index is None else list(index), modality, index=index)


def _columns(X: Mapping[Any, Any], modality: str) -> Dataset:
    lengths = {str(name): np.asarray(column).shape[:1] for name, column in X.items()}
    if len(set(lengths.values())) != 1 or () in lengths.values():
        raise DataError(f"the columns of a dictionary must be equally long, got {lengths or 'none'}")
    return Dataset(X, range(next(iter(lengths.values()))[0]), modality)


def _texts(X: Any, reading: Reading, column: str | None = None) -> Dataset:
    index = X.index if nw.dependencies.is_pandas_dataframe(X) or nw.dependencies.is_pandas_series(X) else None
    texts = texts_of(X, column) if is_frame(X) or is_series(X) else list(X) if hasattr(X, "__iter__") else [X]
    return Dataset(texts, list(range(len(texts)) if index is None else index), "text", index=index, reading=reading)


def _array(X: np.ndarray, reading: Reading) -> Dataset:
    if X.ndim == 1 and _all_are(X, str):
        return _texts(X, reading)
    if X.dtype == object and X.ndim == 1 and _all_are(X, np.ndarray):
        return _pictures(list(X), reading)
    kind = _kind_of(X, "auto", "X", reading) if X.dtype != object or X.ndim == 2 else "image"
    return Dataset(X, range(len(X)), kind, reading=reading)


def _all_are(X: Any, *types: type) -> bool:
    return len(X) > 0 and all(isinstance(item, types) for item in X)


def _list(X: Sequence[Any], modality: str, reading: Reading) -> Dataset:
    if _all_are(X, str, os.PathLike):
        return _strings(X, modality, reading)
    if _all_are(X, np.ndarray) and all(item.ndim > 1 for item in X):
        return _pictures(X, reading)
    if _all_are(X, Pillow.Image):
        return _pictures([channels_first(item, reading, f"picture {at}") for at, item in enumerate(X)], reading)
    return _other(X, reading)


def _strings(X: Sequence[Any], modality: str, reading: Reading) -> Dataset:
    """Texts, or images by their paths: one path among the strings is enough."""
    if modality == "auto" and not any(map(_is_path, X)):
        reading.note("modality", "X", "text, because none of the strings ends like an image file", surprising=False)
        return _texts(X, reading)
    paths = [Path(item) for item in X]
    images, left_out = decode_all(paths, reading)
    if not images:
        raise none_decoded(paths)
    return Dataset(images, [*map(printable, without(paths, left_out))], "image", left_out=left_out, reading=reading)


def _other(X: Any, reading: Reading) -> Dataset:
    """Anything else with rows: a list of lists, a tensor."""
    n = _n_rows(X)
    shape = getattr(X, "shape", None)
    return _array(np.asarray(X), reading) if shape and len(shape) > 2 else Dataset(X, list(range(n)), "tabular")


def _n_rows(X: Any) -> int:
    if not hasattr(X, "__len__"):
        raise DataError(f"X is a {type(X).__name__}, which is not supported; see DefectDetector.fit for accepted types")
    return X.shape[0] if getattr(X, "shape", None) else len(X)


def _pictures(X: Sequence[np.ndarray], reading: Reading) -> Dataset:
    kind = "video" if X[0].ndim == 4 else "image"
    reading.note("modality", "X", f"{kind}, because the arrays have {X[0].ndim} axes each", surprising=False)
    return Dataset(X, list(range(len(X))), kind, reading=reading)


# Guesses -------------------------------------------------------------------------------------------------------------


def _kind_of(X: np.ndarray, modality: str, where: object, reading: Reading) -> str:
    """What an array holds: what was asked for if that is not built in, else by the number of axes."""
    if modality not in ("auto", *BUILT_IN):
        return modality
    kinds = {2: "tabular", 3: "image", 4: "image", 5: "video"}
    if X.ndim not in kinds:
        raise DataError(
            f"an array of shape {X.shape} is not a data set: expected (row, column), (batch, channel, height, width) "
            "or (batch, frame, channel, height, width). Reshape your data, a single sample with X[None]"
        )
    reading.note("modality", where, f"{kinds[X.ndim]}, because the array has {X.ndim} axes", surprising=False)
    return kinds[X.ndim]


def _is_path(item: Any) -> bool:
    """Whether an item of a list means a file: it is a path object, or ends like an image file."""
    return isinstance(item, os.PathLike) or Path(item[-300:]).suffix.lower() in IMAGES  # file names are not longer


def holds_only_texts(X: Any, reading: Reading) -> bool:
    """Whether X is a series of strings, or a table with one column only, most of which are different and of 3 words."""
    if is_series(X):
        return len(X) > 0 and is_text(as_series(X))
    if not is_frame(X):
        return False
    frame = nw.from_native(X, eager_only=True)
    if len(frame.columns) != 1 or not is_text(next(frame.iter_columns())):
        return False
    texts = texts_of(X)
    several = sum(len(text.split()) >= 3 for text in texts)
    found = several > len(texts) / 2 and len(set(texts)) > len(texts) / 2
    if found:
        reading.note("modality", frame.columns[0], "text, because the only column holds texts of several words")
    return found


def is_lines(path: Path, how: HowToRead, reading: Reading) -> bool:
    """Whether each line of a file is a text."""
    if path.suffix.lower() != ".txt" or how.modality not in ("auto", "text"):
        return False
    if how.names is not None or how.column is not None or how.dialect.of_a_table:
        return False  # what was said is about columns
    if how.modality == "text":
        return True
    table = looks_like_a_table(path, how.dialect)
    kind = "tabular, because its lines have equally many cells"
    lines = "text, one per line, because its lines are not rows of a table"
    reading.note("modality", path, kind if table else lines, surprising=not table)
    return not table
