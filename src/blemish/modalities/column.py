"""One column of a table as features, and back."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Real

from blemish.core.graph import ML, Node
from blemish.data.columns import to_numbers, to_texts

MISSING = "(missing)"


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
    """

    name: str
    kind: str
    centre: float = 0.0
    scale: float = 1.0
    categories: tuple[str, ...] = ()
    indicates_missing: bool = False

    def encode(self, column: np.ndarray) -> Float[np.ndarray, "row feature"]:
        """Features of a column that is not numeric (else see `scaled_numbers`), shape (row, width of the column)."""
        if self.kind == "categorical":
            code_of = {category: i + 1 for i, category in enumerate(self.categories)}
            codes = [code_of.get(MISSING if v is None else v, 0) for v in to_texts(column)]
            return np.eye(len(self.categories) + 1)[codes]
        numbers = to_numbers(column, self.name)
        return np.where(np.isnan(numbers), 0.0, np.clip(numbers, 0, 1))[:, None]

    def decode(self, features: Float[np.ndarray, "row feature"]) -> np.ndarray:
        """The most likely value of each row, in the user's unit."""
        if self.kind == "categorical":
            known = np.array([*self.categories, None], dtype=object)
            values = known[features[:, 1:].argmax(1)] if self.categories else np.full(len(features), None)
            return np.array([None if value == MISSING else value for value in values], dtype=object)
        if self.kind == "binary":
            return features[:, 0] > 0.5
        numbers = np.sinh(np.clip(features[:, 0], -30, 30)) * self.scale + self.centre
        return np.where(features[:, 1] > 0.5, np.nan, numbers) if self.indicates_missing else numbers

    def graph(self, texts: Node) -> Node:
        """One-hot features of a category as part of an ONNX graph, shape (row, width of the column)."""
        codes = texts.op(
            "LabelEncoder",
            domain=ML,
            keys_strings=list(self.categories),
            values_int64s=list(range(1, len(self.categories) + 1)),
            default_int64=0,
        )
        return codes.op("OneHot", np.array([len(self.categories) + 1]), np.array([0.0, 1.0], np.float32), axis=1)

    @property
    def widths(self) -> tuple[tuple[str, str, int], ...]:
        """Name, kind and number of features of each block."""
        if self.kind == "categorical":
            return ((self.name, "categorical", len(self.categories) + 1),)
        first = (self.name, self.kind, 1)
        return (first, (f"{self.name} (missing)", "binary", 1)) if self.indicates_missing else (first,)


def scaled_numbers(
    numbers: Real[np.ndarray, "row column"], centre: Float[np.ndarray, " column"], scale: Float[np.ndarray, " column"]
) -> tuple[Float[np.ndarray, "row column"], Bool[np.ndarray, "row column"]]:
    r"""Numbers on the network's scale, and which are missing.

    .. math:: \operatorname{arsinh}((x - c) / s)

    in doubles, so that every implementation rounds to the same float32: a tree splits exactly at such a number.

    Args:
        numbers: Shape (row, column), NaN where missing.
        centre: Of each column.
        scale: Of each column, > 0.

    Returns:
        Shape (row, column), float32, 0 where missing; and where that is.

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
