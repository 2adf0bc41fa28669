"""Texts from a series, or from a column of a table."""

from pathlib import Path
from typing import Any

import narwhals.stable.v1 as nw
import pyarrow as pa

from blemish.core.errors import DataError

ICONV = "iconv -f latin1 -t utf-8"


def texts_of(X: Any, column: str | None = None) -> list[str]:
    """The texts of a series, or of one column of a frame or Arrow table; missing ones are empty.

    Args:
        X: What holds them.
        column: Which column; None: the only one that holds text.

    Raises:
        DataError: If there is no such column, none or several hold text, or it holds something else.
    """
    if is_series(X):
        series = _series(X)
    else:
        frame = nw.from_native(X, eager_only=True)
        columns = dict(zip(map(str, frame.columns), frame.iter_columns(), strict=True))
        series = columns[_text_column(columns, column)]
    if not _is_text(series):
        raise DataError(f"column {series.name!r} holds {series.dtype}, not text; name a column of texts")
    return ["" if value is None or value != value else str(value) for value in series.to_list()]


def is_series(X: Any) -> bool:
    """Whether X is one column: of pandas, polars or Arrow."""
    return nw.dependencies.is_into_series(X) or isinstance(X, pa.Array)


def _series(X: Any) -> nw.Series[Any]:
    return nw.from_native(pa.chunked_array([X]) if isinstance(X, pa.Array) else X, series_only=True)


def _text_column(columns: dict[str, nw.Series[Any]], column: str | None) -> str:
    found = [name for name, series in columns.items() if _is_text(series)]
    bad = [name for name, series in columns.items() if series.dtype == nw.Binary and column in (None, name)]
    if bad:
        raise DataError(f"column {bad[0]!r} holds bytes that are no UTF-8; convert the file, for example with {ICONV}")
    if column is None and len(found) != 1:
        raise DataError(
            f"{len(found)} of the columns {', '.join(map(repr, found or columns))} hold text; name the one that "
            "counts: modality {name: text, column: …}, or drop the others"
        )
    if column is not None and column not in columns:
        raise DataError(f"there is no column {column!r}; there are {', '.join(map(repr, columns))}")
    return column or found[0]


def _is_text(series: nw.Series[Any]) -> bool:
    if series.dtype == nw.Object:
        return all(value is None or value != value or isinstance(value, str) for value in series.to_list())
    return series.dtype in (nw.String, nw.Categorical)


def holds_only_texts(X: Any) -> bool:
    """Whether X is a series of strings, or a table with nothing but one column of which most are of several words."""
    if is_series(X):
        return len(X) > 0 and _is_text(_series(X))
    if not nw.dependencies.is_into_dataframe(X):
        return False
    frame = nw.from_native(X, eager_only=True)
    if len(frame.columns) != 1 or not _is_text(next(frame.iter_columns())):
        return False
    texts = texts_of(X)
    several = sum(len(text.split()) >= 3 for text in texts)
    return several > len(texts) / 2 and len(set(texts)) > len(texts) / 2


def decoded(path: Path) -> str:
    """All of a file.

    Raises:
        DataError: If it cannot be read, or is no UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: byte {error.start} (0x{error.object[error.start]:02x}) is no UTF-8; convert the file, for "
            f"example with {ICONV}"
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from None
