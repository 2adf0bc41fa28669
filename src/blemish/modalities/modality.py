"""What a kind of data has to offer."""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float
from scipy.sparse import csr_matrix
from torch import Tensor

from blemish.core.graph import Graph, Node
from blemish.core.output import Block


@runtime_checkable
class FittedModality(Protocol):
    """How raw samples of one kind become tensors, learnt from the training data.

    Attributes:
        sample_shape: Shape of one sample as a tensor.
        blocks: The columns of a table; empty for other kinds.
        elements: A name for each element of the error map where elements have names (columns), else empty.
    """

    sample_shape: tuple[int, ...]
    blocks: tuple[Block, ...]

    @property
    def elements(self) -> tuple[str, ...]: ...

    def to_tensor(self, raw: Any) -> Float[np.ndarray, "row *sample"] | csr_matrix:
        """Raw samples as float32, sparse where most are zeros; raises DataError naming row and column."""
        ...

    def to_raw(self, x: Float[np.ndarray, "row *sample"]) -> Any:
        """Tensors back in the user's units and form."""
        ...

    def to_mask(self, raw: Any, mask: Any) -> Bool[np.ndarray, "row *sample"]:
        """A mask over what the user sees as one over tensors; raises DataError where it does not fit."""
        ...

    def fill(self, raw: Any, mask: Any, x: Float[np.ndarray, "row *sample"]) -> Any:
        """The user's samples with what is masked, and nothing else, taken from tensors."""
        ...

    def features(self, x: Float[Tensor, "row *sample"]) -> dict[str, Float[Tensor, "row feature"]]:
        """What there is to say of each row beside the network's code, by view."""
        ...

    def graph(self, graph: Graph) -> Node:
        """`to_tensor` as part of an ONNX graph, with the inputs that it needs; float32, shape (row, *sample)."""
        ...

    def interface(self) -> dict[str, Any]:
        """What has to be known, as JSON values, to feed these inputs from raw samples; see `blemish.onnx.runtime`."""
        ...

    def state(self) -> dict[str, Any]:
        """All that was learnt, as JSON values."""
        ...

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "FittedModality":
        """The inverse of `state`."""
        ...


@runtime_checkable
class PreparesParts(Protocol):
    """A fitted modality that may prepare some rows at a time, so that not all have to be there at once."""

    def in_parts(self, raw: Any) -> bool:
        """Whether slices of raw samples become what they become among all of them."""
        ...


@runtime_checkable
class Modality(Protocol):
    """A kind of data before fitting: a frozen dataclass of choices.

    Attributes:
        backbone: The default network family, by name or with options.
        loss: Name of the default reconstruction error.
        synthetic: Name of the function that makes outliers of normals.
        view: Name of the function that shows a sample a little differently.
        pretext: Loss terms that the default objective gains beside a contrast: the data teach the code by themselves.
        scorer: Name of the default scorer.
        experts: For the ensemble: view → experts by name, or with options.
        fitted: The class that `fit` returns.
    """

    backbone: ClassVar[Any]
    loss: ClassVar[str]
    synthetic: ClassVar[str]
    view: ClassVar[str]
    pretext: ClassVar[tuple[str, ...]]
    scorer: ClassVar[str]
    experts: ClassVar[Mapping[str, list[Any]]]
    fitted: ClassVar[type]

    def fit(self, raw: Any) -> FittedModality:
        """Learn scaling and vocabulary; raises DataError when nothing can be learnt."""
        ...

    def latent_dim(self, sample_shape: tuple[int, ...]) -> int:
        """The default width of the code."""
        ...
