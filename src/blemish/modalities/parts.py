"""Parts of samples, such as the patches of a picture: what is measured of each, and which hold the defect."""

from abc import abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int
from torch import Tensor

from blemish.core.graph import Node
from blemish.modalities.modality import FittedModality


@dataclass(frozen=True)
class Parts:
    """The parts of some rows.

    Rows that are taken share the arrays of the rows that they were taken from: nothing is copied.

    Attributes:
        values: Features of each part, shape (part, feature), float32 or, to learn from, float16.
        distance: How far each part is from the usual ones, float32. Rows and `evenly` have it as the last feature.
        starts: The first part of each row.
        counts: Number of parts of each row, >= 1.
        marked: In which parts the user said that the defect is, shape (part,).
        n_details: How many of the features, the last of `values`, are for marked parts: too noisy without a mark.
    """

    values: Float[np.ndarray, "part feature"]
    distance: Float[np.ndarray, " part"]
    starts: Int[np.ndarray, " row"]
    counts: Int[np.ndarray, " row"]
    marked: Bool[np.ndarray, " part"]
    n_details: int = 0

    @classmethod
    def of(
        cls,
        rows: Sequence[Float[np.ndarray, "_ feature"]],
        marked: Sequence[Bool[np.ndarray, " _"] | None],
        n_details: int = 0,
    ) -> "Parts":
        """From the parts of each row, at least one row.

        Args:
            rows: Features of the parts of each row, the distance last.
            marked: For each row which of its parts are marked; None: none.
            n_details: See `Parts`.
        """
        counts = np.array([len(row) for row in rows])
        flags = [np.zeros(len(row), bool) if one is None else one for row, one in zip(rows, marked, strict=True)]
        values = np.empty((counts.sum(), rows[0].shape[1] - 1), rows[0].dtype)
        distance, start = np.empty(len(values), np.float32), 0
        left = deque(rows)
        del rows  # whoever gives a list of its own does not hold all parts twice
        while left:
            row = left.popleft()
            values[start : start + len(row)], distance[start : start + len(row)] = row[:, :-1], row[:, -1]
            start += len(row)
        return cls(values, distance, np.cumsum(counts) - counts, counts, np.concatenate(flags), n_details)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.counts)

    def __getitem__(self, rows: Bool[np.ndarray, " row"] | Int[np.ndarray, " some"] | slice) -> "Parts":
        """Some of the rows."""
        return replace(self, starts=self.starts[rows], counts=self.counts[rows])

    def __iter__(self) -> Iterator[Float[np.ndarray, "_ feature"]]:
        """The features of the parts of each row, the distance last."""
        return (self._joined(place) for place in self._places())

    def _joined(self, places: slice | Int[np.ndarray, " some"]) -> Float[np.ndarray, "some feature"]:
        """Faster than joining them by NumPy, where one of them is float16."""
        values = self.values[places]
        joined = np.empty((len(values), values.shape[1] + 1), np.float32)
        joined[:, :-1], joined[:, -1] = values, self.distance[places]
        return joined

    @property
    def any_marked(self) -> bool:
        """Whether any part of these rows is marked."""
        return any(mark.any() for mark in self.marks())

    def marks(self) -> Iterator[Bool[np.ndarray, " _"]]:
        """The marks of the parts of each row."""
        return (self.marked[place] for place in self._places())

    def _places(self) -> Iterator[slice]:
        ends = self.starts + self.counts
        return map(slice, self.starts.tolist(), ends.tolist())

    def evenly(self, most: int) -> tuple[Float[np.ndarray, "some feature"], Int[np.ndarray, " some"]]:
        """About this many parts, as many of each row, evenly spread over it; and the row of each."""
        per_row = max(1, -(-most // max(1, len(self))))
        kept = [np.linspace(0, n - 1, min(n, per_row)).astype(int) for n in self.counts.tolist()]
        places = np.concatenate([start + row for start, row in zip(self.starts.tolist(), kept, strict=True)])
        return self._joined(places), np.repeat(np.arange(len(self)), [len(row) for row in kept])


class HasParts(FittedModality):
    """A fitted modality whose samples have parts: the defect is in some of them.

    Parts are measured on the user's own samples, not on what the network sees of them. Without this interface a model
    scores whole samples only.
    """

    @classmethod
    @abstractmethod
    def masks(
        cls, raw: Any, regions: Any, kept: Bool[np.ndarray, " given"], group: Int[np.ndarray, " row"]
    ) -> list[Bool[np.ndarray, "..."] | None]:
        """Where the user marked the defect, as a mask, or None, for each raw sample.

        Args:
            raw: The samples that could be read.
            regions: One entry per sample that was given.
            kept: Which of these could be read.
            group: What the samples that could be read are labelled as.

        Raises:
            DataError: If there is another number of entries, or one of them is not a region in its sample.
            LabelError: If a sample that is not labelled as the defect has a region.
        """

    @abstractmethod
    def parts(self, raw: Any, regions: Sequence[Any] | None = None, most: int | None = None) -> Parts:
        """The parts of raw samples.

        Args:
            raw: Samples.
            regions: For each sample a mask in its own size, or None.
            most: Parts per row to keep, where a row has more: all marked ones, the most unusual, and others evenly
                spread; None: all, in their order.
        """

    @abstractmethod
    def with_details(self, details: bool) -> "HasParts":
        """The same, which measures the details of parts or does not: they tell more where the user marked parts."""

    @property
    @abstractmethod
    def part_width(self) -> int:
        """Numbers that are measured of each part; 0 if a file of before there were parts was read."""

    @abstractmethod
    def n_parts(self, sample: Any) -> int:
        """Number of parts of a raw sample, without measuring them."""

    @abstractmethod
    def heat(self, sample: Any, scores: Float[np.ndarray, " part"]) -> Float[np.ndarray, "*place"]:
        """The scores of all parts of one raw sample, brought to its own size."""


class ExportableParts(HasParts):
    """Parts that can be written as part of an ONNX graph, for samples of one size per batch.

    Attributes:
        part_step: The last two axes of what `part_values` takes are multiples of this.
    """

    part_step: ClassVar[int]

    @abstractmethod
    def part_input(self, samples: Node) -> Node:
        """Raw samples as what `part_values` takes, float32."""

    @abstractmethod
    def part_values(self, x: Float[Tensor, "row channel height width"]) -> Float[Tensor, "row part feature"]:
        """What is measured of all parts, in PyTorch alone, to be traced."""


class ExportableMaps(ExportableParts):
    """Parts of which a map, too, can be written as part of an ONNX graph."""

    @abstractmethod
    def heat_graph(self, samples: Node, scores: Node) -> Node:
        """`heat` of raw samples of one size, from scores (row, part) to float32, shape (row, height, width)."""
