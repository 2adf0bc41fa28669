"""Columns back as the table that they came from, and masks over that table."""

from collections.abc import Mapping
from typing import Any

import narwhals.stable.v1 as nw
import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float

from blemish.core.errors import DataError
from blemish.data.columns import Columns, is_frame, to_columns, to_numbers
from blemish.modalities.masks import to_booleans

MAX_MICROSECONDS = 9.2e15  # from 1970, that every kind of date can hold


def schema_of(X: Any) -> pa.Schema:
    """The types of a frame's columns; arrays have none, and types that Arrow lacks (mixed objects) are left out.

    Example:
        >>> schema_of(pa.table({"count": [1, 2]})).field("count").type
        DataType(int64)
    """
    if not is_frame(X):
        return pa.schema([])
    frame = nw.maybe_reset_index(nw.from_native(X, eager_only=True))
    known = [name for name, kind in frame.schema.items() if kind != nw.Object and isinstance(name, str)]
    schema = frame.select(known).head(0).to_arrow().schema
    return pa.schema([field for field in schema if field.type != pa.null()], schema.metadata)


def from_columns(columns: Columns, form: str, schema: pa.Schema | None = None) -> Any:
    """The inverse of `to_columns`.

    Args:
        columns: By name.
        form: 'pandas', 'polars', 'pyarrow' or 'numpy'.
        schema: The types that a frame's columns should have; whole numbers are rounded. An array has a single type.
    """
    if form == "numpy":
        arrays = list(columns.values())
        numeric = all(a.dtype.kind == "f" for a in arrays)
        return np.column_stack([a if numeric else a.astype(object) for a in arrays])
    types = {} if schema is None else {field.name: field.type for field in schema}
    table = pa.table({name: _to_arrow(column, types.get(name)) for name, column in columns.items()})
    if form == "pyarrow":
        return table
    if form == "pandas":
        return table.replace_schema_metadata(None if schema is None else schema.metadata).to_pandas()
    return nw.from_arrow(table, backend=form).to_native()  # pyright: ignore[reportArgumentType]


def with_columns(X: Any, columns: Columns, hidden: dict[str, np.ndarray], schema: pa.Schema) -> Any:
    """A copy of a table with some of its columns replaced.

    Args:
        X: What `to_columns` takes.
        columns: The new columns.
        hidden: Where they differ from the old ones; of an array, only these cells change.
        schema: The types of the new columns.
    """
    if is_frame(X):
        frame = nw.from_native(X, eager_only=True)
        made = nw.from_native(from_columns(columns, nw.get_native_namespace(frame).__name__, schema), eager_only=True)
        known = {str(column.name): column for column in frame.iter_columns()}  # a name may be a number
        replaced = [
            _merged(known[str(column.name)], column, hidden[str(column.name)]) for column in made.iter_columns()
        ]
        return frame.with_columns(*replaced).to_native() if columns else frame.clone().to_native()
    names = list(to_columns(X)[0])
    array = from_columns(to_columns(X)[0], "numpy") if isinstance(X, Mapping) else np.array(X)
    whole = array.dtype if array.dtype.kind in "iu" else None
    array = array.astype(array.dtype if whole or array.dtype.kind == "O" else np.float64)
    for name, column in columns.items():
        cells = column[hidden[name]]
        array[hidden[name], names.index(name)] = cells if whole is None else _whole(cells, whole)
    return array


def _merged(known: nw.Series[Any], made: nw.Series[Any], hidden: Bool[np.ndarray, " row"]) -> nw.Series[Any]:
    """The made column where something was hidden, the known one elsewhere: doubles do not hold every whole number."""
    if not (known.dtype == made.dtype and known.dtype.is_integer()):
        return made.alias(known.name)
    mask = nw.new_series("hidden", hidden.tolist(), nw.Boolean, backend=known.implementation)
    return made.zip_with(mask, known).alias(known.name)


def _whole(numbers: Float[np.ndarray, " row"], kind: np.dtype) -> np.ndarray:
    """Numbers as the nearest whole ones that a type holds."""
    info = np.iinfo(kind)
    high = np.nextafter(float(info.max), 0) if info.bits > 32 else info.max
    return np.clip(np.rint(numbers), float(info.min), high).astype(kind)


def mask_columns(mask: Any, columns: Columns) -> dict[str, Bool[np.ndarray, " row"]]:
    """A mask over the cells of a table, by column.

    Args:
        mask: Shape (row, column) of the table, or a frame with some of its columns.
        columns: The table.

    Raises:
        DataError: If it has another shape or an unknown column, or is not a mask.
    """
    n_rows = len(next(iter(columns.values())))
    if is_frame(mask):
        frame = nw.from_native(mask, eager_only=True)
        unknown = [name for name in frame.columns if str(name) not in columns]
        if unknown:
            raise DataError(f"the mask has column(s) {', '.join(map(repr, unknown[:5]))} that are not in the table")
        named = {
            str(name): to_booleans(column.to_numpy())
            for name, column in zip(frame.columns, frame.iter_columns(), strict=True)
        }
        if len(frame) != n_rows:
            raise DataError(f"the mask has {len(frame)} rows, the table {n_rows}")
        return {name: named.get(name, np.zeros(n_rows, dtype=bool)) for name in columns}
    cells = to_booleans(mask)
    if cells.shape != (n_rows, len(columns)):
        raise DataError(
            f"the mask has shape {cells.shape}, the table {(n_rows, len(columns))}; give one value per cell, "
            "True where to fill in, or a frame with some of the columns"
        )
    return dict(zip(columns, cells.T, strict=True))


def _to_arrow(column: np.ndarray, kind: pa.DataType | None) -> pa.Array:
    """A column in the user's own type where its values fit it, else in the type that they have."""
    values = column.tolist() if column.dtype == object else column
    try:
        return pa.array(values, from_pandas=True) if kind is None else _typed(column, kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        return pa.array(values, from_pandas=True)


def _typed(column: np.ndarray, kind: pa.DataType) -> pa.Array:
    if pa.types.is_boolean(kind):
        numbers = to_numbers(column, "")
        return pa.array(numbers > 0.5, mask=np.isnan(numbers))
    if pa.types.is_dictionary(kind):
        return pa.array(column.tolist()).cast(kind.value_type).dictionary_encode().cast(kind)
    if column.dtype == object:
        return pa.array(column.tolist()).cast(kind)
    missing = np.isnan(column)
    present = np.where(missing, 0.0, column)
    if pa.types.is_integer(kind):
        return pa.array(_whole(present, np.dtype(kind.to_pandas_dtype())), mask=missing)
    if pa.types.is_temporal(kind):
        micros = np.clip(np.rint(present * 1e6), -MAX_MICROSECONDS, MAX_MICROSECONDS).astype(np.int64)
        of_kind = pa.duration("us") if pa.types.is_duration(kind) else pa.timestamp("us", getattr(kind, "tz", None))
        return pa.array(micros, mask=missing).cast(of_kind).cast(kind, safe=False)
    return pa.array(present, mask=missing).cast(kind)
