"""One column of a table as features and back, and columns back as the table that they came from."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, NotRequired

import narwhals.stable.v1 as nw
import numpy as np
import pyarrow as pa
from annotated_types import Len
from jaxtyping import Bool, Float, Real
from typing_extensions import TypedDict

from blemish.core.errors import DataError
from blemish.core.graph import ML, Node
from blemish.core.manifest import Positive, declared
from blemish.core.state import need
from blemish.data.columns import (
    DAYS,
    ISO,
    MISSING,
    PARTS,
    PLAIN,
    UNITS,
    Columns,
    Style,
    eager,
    is_frame,
    to_categories,
    to_columns,
    to_numbers,
    to_times,
)
from blemish.modalities.modality import to_booleans

MAX_MICROSECONDS = 9.2e15  # from 1970, that every kind of date can hold
BEYOND = 3.0  # a gap where training had none lies this far, on the network's scale, beyond all training values
HALF = 0.5  # neither yes nor no
NO_CATEGORY = 2.0  # where training had no gap, the feature of unseen categories, which is 1 for these, is this


@declared
class ColumnFacts(TypedDict):
    """What a model file keeps of a column; see `Column`."""

    name: str
    kind: Literal["numeric", "binary", "categorical"]
    centre: float
    scale: Positive
    categories: list[str]
    indicates_missing: bool
    absent: NotRequired[float]
    style: NotRequired[Annotated[list[str], Len(3, 3)]]
    source: NotRequired[str]
    part: NotRequired[str]
    form: NotRequired[Annotated[str, Len(1, 60)]]


@dataclass(frozen=True)
class Column:
    """How one column becomes features.

    Attributes:
        name: The user's name for it.
        kind: 'numeric', 'binary' or 'categorical'.
        centre: Median of a number.
        scale: Robust spread of a number (interquartile range / 1.349), or its standard deviation where that is 0.
        categories: Known values; feature 0 of the block stands for all others.
        indicates_missing: Whether a yes/no feature for "was missing" follows a number.
        absent: What stands for a missing cell where training had none: a number beyond all that training had, half a
            yes, or `NO_CATEGORY`; 0 in models that do not tell it from another value (decisions.md 87).
        style: How the numbers are written.
        source: The user's column that this one is made of; '' where it is this one.
        part: What of it: 'hour of day', 'day of week', 'seconds' or, of free text, the number of a feature.
        form: How the times are written, see `blemish.data.columns.to_times`.
    """

    name: str
    kind: str
    centre: float = 0.0
    scale: float = 1.0
    categories: tuple[str, ...] = ()
    indicates_missing: bool = False
    absent: float = 0.0
    style: Style = PLAIN
    source: str = ""
    part: str = ""
    form: str = ISO

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Column":
        """The inverse of `dataclasses.asdict`, of JSON values."""
        known = {field.name: state[field.name] for field in fields(cls) if field.name in state}
        style = Style(*known["style"]) if "style" in known else PLAIN
        return cls(**{**known, "categories": tuple(known["categories"]), "style": style})

    @property
    def of(self) -> str:
        """The name of the user's column."""
        return self.source or self.name

    def values(self, column: np.ndarray) -> np.ndarray:
        """The user's column as numbers, NaN where missing, or where it is categorical as it is or as its part.

        Raises:
            DataError: If a number is infinite.
        """
        if self.part in PARTS:
            return PARTS[self.part](to_times(column, self.form))
        return column if self.kind == "categorical" else to_numbers(column, self.of, self.style)

    def encode(self, column: np.ndarray) -> Float[np.ndarray, "row feature"]:
        """Features of a column that is not numeric (else see `scaled_numbers`), shape (row, width of the column)."""
        if self.kind == "categorical":
            code_of = {category: i + 1 for i, category in enumerate(self.categories)}
            found = to_categories(column, self.categories)
            features = np.eye(len(self.categories) + 1)[[code_of.get(category, 0) for category in found]]
            if self.absent:
                features[[category == MISSING for category in found], 0] = self.absent
            return features
        numbers = to_numbers(column, self.name)
        return np.where(np.isnan(numbers), self.absent, np.clip(numbers, 0, 1))[:, None]

    def decode(self, features: Float[np.ndarray, "row feature"]) -> np.ndarray:
        """The most likely value of each row, in the user's unit."""
        if self.kind == "categorical":
            known = np.array([*self.categories, None], dtype=object)
            values = known[features[:, 1:].argmax(1)] if self.categories else np.full(len(features), None)
            return np.array([None if value == MISSING else value for value in values], dtype=object)
        if self.kind == "binary":
            return features[:, 0] > 0.5
        numbers = np.sinh(np.clip(features[:, 0], -30, 30)) * self.scale + self.centre
        if self.indicates_missing:
            return np.where(features[:, 1] > 0.5, np.nan, numbers)
        return np.where(self.is_absent(features), np.nan, numbers)

    def is_absent(self, features: Float[np.ndarray, "row feature"]) -> Bool[np.ndarray, " row"]:
        """Rows whose cell is missing where training had none missing."""
        return (features[:, 0] == np.float32(self.absent)) & (self.absent != 0)

    def graph(self, texts: Node) -> Node:
        """One-hot features of a category as part of an ONNX graph, shape (row, width of the column)."""
        width = len(self.categories) + 1
        known = [*self.categories, MISSING] if self.absent else list(self.categories)
        codes = texts.op(
            "LabelEncoder",
            domain=ML,
            keys_strings=known,
            values_int64s=list(range(1, len(known) + 1)),
            default_int64=0,
        )
        if not self.absent:
            return codes.op("OneHot", np.array([width]), np.array([0.0, 1.0], np.float32), axis=1)
        features = np.eye(width + 1, width, dtype=np.float32)
        features[width, 0] = self.absent
        return texts.graph.constant(features).take(codes, axis=0)

    @property
    def widths(self) -> tuple[tuple[str, str, int], ...]:
        """Name, kind and number of features of each block."""
        if self.kind == "categorical":
            return ((self.name, "categorical", len(self.categories) + 1),)
        first = (self.name, self.kind, 1)
        return (first, (f"{self.name} (missing)", "binary", 1)) if self.indicates_missing else (first,)


def check_column(column: Column) -> None:
    """Refuse a column from a file whose facts contradict each other: raises ArtifactError."""
    need(len(set(column.categories)) == len(column.categories), f"a category of {column.name!r} occurs twice")
    need(column.kind == "categorical" or not column.categories, f"{column.name!r} is a number with categories")
    need(column.kind == "numeric" or not column.indicates_missing, f"{column.name!r} is not a number")
    need(not (column.absent and MISSING in column.categories), f"{column.name!r} has gaps, and has none")
    need(column.style.decimal in (".", ",") and column.style.groups in ("", ".", ","), f"{column.name!r} has odd marks")


def a_time(hour: Float[np.ndarray, " row"], days: np.ndarray | None, form: str) -> np.ndarray:
    """A time with that hour of day and day of week, in the first week of 1970 that begins on a Monday."""
    number = np.zeros(len(hour)) if days is None else np.array([DAYS.index(d) if d in DAYS else 0 for d in days])
    seconds = np.where(np.isnan(hour), np.nan, np.clip(hour, 0, 23.999) * 3600 + (number + 4) * 86_400)
    if form in UNITS:
        return seconds * UNITS[form]
    times = to_times(seconds, "s")
    if form == ISO:
        return times
    return np.array([None if t is None else t.strftime(form) for t in times.tolist()], dtype=object)


def beyond(scaled: Float[np.ndarray, " row"]) -> float:
    """A number on the network's scale that lies beyond all of these, where the fewer extreme ones are.

    Labelled defects are often at one end of a column: a gap belongs to neither end, so it is put at the other.
    """
    low, high = float(scaled.min(initial=0.0)), float(scaled.max(initial=0.0))
    return float(np.float32(low - BEYOND if -low < high else high + BEYOND))


def scaled_numbers(
    numbers: Real[np.ndarray, "row column"], centre: Float[np.ndarray, " column"], scale: Float[np.ndarray, " column"]
) -> tuple[Float[np.ndarray, "row column"], Bool[np.ndarray, "row column"]]:
    r"""Numbers on the network's scale, and which are missing.

    .. math:: \operatorname{arsinh}((x - c) / s)

    in doubles, so that every implementation rounds to the same float32: a tree splits exactly at such a number.

    Returns:
        Numbers as float32, 0 where they are missing (NaN); and where that is.

    Example:
        >>> scaled_numbers(np.array([[1.0], [np.nan]]), np.array([1.0]), np.array([2.0]))[0].tolist()
        [[0.0], [0.0]]
    """
    # Not in float32: PyTorch, NumPy and ONNX would round differently (decisions.md 56).
    away = numbers - centre
    away /= scale
    scaled = np.arcsinh(away, out=away).astype(np.float32)
    missing = np.isnan(scaled)
    if missing.any():
        scaled[missing] = 0.0
    return scaled, missing


def arcsinh_graph(x: Node) -> Node:
    """Inverse hyperbolic sine as part of an ONNX graph, in float64, which ONNX' own operator lacks.

    A series where the logarithm would lose digits, and the logarithm alone where the square would overflow.
    """
    where, size = x.graph.op, x.op("Abs")
    square = size * size
    near = size * ((square * (3 / 40) - 1 / 6) * square + 1.0)
    far = (size + (square + 1.0).op("Sqrt")).op("Log")
    farthest = size.op("Log") + np.log(2.0)
    return where("Where", size < 1e-3, near, where("Where", size > 1e8, farthest, far)) * x.op("Sign")


# Tables ---------------------------------------------------------------------------------------------------------------


def schema_of(X: Any) -> pa.Schema:
    """The types of a frame's columns; arrays have none, and types that Arrow lacks (mixed objects) are left out.

    Example:
        >>> schema_of(pa.table({"count": [1, 2]})).field("count").type
        DataType(int64)
    """
    if not is_frame(X):
        return pa.schema([])
    frame = nw.maybe_reset_index(eager(X))
    known = [name for name, kind in frame.schema.items() if kind != nw.Object and isinstance(name, str)]
    schema = frame.select(known).head(0).to_arrow().schema
    return pa.schema([field for field in schema if field.type != pa.null()], schema.metadata)


def declared_categories(X: Any) -> set[str]:
    """Names of the columns whose type says that they hold categories: pandas' and polars' Categorical, Enum."""
    if not is_frame(X):
        return set()
    return {str(name) for name, kind in eager(X).schema.items() if kind in (nw.Categorical, nw.Enum)}


def from_columns(columns: Columns, form: str, schema: pa.Schema | None = None) -> Any:
    """The inverse of `to_columns`, with the types of the schema; whole numbers are rounded. An array has one type."""
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
    """A copy of a table with some of its columns replaced by new ones, of the schema's types.

    `hidden` is where they differ from the old ones; of an array, only these cells change.
    """
    if is_frame(X):
        frame = eager(X)
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


def likeliest_of(probabilities: Float[np.ndarray, " category"], names: tuple[str, ...], top: int) -> dict[str, float]:
    """The `top` likeliest names with their probabilities, likeliest first."""
    order = np.argsort(-probabilities, kind="stable")[:top]
    return {names[i]: round(float(probabilities[i]), 4) for i in order}


def is_place(name: str, n_columns: int) -> bool:
    """Whether a name is that of a column of an array: 'x0' to 'x' and the last."""
    number = name[1:]
    return (
        name[:1] == "x"
        and number.isdecimal()
        and len(number) < 19
        and f"x{int(number)}" == name
        and (int(number) < n_columns)
    )


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
    """A mask over the cells of a table, by column; it has the table's shape, or is a frame with some of its columns.

    Raises:
        DataError: If it has another shape or an unknown column, or is not a mask.
    """
    n_rows = len(next(iter(columns.values())))
    if is_frame(mask):
        frame = eager(mask)
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
    if column.dtype.kind == "M":
        return pa.array(column).cast(kind, safe=False)
    missing = np.isnan(column)
    present = np.where(missing, 0.0, column)
    if pa.types.is_integer(kind):
        return pa.array(_whole(present, np.dtype(kind.to_pandas_dtype())), mask=missing)
    if pa.types.is_temporal(kind):
        micros = np.clip(np.rint(present * 1e6), -MAX_MICROSECONDS, MAX_MICROSECONDS).astype(np.int64)
        of_kind = pa.duration("us") if pa.types.is_duration(kind) else pa.timestamp("us", getattr(kind, "tz", None))
        return pa.array(micros, mask=missing).cast(of_kind).cast(kind, safe=False)
    return pa.array(present, mask=missing).cast(kind)
