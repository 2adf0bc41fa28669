"""Texts: of a column, of the lines of a file, of a folder of files."""

from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import narwhals.stable.v1 as nw
import pyarrow as pa

from blemish.core.errors import DataError
from blemish.core.files import open_regular

ICONV = "iconv -f latin1 -t utf-8"
CHUNK_LINES = 2**13


# Columns -------------------------------------------------------------------------------------------------------------


def texts_of(X: Any, column: str | None = None) -> list[str]:
    """The texts of a series, or of one column of a frame or Arrow table; missing ones are empty.

    Args:
        X: What holds them.
        column: Which column; None: the only one that holds text.

    Raises:
        DataError: If there is no such column, none or several hold text, or it holds something else.
    """
    if is_series(X):
        series = as_series(X)
    else:
        frame = nw.from_native(X, eager_only=True)
        columns = dict(zip(map(str, frame.columns), frame.iter_columns(), strict=True))
        series = columns[_text_column(columns, column)]
    if not is_text(series):
        raise DataError(f"column {series.name!r} holds {series.dtype}, not text; name a column of texts")
    return ["" if value is None or value != value else str(value) for value in series.to_list()]


def is_series(X: Any) -> bool:
    """Whether X is a single column of pandas, polars or Arrow."""
    return nw.dependencies.is_into_series(X) or isinstance(X, pa.Array)


def as_series(X: Any) -> nw.Series[Any]:
    """A column of any library behind one interface."""
    return nw.from_native(pa.chunked_array([X]) if isinstance(X, pa.Array) else X, series_only=True)


def is_text(series: nw.Series[Any]) -> bool:
    """Whether all values of a column are strings or missing."""
    if series.dtype == nw.Object:
        return all(value is None or value != value or isinstance(value, str) for value in series.to_list())
    return series.dtype in (nw.String, nw.Categorical)


def _text_column(columns: dict[str, nw.Series[Any]], column: str | None) -> str:
    if column is not None and column not in columns:
        raise DataError(f"there is no column {column!r}; there are {', '.join(map(repr, columns))}")
    candidates = columns if column is None else {column: columns[column]}
    for name, series in candidates.items():
        if series.dtype == nw.Binary:  # PyArrow's type for text that it cannot decode
            raise DataError(
                f"column {name!r} holds bytes that are not UTF-8; convert the file, for example with {ICONV}"
            )
    if column is not None:
        return column
    found = [name for name, series in columns.items() if is_text(series)]
    if len(found) != 1:
        raise DataError(
            f"{len(found)} of the columns {', '.join(map(repr, found or columns))} hold text; name the one that "
            "counts: modality {name: text, column: …}, or drop the others"
        )
    return found[0]


# Files ---------------------------------------------------------------------------------------------------------------


def decoded(path: Path, encoding: str | None = None) -> str:
    """The whole of a text file, in UTF-8, in UTF-16 with a mark, or as said; raises DataError if it is not."""
    try:
        with open_regular(path) as file:
            content = file.read()
        return content.decode(encoding or _by_mark(content, len(content)))
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: byte {error.start} (0x{error.object[error.start]:02x}) is not {encoding or 'UTF-8'}; convert "
            f"the file, for example with {ICONV}, or say which --encoding it has"
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from None


def _by_mark(start: bytes, size: int) -> str:
    return "utf-16" if size > 2 and not size % 2 and start[:2] in (BOM_UTF16_LE, BOM_UTF16_BE) else "utf-8-sig"


def lines_of(path: Path, encoding: str | None = None) -> Iterator[list[str]]:
    """One text per line, many at a time; empty lines are texts without words, except those at the end.

    The encoding is as in `decoded`.

    Raises:
        DataError: If the file cannot be read, or holds no text.
    """
    lines: list[str] = []
    empty, some = 0, False
    try:
        # not str.splitlines, which would also cut at form feeds and other separators inside a text
        with path.open("rb") as file:
            mark = _by_mark(file.read(2), path.stat().st_size)
        with path.open(encoding=encoding or mark) as file:
            for line in file:
                text = line.removesuffix("\n")
                if not text:
                    empty += 1
                    continue
                lines += [*[""] * empty, text]
                empty, some = 0, some or bool(text.strip())
                if len(lines) >= CHUNK_LINES:
                    yield lines
                    lines = []
    except (UnicodeError, OSError):
        decoded(path, encoding)  # raises the error that says where
        raise
    if not some:
        raise DataError(f"{path} contains no text; expected one text per line")
    yield lines
