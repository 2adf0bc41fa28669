"""Rows that are mostly zeros, kept sparse until a batch needs them."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse import csr_matrix
from torch import Tensor


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
