"""A fitted table: its columns, how they become features, and back."""

from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, NotRequired

import numpy as np
import pyarrow as pa
import torch
from annotated_types import Len
from jaxtyping import Bool, Float
from torch import Tensor
from typing_extensions import TypedDict

from blemish.core.errors import ArtifactError, DataError, ExportError
from blemish.core.graph import Graph, Node
from blemish.core.manifest import Count, declared
from blemish.core.output import Block
from blemish.core.state import need
from blemish.core.threads import in_order
from blemish.data.columns import PARTS, Columns, input_name, matching_columns, to_texts
from blemish.data.dataset import Note
from blemish.modalities.column import (
    HALF,
    NO_CATEGORY,
    Column,
    ColumnFacts,
    a_time,
    arcsinh_graph,
    check_column,
    from_columns,
    is_place,
    likeliest_of,
    mask_columns,
    scaled_numbers,
    with_columns,
)
from blemish.modalities.free_text import FreeText, FreeTextFacts
from blemish.modalities.modality import ExportableModality
from blemish.modalities.table_notes import (
    LeftOut,
    LeftOutFacts,
    cells_of,
    facts_of,
    is_styled,
    kinds_line,
    notes_on,
    style_note,
)

UNSEEN = "(not seen in training)"
NEVER_MISSING = "(missing, never in training)"
UNKNOWN = 0.3  # of a number's spread: many rows with an unknown category are far, one in forty must not hide it
KINDS = ("numeric", "binary", "categorical")
NUMBERS = ("float32", "float64", "int32", "int64")
ENCODED_ROWS = 2048  # at a time: they stay in the processor's cache from the first step to the last (decisions.md 41)
ENCODED_TOGETHER = 32_768  # rows per thread


@declared
class TableFacts(TypedDict):
    """What a model file keeps of a table's columns; the schema is packed."""

    columns: Annotated[list[ColumnFacts], Len(1)]
    form: Annotated[str, Len(1, 40)]
    n_columns: Count
    schema: str
    texts: NotRequired[dict[str, FreeTextFacts]]
    left_out: NotRequired[list[LeftOutFacts]]


class FittedTabular(ExportableModality):
    """A table's columns and how they become features."""

    inputs, stored = "columns", TableFacts
    reference_rows: ClassVar[bool] = True

    def __init__(
        self,
        columns: tuple[Column, ...],
        form: str,
        n_columns: int,
        schema: pa.Schema,
        texts: Mapping[str, FreeText] = MappingProxyType({}),
        left_out: tuple[LeftOut, ...] = (),
    ) -> None:
        """Lay the columns out side by side.

        Args:
            columns: What the features are made of.
            form: Of the training table, see `to_columns`.
            n_columns: Of the training table.
            schema: Types of its columns.
            texts: What columns of free text became, by name.
            left_out: Its other columns.
        """
        self.columns, self.form, self.n_columns, self.schema = columns, form, n_columns, schema
        self.texts, self.left_out = dict(texts), left_out
        self.names = tuple(dict.fromkeys(column.of for column in columns))
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
        self._absent = np.array([column.absent for column in self._numeric], dtype=np.float32)

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
                    self._encode({c.name: columns[c.name][rows] for c in self.columns}, x[rows])
                else:
                    self._scale(array[rows], x[rows])

        for _ in in_order(encode, range(0, n_rows, ENCODED_TOGETHER), torch.get_num_threads()):
            pass
        return x

    def in_parts(self, raw: Any) -> bool:
        """Whether it is an array with all columns, all of them numbers."""
        plain = self._is_array and all(column.kind == "numeric" for column in self.columns)
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
        """The columns that features are made of, by name: numbers, or texts where they are categories."""
        given = self._matching(raw)
        of_text = {name: text.features(to_texts(given[name]).tolist()) for name, text in self.texts.items()}
        return {
            c.name: of_text[c.of][:, self.texts[c.of].parts.index(c.part)] if c.of in of_text else c.values(given[c.of])
            for c in self.columns
        }

    def _encode(self, columns: Columns, x: Float[np.ndarray, "row feature"]) -> None:
        """Write the features of all columns in place."""
        if self._numeric:
            self._scale(np.column_stack([columns[c.name] for c in self._numeric]), x)
        for c, place in self._placed():
            if c.kind != "numeric":
                x[:, place] = c.encode(columns[c.name])

    def _scale(self, numbers: np.ndarray, x: Float[np.ndarray, "row feature"]) -> None:
        """Write the features of the numeric columns in place."""
        scaled, missing = scaled_numbers(numbers, self._centre, self._scales)
        if missing.any():
            scaled = np.where(missing, self._absent, scaled)
        if len(self._numeric) == x.shape[1]:
            x[:] = scaled
            return
        marked = [i for i, column in enumerate(self._numeric) if column.indicates_missing]
        x[:, self._places] = scaled
        x[:, self._places[marked] + 1] = missing[:, marked]

    def features(self, x: Float[Tensor, "row feature"]) -> dict[str, Float[Tensor, "row feature"]]:
        """'scaled': what the network sees; 'plain': numbers without the arsinh, which hides how extreme they are.

        'numbers': these alone, and how many cells are of no known category. What is far is measured there: a category
        that is rare, but known, is far from nothing (decisions.md 78).
        """
        numbers = x.clamp(-30, 30).double().sinh().float()  # in doubles, see `scaled_numbers`
        first = {kind: [at.start for column, at in self._placed() if column.kind == kind] for kind in KINDS}
        number, binary, category = (torch.tensor(first[kind], dtype=torch.long, device=x.device) for kind in KINDS)
        is_number = torch.from_numpy(np.isin(np.arange(x.shape[1]), self._places)).to(x.device)
        unknown = x[:, category].sum(dim=1) + NO_CATEGORY * (x[:, binary] == HALF).sum(dim=1)
        return {
            "scaled": x,
            "plain": torch.where(is_number, numbers, x),
            "numbers": torch.cat([numbers[:, number], UNKNOWN * unknown[:, None]], dim=1),
        }

    def _matching(self, raw: Any) -> Columns:
        return matching_columns(raw, self.names, self.form, self.n_columns)

    def to_raw(self, x: Float[np.ndarray, "row feature"]) -> Any:
        """The most likely table, in the form and with the types of the training table."""
        return from_columns(self._decode(x), self.form, self.schema)

    def to_mask(self, raw: Any, mask: Any) -> Bool[np.ndarray, "row feature"]:
        """A mask over cells as one over features; DataError where it does not fit, or masks a column left out."""
        hidden = mask_columns(mask, self._matching(raw))
        whole = {column.name for column in self.columns if not column.source}
        left_out = [name for name, rows in hidden.items() if rows.any() and name not in whole]
        if left_out:
            raise DataError(f"column(s) {', '.join(map(repr, left_out))} cannot be filled in: not known to the model")
        widths = [place.stop - place.start for place in self._slices]
        return np.repeat(np.column_stack([hidden[column.of] for column in self.columns]), widths, axis=1)

    def fill(self, raw: Any, mask: Any, x: Float[np.ndarray, "row feature"]) -> Any:
        """The user's table with its masked cells, and no others, taken from features."""
        columns = self._matching(raw)
        hidden = {name: rows for name, rows in mask_columns(mask, columns).items() if rows.any()}
        made = self._decode(x)
        for column in self.columns:
            if column.name in hidden:
                known = columns[column.name]
                known = to_texts(known) if column.kind == "categorical" else column.values(known)
                made[column.name] = np.where(hidden[column.name], made[column.name], known)
        return with_columns(raw, {name: made[name] for name in hidden}, hidden, self.schema)

    def _decode(self, x: Float[np.ndarray, "row feature"]) -> Columns:
        """The columns of the training table that the model knows, without those of free text."""
        made = {column.name: column.decode(x[:, place]) for column, place in self._placed()}
        for column in self.columns:
            if column.part == "hour of day":
                days = made.pop(column.name.replace("hour of day", "day of week"), None)
                made[column.of] = a_time(made.pop(column.name), days, column.form)
            elif column.of in self.texts:
                made.pop(column.name)
        return {name: made[name] for name in self.names if name in made}

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
            if column.kind != "numeric":
                values = values.astype(object)
                values[column.is_absent(features)] = None
            described.append(values.tolist())
            if column.indicates_missing:
                described.append((features[:, 1] > 0.5).tolist())
        return [list(row) for row in zip(*described, strict=True)]

    def shown(self, x: Float[np.ndarray, "row feature"]) -> list[list[Any]]:
        """`describe`, with `NEVER_MISSING` where that holds."""
        rows, at = self.describe(x), 0
        for column, place in self._placed():
            for row in np.flatnonzero(column.is_absent(x[:, place])).tolist():
                rows[row][at] = NEVER_MISSING
            at += len(column.widths)
        return rows

    # What is said ------------------------------------------------------------------------------------------------

    def kinds(self) -> list[dict[str, Any]]:
        """Name, kind and further facts of each column; of one left out why."""
        return facts_of(self.columns, list(self.texts), self.left_out)

    def notes(self) -> list[Note]:
        """One line of kinds, then a line for each column whose numbers are not written plainly."""
        return [kinds_line(self.n_columns, self.kinds()), *map(style_note, filter(is_styled, self.columns))]

    def tally(self, raw: Any) -> Counter[tuple[str, ...]]:
        """See `cells_of`."""
        given = self._matching(raw)
        return sum((cells_of(column, given[column.of]) for column in self.columns), Counter())

    def notes_from(self, tally: Counter[tuple[str, ...]]) -> list[Note]:
        """See `notes_on`."""
        return [note for column in self.columns for note in notes_on(column, tally)]

    def likeliest(self, x: Float[np.ndarray, "row feature"], top: int = 3) -> list[list[dict[str, float] | None]]:
        """For each element of each row its `top` likeliest categories with their probabilities; None: it has none."""
        names = {column.name: ("(any other)", *column.categories) for column in self.columns}
        return [
            [
                likeliest_of(row[block.start : block.stop], names[element], top)
                if block.kind == "categorical"
                else None
                for element, block in zip(self.elements, self.blocks, strict=True)
            ]
            for row in x
        ]

    def graph(self, graph: Graph) -> Node:
        """Columns, scaled or looked up; one input "X" (row, column) for arrays of numbers, else one per column.

        Raises:
            ExportError: If a column is read as free text.
        """
        if self.texts:
            raise ExportError(
                f"column {next(iter(self.texts))!r} is read as text, which has no ONNX graph; score with the model "
                "file instead, or fit without --text"
            )
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
            absent = np.array([column.absent for column in numeric], dtype=np.float32)
            if absent.any():
                scaled = graph.op("Where", missing, absent, scaled)
            parts["numeric"] = graph.concat([scaled, missing.to(np.float32)], axis=1)
        if binary:
            values = numbers.take(len(numeric) + np.arange(len(binary)), axis=1)
            absent = np.array([column.absent for column in binary])
            known = graph.op("Where", values.op("IsNaN"), absent, values.op("Clip", 0.0, 1.0))
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
            "columns": [
                {name: getattr(column, name) for name in ("name", "kind", "of", "part", "form")}
                | {"categories": list(column.categories)}
                | ({"style": list(column.style)} if is_styled(column) else {})
                for column in self.columns
            ],
            "form": self.form if self._is_array or self.form != "numpy" else "mapping",
            "n_columns": self.n_columns,
        }

    @property
    def _is_array(self) -> bool:
        """Whether the training table was one array: a mapping of arrays has names of its own."""
        return self.form == "numpy" and all(is_place(column.name, self.n_columns) for column in self.columns)

    def state(self) -> dict[str, Any]:
        """Columns, form and types (packed) as JSON values."""
        return {
            "columns": [asdict(column) for column in self.columns],
            "form": self.form,
            "n_columns": self.n_columns,
            "schema": b64encode(self.schema.serialize().to_pybytes()).decode("ascii"),
            "texts": {name: text.state() for name, text in self.texts.items()},
            "left_out": [asdict(one) for one in self.left_out],
        }

    @classmethod
    def from_state(cls, state: TableFacts) -> "FittedTabular":
        """The inverse of `state`."""
        try:
            schema = pa.ipc.read_schema(pa.py_buffer(b64decode(state["schema"], validate=True)))
        except (pa.ArrowException, ValueError, OSError) as error:
            raise ArtifactError(f"the types of the columns cannot be read ({error})") from None
        columns = [Column.from_state(column) for column in state["columns"]]
        need(len({(c.of, c.part) for c in columns}) == len(columns), "a column occurs twice")
        need(len({c.of for c in columns}) <= state["n_columns"], "there are more columns than the table had")
        for column in columns:
            check_column(column)
        if "texts" not in state:  # times were plain numbers then
            temporal = {field.name for field in schema if pa.types.is_temporal(field.type)}
            columns = [replace(c, part="seconds") if c.name in temporal else c for c in columns]
        texts = {name: FreeText.from_state(text) for name, text in state.get("texts", {}).items()}
        parts = {(name, part) for name, text in texts.items() for part in text.parts}
        of_text = {(c.of, c.part) for c in columns if c.part not in ("", *PARTS)}
        need(of_text == parts, "the columns of free text are not those of its topics")
        left_out = tuple(LeftOut(**one) for one in state.get("left_out", ()))
        return cls(tuple(columns), state["form"], state["n_columns"], schema, texts, left_out)
