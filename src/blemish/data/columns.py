"""Tables of any library as a dictionary of NumPy columns."""

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import narwhals.stable.v1 as nw
import numpy as np
from narwhals.exceptions import DuplicateError

from blemish.core.errors import DataError

WORDS = {"True": 1.0, "False": 0.0, "": np.nan, None: np.nan}

MISSING = "(missing)"
"""The category of a cell without a value."""

OUTPUTS = ("", "outlier_score", "defect_score", "probabilities", "label")
"""Names of the outputs of an exported model, which its inputs must not have."""

Columns = dict[str, np.ndarray]
"""By name: float64 (NaN = missing), bool, or object of text and None."""


def is_frame(X: Any) -> bool:
    """Whether X is a pandas, polars or Arrow table."""
    return nw.dependencies.is_into_dataframe(X)


def frame_columns(X: Any) -> list[str]:
    """The column names of a frame, as text; DataError where two are the same."""
    names = [str(name) for name in eager(X).columns]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"the table has two columns named {twice!r}; rename one")
    return names


def eager(X: Any) -> Any:
    """A table of any library behind one interface; DataError where two columns have the same name."""
    try:
        return nw.from_native(X, eager_only=True)
    except DuplicateError as error:
        raise DataError(
            f"two columns of the table have the same name; rename one ({' '.join(str(error).split())})"
        ) from None


def frame_of(
    lines: list[dict[str, Any]],
    index: list[Any] | None = None,
    mixed: Sequence[str] = (),
    names: list[str] | None = None,
) -> Any:
    """A pandas frame with one row per line; without pandas an Arrow table, which has no index.

    `mixed` are columns of several types, which become text in Arrow; `names` are the columns if there are no lines.
    """
    try:
        import pandas as pd
    except ImportError:
        import pyarrow as pa

        return pa.Table.from_pylist([{**line, **{name: str(line[name]) for name in mixed}} for line in lines])
    return pd.DataFrame(lines, index=None if index is None else pd.Index(index), columns=None if lines else names)


def frame_html(frame: Any) -> str:
    """The result of `frame_of` as HTML for notebooks; everything is escaped."""
    return frame._repr_html_() if hasattr(frame, "_repr_html_") else f"<pre>{escape(str(frame))}</pre>"


def to_columns(X: Any) -> tuple[Columns, str]:
    """Split a pandas or polars frame, an Arrow table, a mapping of columns, or a two-dimensional array into columns.

    Returns:
        The columns, and what X was: 'pandas', 'polars', 'pyarrow' or 'numpy'. Columns of an array are named
        'x0', 'x1', …

    Raises:
        DataError: If X is not a table, or is empty.

    Example:
        >>> columns, form = to_columns(np.array([[1.0, 2.0]]))
        >>> sorted(columns), form
        (['x0', 'x1'], 'numpy')
    """
    if is_frame(X):
        frame, names = eager(X), frame_columns(X)
        if frame.shape[0] == 0 or frame.shape[1] == 0:
            raise DataError(
                f"the table has {frame.shape[0]} rows and {frame.shape[1]} columns; it must have some of both"
            )
        columns = {name: _series(column) for name, column in zip(names, frame.iter_columns(), strict=True)}
        return columns, nw.get_native_namespace(frame).__name__
    if isinstance(X, Mapping):
        return {str(name): _plain(np.asarray(column)) for name, column in X.items()}, "numpy"
    array = _checked(X)
    return {f"x{i}": _plain(array[:, i]) for i in range(array.shape[1])}, "numpy"


def _checked(X: Any) -> np.ndarray:
    if isinstance(X, (str, bytes)) or (isinstance(X, np.ndarray) and X.dtype.kind in "US"):
        raise DataError("could not convert string to float: give text columns in a frame or in an array of objects")
    from sklearn.utils.validation import check_array

    try:
        return check_array(X, dtype=None, ensure_all_finite=False)  # pyright: ignore[reportArgumentType]
    except ValueError as error:
        # scikit-learn quotes the array; data do not belong in messages, which end up in logs
        said = re.sub(r"(array=|\n\[).*?(\nReshape|$)", r"\2", str(error), flags=re.DOTALL)
        raise DataError(" ".join(said.split())) from None


def _series(series: nw.Series[Any]) -> np.ndarray:
    missing = series.is_null().to_numpy()
    if series.dtype == nw.Boolean and not missing.any():
        return series.to_numpy().astype(bool)
    if series.dtype.is_integer():  # Arrow refuses to round whole numbers that a double cannot hold
        import pyarrow as pa  # not needed to score an exported model

        whole = pa.chunked_array(series.to_arrow()).cast(pa.float64(), safe=False)
        return np.asarray(whole.to_numpy(), dtype=np.float64)
    if series.dtype.is_numeric():
        return series.cast(nw.Float64).to_numpy().astype(np.float64, copy=False)
    if series.dtype.is_temporal() and series.dtype != nw.Time:
        unit = "timedelta64[us]" if series.dtype == nw.Duration else "datetime64[us]"
        return _seconds(series.to_numpy().astype(unit), missing)
    values = [None if absent else value for value, absent in zip(series.to_list(), missing, strict=True)]
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return _plain(column)


def _seconds(times: np.ndarray, missing: np.ndarray) -> np.ndarray:
    return np.where(missing, np.nan, times.astype(f"{times.dtype.kind}8[us]").astype(np.int64) / 1e6)


def _plain(column: np.ndarray) -> np.ndarray:
    if column.dtype.kind in "mM":
        return _seconds(column, np.isnat(column))
    if column.dtype.kind in "iuf":
        return column.astype(np.float64, copy=False)
    if column.dtype.kind == "b":
        return column
    values = [None if v is None or v != v else v for v in column.tolist()]
    if all(v is None or (isinstance(v, (int, float)) and not isinstance(v, bool)) for v in values):
        return np.array([np.nan if v is None else float(v) for v in values])
    return np.array([None if v is None else str(v) for v in values], dtype=object)


def matching_columns(X: Any, names: Sequence[str], form: str, n_columns: int) -> Columns:
    """The columns of a table, after checking that those a model needs, by name, are there.

    Form and number of columns are those of the training table; see `to_columns`. Raises DataError if some are missing,
    or an array has another width.
    """
    columns, given = to_columns(X)
    if given == "numpy" == form and len(columns) != n_columns:
        raise DataError(f"X has {len(columns)} features, but DefectDetector is expecting {n_columns} features as input")
    absent = [name for name in names if name not in columns]
    if absent:
        raise DataError(
            f"the table has {len(columns)} column(s) and lacks {', '.join(map(repr, absent[:5]))} of the "
            f"{len(names)} that the model was fitted on; it has {', '.join(map(repr, list(columns)[:5]))} …"
        )
    return columns


def input_name(name: str) -> str:
    """The name of a column among the inputs of an exported model: its own, unless an output has that name."""
    return name if name not in OUTPUTS else f"{name} (column)"


def to_numbers(column: np.ndarray, name: str) -> np.ndarray:
    """A column as float64, NaN where missing; without a copy if it is float64 already.

    Raises:
        DataError: If a value is not a finite number; its row and column are named.
    """
    if column.dtype.kind in "fb":
        numbers = column.astype(np.float64, copy=False)
    else:
        numbers = np.empty(len(column))
        for row, value in enumerate(column):
            try:
                numbers[row] = WORDS[value] if value in WORDS else float(value)
            except ValueError:
                raise DataError(
                    f"row {row}, column {name!r}: {value!r} is not a number; the model expects numbers in this column"
                ) from None
    infinite = np.flatnonzero(np.isinf(numbers))
    if len(infinite):
        raise DataError(
            f"row {infinite[0]}, column {name!r} is infinity (inf); {len(infinite)} such value(s) there. "
            "Replace them with a number, or with NaN for missing"
        )
    return numbers


def to_texts(column: np.ndarray) -> np.ndarray:
    """A column as text, None where missing; whole numbers without a decimal point."""
    if column.dtype.kind == "f":
        return np.array([None if np.isnan(v) else f"{v:.15g}" for v in column], dtype=object)
    return np.array([None if v is None else str(v) for v in column], dtype=object)


def to_categories(column: np.ndarray) -> list[str]:
    """A column as text, `MISSING` where missing."""
    return [MISSING if v is None else v for v in to_texts(column)]
