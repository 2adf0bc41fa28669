"""Some rows of a stream, kept in one pass over data that do not fit into memory."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Int

from blemish.data.dataset import take


class StreamSample(ABC):
    """Rows of chunks that come one after the other: `add` each, then ask for what was `kept`."""

    def __init__(self) -> None:
        """Begin."""
        self._parts: list[Any] = []

    @abstractmethod
    def _chosen(self, n: int) -> Int[np.ndarray, " some"]:
        """Which of the next n rows are kept, ascending."""

    def add(self, X: Any) -> None:
        """The next chunk."""
        places = self._chosen(len(X))
        if len(places):
            self._parts.append(take(X, places.tolist()))

    def kept(self) -> Any:
        """The sample, in the order and form of the chunks."""
        return self._parts[0] if len(self._parts) == 1 else _joined(self._parts)


class EvenSample(StreamSample):
    """Every k-th row, at most `most` of `n_rows`: what slicing them all would give."""

    def __init__(self, n_rows: int, most: int) -> None:
        """Settle the step.

        Args:
            n_rows: Rows of the stream.
            most: Rows that may be kept.
        """
        super().__init__()
        self._step, self._seen = max(1, -(-n_rows // most)), 0

    def _chosen(self, n: int) -> Int[np.ndarray, " some"]:
        first = -self._seen % self._step
        self._seen += n
        return np.arange(first, n, self._step)


class RandomSample(StreamSample):
    """Rows drawn uniformly without knowing how many will come: those with the smallest random numbers."""

    def __init__(self, most: int, rng: np.random.Generator) -> None:
        """Begin.

        Args:
            most: Rows that are kept.
            rng: Source of the numbers.
        """
        super().__init__()
        self._most, self._rng, self._cut = most, rng, 1.0
        self._numbers: list[np.ndarray] = []

    def _chosen(self, n: int) -> Int[np.ndarray, " some"]:
        drawn = self._rng.random(n)
        places = np.flatnonzero(drawn < self._cut)
        if len(places):
            self._numbers.append(drawn[places])
        return places

    def add(self, X: Any) -> None:
        """The next chunk."""
        super().add(X)
        # Twice as many may pile up: thinning out at every chunk would copy the sample each time.
        if sum(map(len, self._numbers)) > 2 * self._most:
            self._thin_out()

    def kept(self) -> Any:
        """The sample, in the order and form of the chunks."""
        if sum(map(len, self._numbers)) > self._most:
            self._thin_out()
        return super().kept()

    def _thin_out(self) -> None:
        numbers, rows = np.concatenate(self._numbers), _joined(self._parts)
        self._cut = float(np.partition(numbers, self._most)[self._most])
        places = np.flatnonzero(numbers < self._cut)
        self._numbers, self._parts = [numbers[places]], [take(rows, places.tolist())]


def _joined(parts: Sequence[Any]) -> Any:
    if isinstance(parts[0], pa.Table):
        return pa.concat_tables(parts, promote_options="permissive").combine_chunks()
    return np.concatenate(parts) if isinstance(parts[0], np.ndarray) else [row for part in parts for row in part]
