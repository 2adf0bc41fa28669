"""Whatever a user hands to a detector, as rows that a modality takes; results in the same form."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import narwhals.stable.v1 as nw
import numpy as np
from jaxtyping import Bool
from PIL import Image as Pillow
from scipy.sparse import issparse

from blemish.core.errors import DataError
from blemish.data.columns import eager, is_frame
from blemish.data.sources import IMAGES, KINDS, kind_of_array, planes_of, read, read_images
from blemish.data.texts import holds_only_texts, is_series, texts_of


@dataclass(frozen=True)
class Rows:
    """Samples and where they came from.

    Attributes:
        X: A table, an array, or a list of arrays.
        modality: 'tabular', 'image', 'video' or 'text'.
        names_given: A name for each row that the user gave.
        kept: Which of these could be read, shape (row,).
        index: A pandas index to give back, or None.
    """

    X: Any
    modality: str
    names_given: Sequence[Any]
    kept: Bool[np.ndarray, " row"]
    index: Any = None

    @property
    def n_given(self) -> int:
        """Rows that the user gave."""
        return len(self.kept)

    @property
    def names(self) -> list[Any]:
        """Names of the rows that could be read."""
        return [name for name, kept in zip(self.names_given, self.kept, strict=True) if kept]

    def spread(self, values: np.ndarray, name: str | list[str]) -> Any:
        """Results for the rows that were given: NaN (or '') where one could not be read; pandas for pandas.

        Args:
            values: Shape (read,) or (read, column).
            name: Name of the series, or of the columns.
        """
        if not self.kept.all():
            missing: Any = np.nan if values.dtype.kind == "f" else "" if values.dtype.kind == "U" else False
            full = np.full((self.n_given, *values.shape[1:]), missing, dtype=values.dtype)
            full[self.kept] = values
            values = full
        if self.index is None:
            return values
        import pandas as pd

        if isinstance(name, list):
            return pd.DataFrame(values, index=self.index, columns=name)
        return pd.Series(values, index=self.index, name=name)

    def label(self, made: Any) -> Any:
        """A sample for each row: with the rows' index where it is a pandas frame."""
        if self.index is None or not nw.dependencies.is_pandas_dataframe(made):
            return made
        return made.set_axis(self.index, axis=0)


def to_rows(X: Any, modality: str = "auto", frames: int | None = None, column: str | None = None) -> Rows:
    """Read X.

    Args:
        X: A table of any library, an array, a list of arrays, a list of paths of images or of texts, a series of texts,
            or a file or folder. A table that holds nothing but one column of texts is taken for these.
        modality: What the model is for, or 'auto'.
        frames: Frames of a clip when recordings are cut.
        column: The column of a table that holds the texts.

    Raises:
        DataError: If nothing can be read, or the kind of data is another than the model's.
    """
    rows = _read(X, modality, frames, column)
    if rows.n_given and modality not in ("auto", rows.modality):
        raise DataError(f"the data are {rows.modality}, the model is for {modality}")
    return rows


def take(X: Any, rows: list[int]) -> Any:
    """Some rows of anything that `to_rows` gives as X."""
    if is_frame(X):
        return eager(X)[rows].to_native()
    if isinstance(X, Mapping):
        return {name: np.asarray(column)[rows] for name, column in X.items()}
    return X[rows] if isinstance(X, np.ndarray) else [X[i] for i in rows]


def _read(X: Any, modality: str, frames: int | None, column: str | None) -> Rows:
    if isinstance(X, (str, os.PathLike)):
        samples = read(X, modality=modality, frames=frames, column=column)
        return Rows(samples.X, samples.modality, samples.keys, np.ones(len(samples), dtype=bool))
    _refuse(X)
    if modality == "text" or (modality == "auto" and holds_only_texts(X)):
        return _texts(X, column)
    if is_frame(X):
        index = X.index if nw.dependencies.is_pandas_dataframe(X) else None
        n = len(eager(X))
        names = range(n) if index is None else list(index)
        return Rows(X, "tabular", names, np.ones(n, dtype=bool), index)
    if isinstance(X, Mapping):
        return _columns(X)
    if isinstance(X, np.ndarray):
        return _array(X, modality)
    if modality not in ("auto", *KINDS):
        return Rows(X, modality, range(len(X)), np.ones(len(X), dtype=bool))
    if isinstance(X, Sequence) and len(X) and all(isinstance(item, (str, os.PathLike)) for item in X):
        if modality == "auto" and not any(_is_path(item) for item in X):
            return _texts(X)
        return _read_paths([Path(item) for item in X])
    if isinstance(X, Sequence) and len(X) and all(isinstance(item, np.ndarray) and item.ndim > 1 for item in X):
        return _pictures(X)
    return _sequence(X)


def _refuse(X: Any) -> None:
    if issparse(X):
        raise DataError("sparse data was passed, but dense data is required; use X.toarray()")
    if nw.dependencies.is_polars_lazyframe(X):
        raise DataError("a LazyFrame holds no rows yet; give X.collect()")
    if is_frame(X):
        eager(X)


def _array(X: np.ndarray, modality: str = "auto") -> Rows:
    if modality not in ("auto", *KINDS):
        return Rows(X, modality, range(len(X)), np.ones(len(X), dtype=bool))
    if X.ndim == 1 and len(X) and all(isinstance(item, str) for item in X):
        return _texts(X)
    if X.dtype == object and X.ndim == 1 and len(X) and all(isinstance(item, np.ndarray) for item in X):
        return _pictures(list(X))
    kind = kind_of_array(X) if X.dtype != object or X.ndim == 2 else "image"
    return Rows(X, kind, range(len(X)), np.ones(len(X), dtype=bool))


def _pictures(X: Sequence[np.ndarray]) -> Rows:
    return Rows(X, "video" if X[0].ndim == 4 else "image", list(range(len(X))), np.ones(len(X), dtype=bool))


def _columns(X: Mapping[Any, Any]) -> Rows:
    """A table as a dictionary of columns."""
    lengths = {str(name): np.asarray(column).shape[:1] for name, column in X.items()}
    if len(set(lengths.values())) != 1 or () in lengths.values():
        raise DataError(f"the columns of a dictionary must be equally long, got {lengths or 'none'}")
    n = next(iter(lengths.values()))[0]
    return Rows(X, "tabular", range(n), np.ones(n, dtype=bool))


def _sequence(X: Any) -> Rows:
    """Anything else with rows: a list of lists, of Pillow's pictures, a tensor."""
    if not hasattr(X, "__len__"):
        raise DataError(f"X is of type {type(X).__name__}, which holds no samples; DefectDetector.fit says what does")
    if len(X) and isinstance(X, Sequence) and all(isinstance(item, Pillow.Image) for item in X):
        return _pictures([planes_of(item) for item in X])
    shape = getattr(X, "shape", None)
    if shape and len(shape) > 2:
        return _array(np.asarray(X))
    n = shape[0] if shape else len(X)
    return Rows(X, "tabular", list(range(n)), np.ones(n, dtype=bool))


def _texts(X: Any, column: str | None = None) -> Rows:
    """Strings in a sequence, an array of one axis, a series, or a column of a table; missing ones are empty there."""
    index = X.index if nw.dependencies.is_pandas_dataframe(X) or nw.dependencies.is_pandas_series(X) else None
    texts = texts_of(X, column) if is_frame(X) or is_series(X) else list(X) if hasattr(X, "__iter__") else [X]
    names = list(range(len(texts))) if index is None else list(index)
    return Rows(texts, "text", names, np.ones(len(texts), dtype=bool), index)


def _is_path(item: Any) -> bool:
    """Whether a list's item means a file: it is a path object, or ends like a picture."""
    return isinstance(item, os.PathLike) or Path(item[-300:]).suffix.lower() in IMAGES


def _read_paths(paths: list[Path]) -> Rows:
    images, skipped = read_images(paths)
    bad = set(skipped)
    return Rows(images, "image", [str(path) for path in paths], np.array([str(path) not in bad for path in paths]))
