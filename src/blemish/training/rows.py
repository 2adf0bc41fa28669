"""Rows that are not a dense tensor: sparse ones, and those in a file."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_matrix
from torch import Tensor

from blemish.core.output import Groups, Samples


class SparseRows:
    """A stand-in for a tensor (row, feature) from which training and scoring take whole rows.

    Indexing keeps rows sparse, `split` gives dense chunks (decisions.md 14). 100,000 texts of 100 words out of
    5,000 are 80 MB, not 2 GB.

    Example:
        >>> rows = SparseRows(csr_matrix([[0.0, 1.0], [2.0, 0.0]]), torch.device("cpu"))
        >>> rows[torch.tensor([1, 0])].to_dense()
        tensor([[2., 0.],
                [0., 1.]])
    """

    def __init__(self, matrix: csr_matrix, device: torch.device) -> None:
        """Keep the rows.

        Args:
            matrix: Shape (row, feature).
            device: Where dense chunks go.
        """
        self.matrix, self.device = matrix, device

    def __len__(self) -> int:
        """Number of rows."""
        return int(self.matrix.shape[0])  # pyright: ignore[reportOptionalSubscript]

    def __getitem__(self, index: Tensor) -> "SparseRows":
        """Some of the rows, by number, in that order; still sparse."""
        return SparseRows(self.matrix[index.cpu().numpy()], self.device)

    def split(self, sizes: int | Sequence[int]) -> Iterator[Float[Tensor, "chunk feature"]]:
        """Dense chunks of one size (the last may be shorter), or of the sizes given."""
        n = len(self)
        lengths = [sizes] * -(-n // sizes) if isinstance(sizes, int) else sizes
        start = 0
        for length in lengths:
            chunk = self.matrix[start : start + length].astype(np.float32).toarray()
            start += length
            yield torch.from_numpy(chunk).to(self.device)

    def to_dense(self) -> Float[Tensor, "row feature"]:
        """All rows at once."""
        return torch.from_numpy(self.matrix.toarray()).to(self.device, torch.float32)


TensorRows = Tensor | SparseRows
"""Samples of a whole data set, (row, *sample)."""


SHARD_BYTES = 2**20
BUFFER_SHARDS = 32


class ShardedRows:
    """A stand-in for a tensor (row, *sample) whose float32 numbers lie in a file.

    It does what training and scoring need: some rows by number, all in chunks, and all in random order. Indexing with
    the numbers of rows gives dense rows; `only` selects rows and leaves them on disk. See decisions.md 39.

    Reference:
        The order is that of WebDataset and `tf.data`: shards in random order, shuffled within a buffer of some of them.
        Unlike theirs each buffer is shuffled as a whole, so that every row of it may come at any place of it.
    """

    def __init__(
        self,
        path: Path,
        sample_shape: Sequence[int],
        device: torch.device,
        *,
        rows: Int[np.ndarray, " row"] | None = None,
    ) -> None:
        """Open a file that `append` wrote.

        Args:
            path: The file.
            sample_shape: Of a row.
            device: Where dense rows go.
            rows: Which rows of the file count, ascending; None: all.
        """
        self.path, self.shape, self.device = path, tuple(sample_shape), device
        self._width = int(np.prod(self.shape))
        self._in_file = path.stat().st_size // (4 * self._width)
        self._rows = rows

    @staticmethod
    def append(file: Path, x: Float[np.ndarray, "row *sample"]) -> None:
        """Append rows."""
        with file.open("ab") as handle:
            np.ascontiguousarray(x, dtype=np.float32).tofile(handle)

    def __len__(self) -> int:
        """Number of rows that count."""
        return self._in_file if self._rows is None else len(self._rows)

    def only(self, rows: Int[np.ndarray, " row"]) -> "ShardedRows":
        """Some of the rows, ascending, still on the disk."""
        chosen = rows if self._rows is None else self._rows[rows]
        return ShardedRows(self.path, self.shape, self.device, rows=chosen)

    def __getitem__(self, index: Tensor) -> Float[Tensor, "row *sample"]:
        """Some of the rows, by number, in that order."""
        places = index.cpu().numpy()
        places = places if self._rows is None else self._rows[places]
        order = np.argsort(places, kind="stable")
        found = np.empty((len(places), self._width), dtype=np.float32)
        with self.path.open("rb") as file:
            for place in order:
                file.seek(int(places[place]) * 4 * self._width)
                found[place] = np.fromfile(file, np.float32, self._width)
        return self._dense(found)

    def split(self, size: int) -> Iterator[Float[Tensor, "chunk *sample"]]:
        """All rows in order, dense, this many at a time."""
        for start in range(0, len(self), size):
            yield self[torch.arange(start, min(start + size, len(self)))]

    def shuffled(
        self, wanted: Bool[np.ndarray, " row"], sizes: Sequence[int], generator: torch.Generator
    ) -> Iterator[tuple[Samples, Groups]]:
        """The wanted rows once, in random order, in batches of the given sizes, with their numbers.

        Args:
            wanted: Which of the rows, shape (row,).
            sizes: Rows of each batch; together all that are wanted.
            generator: Source of the order, on the CPU.
        """
        per_shard = max(1, SHARD_BYTES // (4 * self._width))
        place_of = self._places(wanted)
        n_shards = -(-self._in_file // per_shard)
        order = torch.randperm(n_shards, generator=generator).tolist()
        rest = np.empty((0, self._width), dtype=np.float32), np.empty(0, dtype=np.int64)
        left = iter(sizes)
        size = next(left)
        for first in range(0, n_shards, BUFFER_SHARDS):
            parts = [self._shard(shard, per_shard, place_of) for shard in order[first : first + BUFFER_SHARDS]]
            x, number = (np.concatenate([old, *new]) for old, new in zip(rest, zip(*parts, strict=True), strict=True))
            mixed = torch.randperm(len(x), generator=generator).numpy()
            x, number, done = x[mixed], number[mixed], 0
            while size and done + size <= len(x):
                yield self._dense(x[done : done + size]), torch.from_numpy(number[done : done + size])
                done, size = done + size, next(left, 0)
            rest = x[done:].copy(), number[done:].copy()

    def _places(self, wanted: Bool[np.ndarray, " row"]) -> Int[np.ndarray, " in_file"]:
        """For each row of the file its number among ours, -1 where it is not wanted."""
        places = np.full(self._in_file, -1, dtype=np.int32)
        numbers = np.flatnonzero(wanted).astype(np.int32)
        places[numbers if self._rows is None else self._rows[numbers]] = numbers
        return places

    def _shard(self, shard: int, per_shard: int, place_of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        start = shard * per_shard
        numbers = place_of[start : start + per_shard]
        x = np.fromfile(self.path, np.float32, len(numbers) * self._width, offset=4 * self._width * start)
        kept = numbers >= 0
        return x.reshape(len(numbers), self._width)[kept], numbers[kept].astype(np.int64)

    def _dense(self, x: Float[np.ndarray, "row feature"]) -> Tensor:
        return torch.from_numpy(x.reshape(len(x), *self.shape)).to(self.device)
