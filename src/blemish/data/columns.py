"""Tables of any library as a dictionary of NumPy columns."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from html import escape
from typing import Any, NamedTuple

import narwhals.stable.v1 as nw
import numpy as np
from narwhals.exceptions import DuplicateError

from blemish.core.errors import DataError

YES_NO = {"true": 1.0, "false": 0.0}

MISSING = "(missing)"
"""The category of a cell without a value."""

NO_VALUE = frozenset(
    [
        "",
        "#n/a",
        "#n/a n/a",
        "#na",
        "-1.#ind",
        "-1.#qnan",
        "-nan",
        "1.#ind",
        "1.#qnan",
        "<na>",
        "n/a",
        "na",
        "nan",
        "none",
        "null",
        "nat",
    ]
)
"""Texts, in small letters, that pandas or Arrow read as a missing cell: whoever reads the file, it is one here."""

OUTPUTS = ("", "outlier_score", "defect_score", "probabilities", "label")
"""Names of the outputs of an exported model, which its inputs must not have."""

Columns = dict[str, np.ndarray]
"""By name: float64 (NaN = missing), bool, datetime64[us] (UTC), or object of text and None."""


class Style(NamedTuple):
    """How the numbers of a column are written.

    Attributes:
        decimal: Decimal mark: a point or a comma.
        groups: The mark between thousands: a comma, a point, or '' where the column has none.
        unit: What stands before or after each number: '%', '€', 'mm'.
    """

    decimal: str = "."
    groups: str = ""
    unit: str = ""


PLAIN = Style()


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


def columns_with_gaps(X: Any) -> set[str]:
    """Names of a frame's columns in which a cell is missing, by its type: not cells of text such as '?'."""
    frame = eager(X) if is_frame(X) else None
    if frame is None:
        return set()
    gaps = {column.name for column in frame.iter_columns() if column.null_count()}
    return gaps | {column.name for column in frame.iter_columns() if column.dtype.is_float() and column.is_nan().any()}


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
        return _plain(series.to_numpy().astype(unit))
    values = [None if absent else value for value, absent in zip(series.to_list(), missing, strict=True)]
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return _plain(column)


def _plain(column: np.ndarray) -> np.ndarray:
    if column.dtype.kind == "M":
        return column.astype("datetime64[us]")
    if column.dtype.kind == "m":
        return _seconds(column)
    if column.dtype.kind in "iuf":
        return column.astype(np.float64, copy=False)
    if column.dtype.kind == "b":
        return column
    values = [None if v is None or v != v else v for v in column.tolist()]
    if all(v is None or (isinstance(v, (int, float)) and not isinstance(v, bool)) for v in values):
        return np.array([np.nan if v is None else float(v) for v in values])
    if all(v is None or isinstance(v, datetime) for v in values):
        utc = [v if v is None or v.tzinfo is None else v.astimezone(UTC).replace(tzinfo=None) for v in values]
        return np.array(utc, dtype="datetime64[us]")
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


# Cells ---------------------------------------------------------------------------------------------------------------


def to_numbers(column: np.ndarray, name: str, style: Style = PLAIN) -> np.ndarray:
    """A column as float64, NaN where missing or not a number; without a copy if it is float64 already.

    Times are seconds since 1970. What a cell becomes depends on the cell and on the style alone, so a row is read alike
    in whatever file it comes (decisions.md 85).

    Raises:
        DataError: If a value is infinite; its row and column are named.
    """
    if column.dtype.kind in "fb":
        numbers = column.astype(np.float64, copy=False)
    elif column.dtype.kind == "M":
        numbers = _seconds(column)
    else:
        of_text = {text: number_of(text, style) for text in set(column.tolist())}
        numbers = np.array([of_text[text] for text in column.tolist()], dtype=np.float64)
    infinite = np.flatnonzero(np.isinf(numbers))
    if len(infinite):
        raise DataError(
            f"row {infinite[0]}, column {name!r} is infinity (inf); {len(infinite)} such value(s) there. "
            "Replace them with a number, or with NaN for missing"
        )
    return numbers


_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?inf(?:inity)?", re.IGNORECASE)
_SPACED = re.compile(r"[-+]?\d{1,3}(?:[ '’\u00a0\u202f]\d{3})+(?:[.,]\d*)?")
_BY_COMMAS = re.compile(r"[-+]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?")
_BY_POINTS = re.compile(r"[-+]?[1-9]\d{0,2}(?:\.\d{3})+(?:,\d*)?")
_COMMA = re.compile(r"[-+]?\d*,\d+(?:[eE][-+]?\d+)?")


def number_of(text: str | None, style: Style = PLAIN) -> float:
    """The number that a cell of text holds; NaN where it holds none, or might be two.

    Whatever the style, marks that can only mean one thing are understood: '5,12' has a decimal comma, '1,234.5' a
    comma between thousands. '1,234' may be either, and needs a style that says so.

    Example:
        >>> number_of("5,12"), number_of("1,234.5"), number_of("1,234", Style(groups=",")), number_of("Bad Input")
        (5.12, 1234.5, 1234.0, nan)
    """
    body = (text or "").strip().replace("\u2212", "-")
    if style.unit and body != style.unit:
        body = body.removeprefix(style.unit).removesuffix(style.unit).strip()
    if body.lower() in YES_NO:
        return YES_NO[body.lower()]
    if _SPACED.fullmatch(body):
        body = re.sub(r"[ '’\u00a0\u202f]", "", body)
    if _BY_POINTS.fullmatch(body) and (style.groups == "." or body.count(".") > 1 or "," in body):
        body = body.replace(".", "").replace(",", ".")
    elif _BY_COMMAS.fullmatch(body) and (style.groups == "," or body.count(",") > 1 or "." in body):
        body = body.replace(",", "")
    elif _COMMA.fullmatch(body) and (style.decimal == "," or not may_be_thousands(body)):
        body = body.replace(",", ".")
    return float(body) if _NUMBER.fullmatch(body) else np.nan


def may_be_thousands(body: str) -> bool:
    """Whether a number with one comma may be meant either way: '1,234', but neither '0,234' nor '12,3'."""
    return _BY_COMMAS.fullmatch(body) is not None and body.count(",") == 1 and "." not in body


def is_missing(text: str | None) -> bool:
    """Whether the text of a cell means a missing value."""
    return text is None or text.strip().lower() in NO_VALUE


def to_texts(column: np.ndarray) -> np.ndarray:
    """A column as text, None where missing; whole numbers without a decimal point."""
    if column.dtype.kind == "f":
        return np.array([None if np.isnan(v) else f"{v:.15g}" for v in column], dtype=object)
    if column.dtype.kind == "M":
        seconds = np.datetime_as_string(column, unit="s")
        return np.array([None if v == "NaT" else str(v).replace("T", " ") for v in seconds], dtype=object)
    return np.array([None if v is None else str(v) for v in column], dtype=object)


def to_categories(column: np.ndarray, known: Sequence[str]) -> list[str]:
    """A column as text, `MISSING` where missing, each cell as the known category that it means.

    A cell means the category of the same text, else the one of the same value: 7, 7.0 and "7" are "007" where that is
    known and "7" is not, True is "true". Readers of files turn texts into numbers where they can.

    Example:
        >>> to_categories(np.array([7.0, np.nan]), ["007", "A12"])
        ['007', '(missing)']
    """
    by_value, as_they_are = {canonical(category): category for category in reversed(known)}, set(known)

    def meant(text: str | None) -> str:
        if text in as_they_are:
            return text
        return MISSING if text is None or is_missing(text) else by_value.get(canonical(text), text)

    texts = to_texts(column).tolist()
    of_text = {text: meant(text) for text in set(texts)}
    return [of_text[text] for text in texts]


def canonical(text: str) -> str:
    """One text for all ways to write a value.

    Example:
        >>> canonical("007"), canonical("7.0"), canonical(" TRUE")
        ('7', '7', 'true')
    """
    body = text.strip()
    if body.lower() in YES_NO:
        return body.lower()
    return f"{float(body):.15g}" if _NUMBER.fullmatch(body) else body


# Times ---------------------------------------------------------------------------------------------------------------

ISO, CLOCK = "ISO 8601", "ISO 8601, without a day"
UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
"""Units of numbers that count from 1970, and how many of them are a second."""


def to_times(column: np.ndarray, form: str) -> np.ndarray:
    """A column as datetime64[us], NaT where missing or not a time.

    Args:
        column: Texts, times, or numbers.
        form: How they are written: `ISO`, `CLOCK`, a unit of `UNITS`, or a format of `datetime.strptime`.
    """
    if column.dtype.kind == "M":
        return column
    if form in UNITS:
        seconds = to_numbers(column, "") / UNITS[form]
        micros = np.where(np.abs(seconds) < 9e12, seconds, np.nan) * 1e6
        return np.where(np.isnan(micros), np.datetime64("NaT", "us"), np.nan_to_num(micros).astype("datetime64[us]"))
    texts = to_texts(column).tolist()
    of_text = {text: _time(text, form) for text in set(texts)}
    return np.array([of_text[text] for text in texts], dtype="datetime64[us]")


def _time(text: str | None, form: str) -> datetime | None:
    try:
        body = (text or "").strip()
        if form == CLOCK:
            return datetime.combine(date(1970, 1, 1), time.fromisoformat(body).replace(tzinfo=None))
        if form != ISO:
            return datetime.strptime(body, form)
        found = datetime.fromisoformat(body)
    except ValueError:
        return None
    return found if found.tzinfo is None else found.astimezone(UTC).replace(tzinfo=None)


def hours(times: np.ndarray) -> np.ndarray:
    """The hour of the day, with its fraction, 0 to 24; NaN where missing."""
    return _seconds(times - times.astype("datetime64[D]")) / 3600


DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def weekdays(times: np.ndarray) -> np.ndarray:
    """The day of the week as text, None where missing."""
    numbers = (times.astype("datetime64[D]").astype(np.int64) + 3) % 7  # 1970 began on a Thursday
    return np.array([None if np.isnat(t) else DAYS[n] for t, n in zip(times, numbers, strict=True)], dtype=object)


def _seconds(times: np.ndarray) -> np.ndarray:
    micros = times.astype(f"{times.dtype.kind}8[us]").astype(np.int64)
    return np.where(np.isnat(times), np.nan, micros / 1e6)


PARTS = {"hour of day": hours, "day of week": weekdays, "seconds": _seconds}
"""What is made of a column of times; 'seconds' since 1970 in models fitted before times were left out."""
