"""Tables: numbers, yes/no columns and categories, any of them missing."""

import warnings
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from blemish.core.errors import DataError, DataWarning
from blemish.core.graph import Graph, Node
from blemish.core.output import Block
from blemish.core.threads import in_order
from blemish.data.columns import (
    MISSING,
    Columns,
    input_name,
    matching_columns,
    to_categories,
    to_columns,
    to_numbers,
    to_texts,
)
from blemish.modalities.column import (
    Column,
    arcsinh_graph,
    from_columns,
    mask_columns,
    scaled_numbers,
    schema_of,
    with_columns,
)
from blemish.modalities.modality import ExportableModality, Modality, OnPage

MANY_TREES = {"name": "trees", "n_trees": 300}  # a hundred give too many ties among the highest scores
UNSEEN = "(not seen in training)"
NUMBERS = ("float32", "float64", "int32", "int64")
BEYOND = 3.0  # of a missing number where none was: 20 times as far out as the furthest one (decisions.md 79)
ENCODED_ROWS = 2048  # at a time: they stay in the processor's cache from the first step to the last (decisions.md 41)
ENCODED_TOGETHER = 32_768  # rows per thread


@dataclass(frozen=True)
class Tabular(Modality):
    """A mixed table.

    Numbers are centred on their median, divided by a robust spread and passed through arsinh, which is linear near 0
    and logarithmic in the tails. Categories become one-hot blocks that the network embeds. Columns that are empty, or
    hold a different text in every row, are left out with a warning.

    Attributes:
        max_categories: How many of the most frequent values of a column are told apart.
    """

    max_categories: int = 128
    loss: ClassVar[str] = "typed"
    batch_size: ClassVar[int] = 128
    on_page: ClassVar[OnPage] = OnPage("cells", max_fitted=20_000, at_once=20_000)
    experts: ClassVar[Mapping[str, list[Any]]] = {
        "plain": ["linear", {"name": "kernel", "width": 2.0}, MANY_TREES, "forest", "neighbours"],
        "scaled": ["isolation"],
        "error": ["value"],
    }
    far: ClassVar[tuple[str, ...]] = ("plain",)

    def fit(self, raw: Any) -> "FittedTabular":
        """Learn medians, spreads and vocabularies of a frame, an Arrow table or a two-dimensional array.

        Raises:
            DataError: If it is not a table, holds an infinite number, or has no usable column.
        """
        columns, form = to_columns(raw)
        fitted = [self._fit_column(name, column) for name, column in columns.items()]
        usable = tuple(column for column in fitted if column is not None)
        if not usable:
            raise DataError("no column can be used: all are empty, or hold a different text in every row")
        left_out = [name for name, column in zip(columns, fitted, strict=True) if column is None]
        if left_out:
            warnings.warn(
                f"left out column(s) {', '.join(map(repr, left_out))}: empty, or a different text in every row",
                DataWarning,
                stacklevel=2,
            )
        return FittedTabular(usable, form, len(columns), schema_of(raw))

    def _fit_column(self, name: str, column: np.ndarray) -> Column | None:
        if column.dtype.kind == "b":
            return Column(name, "binary")
        if column.dtype.kind == "O":
            found = Counter(to_categories(column)).most_common(self.max_categories)
            known = [v for v, count in found if count > 1 or len(column) <= 20]
            return Column(name, "categorical", categories=tuple(sorted(known))) if set(known) - {MISSING} else None
        numbers = to_numbers(column, name)
        present = numbers[~np.isnan(numbers)]
        if not len(present):
            return None
        low, centre, high = np.quantile(present, [0.25, 0.5, 0.75])
        scale = (high - low) / 1.349 or float(present.std()) or abs(float(centre)) or 1.0
        gaps = len(present) < len(numbers)
        furthest = float(np.abs(np.arcsinh((present - centre) / scale)).max())
        return Column(name, "numeric", float(centre), float(scale), (), gaps, 0.0 if gaps else furthest + BEYOND)

    def latent_dim(self, sample_shape: tuple[int, ...]) -> int:
        """Half the features, between 2 and 16."""
        return max(2, min(16, sample_shape[0] // 2))


class FittedTabular(ExportableModality):
    """A table's columns and how they become features."""

    inputs = "columns"
    reference_rows: ClassVar[bool] = True

    def __init__(self, columns: tuple[Column, ...], form: str, n_columns: int, schema: pa.Schema) -> None:
        """Lay the columns out side by side; form, number and types of columns are those of the training table."""
        self.columns, self.form, self.n_columns, self.schema = columns, form, n_columns, schema
        self.names = tuple(column.name for column in columns)
        self.elements = tuple(name for column in columns for name, *_ in column.widths)
        blocks, self._slices, start = [], [], 0
        for column in columns:
            first = start
            for _, kind, width in column.widths:
                blocks.append(Block(start, start + width, kind))  # pyright: ignore[reportArgumentType]
                start += width
            self._slices.append(slice(first, start))
        self.blocks, self.sample_shape = tuple(blocks), (start,)
        self._numeric = [column for column in columns if column.kind == "numeric"]
        places = [place.start for column, place in self._placed() if column.kind == "numeric"]
        self._places = np.array(places, dtype=np.intp)
        self._centre = np.array([column.centre for column in self._numeric])
        self._scales = np.array([column.scale for column in self._numeric])
        self._instead = np.array([column.missing for column in self._numeric], dtype=np.float32)

    def to_tensor(self, raw: Any) -> Float[np.ndarray, "row feature"]:
        """Features of each row; DataError, naming row and column, if a column is absent or a value is not a number."""
        array = self._array(raw)
        columns = self._numbers_and_texts(raw) if array is None else {}
        n_rows = len(columns[self.columns[0].name]) if array is None else len(array)
        x = np.empty((n_rows, *self.sample_shape), dtype=np.float32)

        def encode(first: int) -> None:
            for start in range(first, min(first + ENCODED_TOGETHER, n_rows), ENCODED_ROWS):
                rows = slice(start, start + ENCODED_ROWS)
                if array is None:
                    self._encode({name: columns[name][rows] for name in self.names}, x[rows])
                else:
                    self._scale(array[rows], x[rows])

        for _ in in_order(encode, range(0, n_rows, ENCODED_TOGETHER), torch.get_num_threads()):
            pass
        return x

    def in_parts(self, raw: Any) -> bool:
        """Whether it is an array with all columns, all of them numbers."""
        known = {f"x{i}" for i in range(self.n_columns)}
        plain = self.form == "numpy" and all(c.kind == "numeric" and c.name in known for c in self.columns)
        array = isinstance(raw, np.ndarray) and raw.ndim == 2 and raw.dtype in NUMBERS
        return plain and array and raw.shape[1] == self.n_columns

    def _array(self, raw: Any) -> np.ndarray | None:
        """The columns that are known, in their order, where numbers come as an array; None for any other table."""
        if not self.in_parts(raw) or not len(raw) or np.isinf(raw).any():
            return None  # the general way below raises an error that names row and column
        array = np.asarray(raw)
        places = [int(column.name.removeprefix("x")) for column in self.columns]
        return array if len(places) == self.n_columns else array[:, places]

    def _numbers_and_texts(self, raw: Any) -> Columns:
        columns = self._matching(raw)
        numbers = {c.name: to_numbers(columns[c.name], c.name) for c in self.columns if c.kind != "categorical"}
        return {**columns, **numbers}

    def _encode(self, columns: Columns, x: Float[np.ndarray, "row feature"]) -> None:
        """Write the features of all columns in place."""
        if self._numeric:
            self._scale(np.column_stack([columns[c.name] for c in self._numeric]), x)
        for c, place in self._placed():
            if c.kind != "numeric":
                x[:, place] = c.encode(columns[c.name])

    def _scale(self, numbers: np.ndarray, x: Float[np.ndarray, "row feature"]) -> None:
        """Write the features of the numeric columns in place."""
        scaled, missing = scaled_numbers(numbers, self._centre, self._scales, self._instead)
        if len(self._numeric) == x.shape[1]:
            x[:] = scaled
            return
        marked = [i for i, column in enumerate(self._numeric) if column.indicates_missing]
        x[:, self._places] = scaled
        x[:, self._places[marked] + 1] = missing[:, marked]

    def features(self, x: Float[Tensor, "row feature"]) -> dict[str, Float[Tensor, "row feature"]]:
        """'scaled': what the network sees; 'plain': numbers without the arsinh, which hides how extreme they are."""
        numbers = x.clamp(-30, 30).double().sinh().float()  # in doubles, see `scaled_numbers`
        return {"scaled": x, "plain": torch.where(self._is_number.to(x.device), numbers, x)}

    @property
    def _is_number(self) -> Tensor:
        return torch.tensor([b.kind == "numeric" for b in self.blocks for _ in range(b.start, b.stop)])

    def _matching(self, raw: Any) -> Columns:
        return matching_columns(raw, self.names, self.form, self.n_columns)

    def to_raw(self, x: Float[np.ndarray, "row feature"]) -> Any:
        """The most likely table, in the form and with the types of the training table."""
        return from_columns(self._decode(x), self.form, self.schema)

    def to_mask(self, raw: Any, mask: Any) -> Bool[np.ndarray, "row feature"]:
        """A mask over cells as one over features; DataError where it does not fit, or masks a column left out."""
        hidden = mask_columns(mask, self._matching(raw))
        left_out = [name for name, rows in hidden.items() if rows.any() and name not in self.names]
        if left_out:
            raise DataError(f"column(s) {', '.join(map(repr, left_out))} cannot be filled in: not known to the model")
        widths = [place.stop - place.start for place in self._slices]
        return np.repeat(np.column_stack([hidden[name] for name in self.names]), widths, axis=1)

    def fill(self, raw: Any, mask: Any, x: Float[np.ndarray, "row feature"]) -> Any:
        """The user's table with its masked cells, and no others, taken from features."""
        columns = self._matching(raw)
        hidden = {name: rows for name, rows in mask_columns(mask, columns).items() if rows.any()}
        made = self._decode(x)
        for column in self.columns:
            if column.name in hidden:
                known = columns[column.name]
                known = to_texts(known) if column.kind == "categorical" else to_numbers(known, column.name)
                made[column.name] = np.where(hidden[column.name], made[column.name], known)
        return with_columns(raw, {name: made[name] for name in hidden}, hidden, self.schema)

    def _decode(self, x: Float[np.ndarray, "row feature"]) -> Columns:
        return {column.name: column.decode(x[:, place]) for column, place in self._placed()}

    def _placed(self) -> Iterator[tuple[Column, slice]]:
        """The columns, and where their features are."""
        return zip(self.columns, self._slices, strict=True)

    def describe(self, x: Float[np.ndarray, "row feature"]) -> list[list[Any]]:
        """The value of each element of each row, in the user's unit: what an explanation shows.

        A category that did not occur in training is `UNSEEN`, a missing one None.
        """
        described = []
        for column, place in self._placed():
            features = x[:, place]
            values = column.decode(features)
            if column.kind == "categorical":
                values[features[:, 0] > 0.5] = UNSEEN
            described.append(values.tolist())
            if column.indicates_missing:
                described.append((features[:, 1] > 0.5).tolist())
        return [list(row) for row in zip(*described, strict=True)]

    def likeliest(self, x: Float[np.ndarray, "row feature"], top: int = 3) -> list[list[dict[str, float] | None]]:
        """For each element of each row its `top` likeliest categories with their probabilities; None: it has none."""
        names = {column.name: ("(any other)", *column.categories) for column in self.columns}
        return [
            [
                _likeliest(row[block.start : block.stop], names[element], top) if block.kind == "categorical" else None
                for element, block in zip(self.elements, self.blocks, strict=True)
            ]
            for row in x
        ]

    def graph(self, graph: Graph) -> Node:
        """Columns, scaled or looked up; one input "X" (row, column) for arrays of numbers, else one per column."""
        texts = [column for column in self.columns if column.kind == "categorical"]
        numeric = [column for column in self.columns if column.kind == "numeric"]
        binary = [column for column in self.columns if column.kind == "binary"]
        numbers = self._numbers(graph, [*numeric, *binary], alone=not texts)
        parts: dict[str, Node] = {}
        if numeric:
            values = numbers.take(np.arange(len(numeric)), axis=1)
            centre = np.array([column.centre for column in numeric])
            missing = values.op("IsNaN")
            filled = graph.op("Where", missing, centre, values)
            scaled = arcsinh_graph((filled - centre) / np.array([column.scale for column in numeric])).to(np.float32)
            scaled = graph.op("Where", missing, np.array([column.missing for column in numeric], np.float32), scaled)
            parts["numeric"] = graph.concat([scaled, missing.to(np.float32)], axis=1)
        if binary:
            values = numbers.take(len(numeric) + np.arange(len(binary)), axis=1)
            known = graph.op("Where", values.op("IsNaN"), 0.0, values.op("Clip", 0.0, 1.0))
            parts["binary"] = known.to(np.float32)
        places = {column.name: [i, len(numeric) + i] for i, column in enumerate(numeric)}
        places |= {column.name: [2 * len(numeric) + i] for i, column in enumerate(binary)}
        start = 2 * len(numeric) + len(binary)
        for column in texts:
            parts[column.name] = column.graph(graph.input(input_name(column.name), np.str_, ["row"]))
            width = len(column.categories) + 1
            places[column.name] = list(range(start, start + width))
            start += width
        order = [at for column, of in self._placed() for at in places[column.name][: of.stop - of.start]]
        return graph.concat(list(parts.values()), axis=1).take(np.array(order), axis=1)

    def _numbers(self, graph: Graph, columns: list[Column], *, alone: bool) -> Node:
        if alone and self._is_array:
            places = np.array([int(column.name.removeprefix("x")) for column in columns])
            return graph.input("X", np.float64, ["row", self.n_columns]).take(places, axis=1)
        inputs = [graph.input(input_name(column.name), np.float64, ["row"]).expand_dims(1) for column in columns]
        return graph.concat(inputs, axis=1) if inputs else graph.constant(np.zeros((1, 0)))

    def interface(self) -> dict[str, Any]:
        """Names and kinds of the columns, and whether they come as one array."""
        return {
            "columns": [{"name": column.name, "kind": column.kind} for column in self.columns],
            "form": self.form if self._is_array or self.form != "numpy" else "mapping",
            "n_columns": self.n_columns,
        }

    @property
    def _is_array(self) -> bool:
        """Whether the training table was one array: a mapping of arrays has names of its own."""
        places = {f"x{place}" for place in range(self.n_columns)}
        return self.form == "numpy" and all(column.name in places for column in self.columns)

    def state(self) -> dict[str, Any]:
        """Columns, form and types (packed) as JSON values."""
        return {
            "columns": [asdict(column) for column in self.columns],
            "form": self.form,
            "n_columns": self.n_columns,
            "schema": b64encode(self.schema.serialize().to_pybytes()).decode("ascii"),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "FittedTabular":
        """The inverse of `state`."""
        columns = [Column(**{**column, "categories": tuple(column["categories"])}) for column in state["columns"]]
        schema = pa.ipc.read_schema(pa.py_buffer(b64decode(state["schema"], validate=True)))
        return cls(tuple(columns), state["form"], state["n_columns"], schema)


def _likeliest(probabilities: Float[np.ndarray, " category"], names: tuple[str, ...], top: int) -> dict[str, float]:
    order = np.argsort(-probabilities, kind="stable")[:top]
    return {names[i]: round(float(probabilities[i]), 4) for i in order}


Tabular.fitted = FittedTabular
