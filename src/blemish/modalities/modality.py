"""What a kind of data has to offer, and what all kinds share.

A new kind of data is one file with two classes and one line in `MODALITIES`: nothing outside this folder and `data`
asks which kind it is, only what it offers.
"""

from abc import ABC, abstractmethod
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_matrix
from torch import Tensor

from blemish.core.errors import ArtifactError, DataError
from blemish.core.graph import Exportable, Graph, Node
from blemish.core.manifest import checked
from blemish.core.output import Block
from blemish.data.dataset import Note

SEGMENTS = 8  # of the last axis, where an explanation has no better elements to name


@dataclass(frozen=True)
class OnPage:
    """How the review page shows and fits a kind of data.

    Attributes:
        shown_as: 'cells' of a row, 'prose', a 'picture', the 'frames' of a clip, or a 'curve' per channel.
        max_fitted: Samples that its model is fitted on, at most; above that a random part and whatever is labelled.
        at_once: Samples that are scored between two looks at the ranking.
        glance: Whether a first fit takes so long that a ranking by reconstruction error comes before it.
        reasons: What an explanation is made of: 'score', or where that takes too long for a page, 'error'.
    """

    shown_as: Literal["cells", "prose", "picture", "frames", "curve"]
    max_fitted: int = 10_000
    at_once: int = 2000
    glance: bool = False
    reasons: Literal["score", "error"] = "score"


class FittedModality(ABC):
    """How raw samples of one kind become tensors, learnt from the training data.

    Attributes:
        stored: What `state` gives and a file holds: a `TypedDict` that is `declared` (see `core.manifest`).
        sample_shape: Shape of one sample as a tensor.
        blocks: The columns, where the features of a sample are those of columns.
        names: The columns that raw samples must have.
        elements: A name for each element of the error map where elements have names (columns, words); else empty.
        n_columns: Columns of the training data, those left out included; 0 where samples have no columns.
        n_frames: Frames of a sample; None where it has none.
        reference_rows: Whether the model file keeps some held-out rows, to compare new data with by element.
        min_change: Elements in which no value of a tensor changes by more are not replaced in explanations.
    """

    stored: ClassVar[type[Any]]
    sample_shape: tuple[int, ...]
    blocks: tuple[Block, ...] = ()
    names: tuple[str, ...] = ()
    elements: tuple[str, ...] = ()
    n_columns: int = 0
    n_frames: int | None = None
    reference_rows: ClassVar[bool] = False
    min_change: ClassVar[float] = 0.0

    def __init_subclass__(cls, **options: Any) -> None:
        """Refuse a kind of data that can be read from a file and does not declare what is there: raises TypeError."""
        super().__init_subclass__(**options)
        if "from_state" in vars(cls) and not hasattr(cls, "stored"):
            raise TypeError(f"{cls.__name__} needs a class attribute 'stored', the TypedDict that its state gives")

    @abstractmethod
    def to_tensor(self, raw: Any) -> Float[np.ndarray, "row *sample"] | csr_matrix:
        """Raw samples as float32, sparse where most are zeros; raises DataError naming row and column."""

    @abstractmethod
    def to_raw(self, x: Float[np.ndarray, "row *sample"]) -> Any:
        """Tensors back in the user's units and form."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """All that was learnt, as JSON values."""

    @classmethod
    @abstractmethod
    def from_state(cls, state: Any) -> "FittedModality":
        """The inverse of `state`, of a dictionary of the kind `stored`; ArtifactError where its parts do not fit."""

    @classmethod
    def of_file(cls, state: dict[str, Any]) -> "FittedModality":
        """`from_state` of what a file holds: raises ArtifactError if that is not what `stored` declares."""
        return cls.from_state(checked(cls.stored, state, "the kind of data"))

    def in_parts(self, raw: Any) -> bool:
        """Whether slices of raw samples become the tensors that all of them together become."""
        return False

    # What is said ------------------------------------------------------------------------------------------------

    def kinds(self) -> list[dict[str, Any]]:
        """The columns of the training data with their kinds, those left out with the reason, as JSON values."""
        return []

    def notes(self) -> list[Note]:
        """What the fit decided about the data that could surprise the person whose data they are."""
        return []

    def tally(self, raw: Any) -> Counter[tuple[str, ...]]:
        """How many samples or cells are not read as they stand, of each sort; those of parts of the data add up."""
        return Counter()

    def notes_from(self, tally: Counter[tuple[str, ...]]) -> list[Note]:
        """What a tally says: cells read as missing, categories that training lacked."""
        return []

    def notes_of(self, raw: Any) -> list[Note]:
        """What of these samples is not read as it stands."""
        return self.notes_from(self.tally(raw))

    def near_copies(self, x: Any, is_defect: Bool[np.ndarray, " row"]) -> Int[np.ndarray, " row"] | None:
        """Groups of rows that show the same thing as a labelled defect does; None: none, or it cannot be told."""
        return None

    def to_mask(self, raw: Any, mask: Any) -> Bool[np.ndarray, "row *sample"]:
        """A mask over what the user sees as one over tensors; raises DataError where it does not fit."""
        raise DataError("these data have no cells or pixels to mask; inpainting is for tables, images and video")

    def fill(self, raw: Any, mask: Any, x: Float[np.ndarray, "row *sample"]) -> Any:
        """The user's samples with what is masked, and nothing else, taken from tensors."""
        return self.to_mask(raw, mask)

    @property
    def widths(self) -> Mapping[str, int]:
        """Features of each feature set, by name: what a scorer from a file must fit."""
        return {name: x.shape[1] for name, x in self.features(torch.zeros(1, *self.sample_shape)).items()}

    def features(self, x: Float[Tensor, "row *sample"]) -> dict[str, Float[Tensor, "row feature"]]:
        """Feature sets of each row, by name, in addition to the network's code and error; none by default."""
        return {}

    def shown(self, x: Float[np.ndarray, "row *sample"]) -> list[list[Any]]:
        """`describe` with a word for a value that is missing though it never was in training."""
        return self.describe(x)

    # Explanations ------------------------------------------------------------------------------------------------

    def describe(self, x: Float[np.ndarray, "row *sample"]) -> list[list[Any]]:
        """The value of each named element of each row, in the user's unit.

        Without a better idea: the numbers of the tensor, for elements that are one number each.
        """
        return x.reshape(len(x), -1).tolist()

    def matters(
        self, x: Float[np.ndarray, "row *sample"], error: Float[np.ndarray, "row element"]
    ) -> Bool[np.ndarray, "row element"] | None:
        """Which named elements explain a row; None: all."""
        return None

    def likeliest(self, x: Float[np.ndarray, "row *sample"]) -> list[list[dict[str, float] | None]] | None:
        """For each element of each row its likeliest categories with their probabilities; None: it has none."""
        return None

    def regions(
        self, error_map: Float[np.ndarray, "row *sample"]
    ) -> tuple[tuple[str, ...], Float[np.ndarray, "row element"]]:
        """Names and mean errors of the parts of a sample that an explanation tells apart.

        Without a better idea: an eighth of the last axis, for each place of the other axes.
        """
        shape = error_map.shape[1:]
        means = [error_map[:, *place].mean(axis=1) for place in _segments(shape)]
        names = [", ".join(map(str, place[:-1])) for place in _segments(shape)]
        spans = [f"{place[-1].start}-{place[-1].stop - 1}" for place in _segments(shape)]
        return tuple(f"{n}: {s}" if n else s for n, s in zip(names, spans, strict=True)), np.stack(means, axis=1)

    def boxes(self, raw: Any) -> Int[np.ndarray, "row element 4"] | None:
        """x, y, width and height of each of `regions` in raw samples, in pixels; None where samples have no pixels."""
        return None

    def held(self, sample: Float[Tensor, "*sample"], kept: Bool[np.ndarray, " element"]) -> list[int]:
        """Numbers, among the kept elements, of those that a sample has: what `replaced` replaces."""
        return list(range(int(kept.sum())))

    def replaced(
        self, sample: Float[Tensor, "*sample"], typical: Float[Tensor, "*sample"]
    ) -> Float[Tensor, "element *sample"]:
        """A copy of a sample for each of its elements, with that element as in the typical sample."""
        places = _segments(tuple(sample.shape))
        copies = sample.repeat(len(places), *(1,) * sample.ndim)
        for copy, place in zip(copies, places, strict=True):
            copy[place] = typical[place]
        return copies


def _segments(shape: tuple[int, ...]) -> list[tuple[Any, ...]]:
    """Places of the segments of the last axis, for each place of the other axes."""
    edges = np.linspace(0, shape[-1], min(SEGMENTS, shape[-1]) + 1).astype(int).tolist()
    return [(*place, slice(*span)) for place in product(*map(range, shape[:-1])) for span in pairwise(edges)]


class ExportableModality(FittedModality, Exportable):
    """A fitted modality that can be written as part of an ONNX graph; without it a model has no export.

    Attributes:
        inputs: The form of what the graph is fed, see `blemish.onnx.runtime.FEEDS`: 'array' for samples as they are.
    """

    inputs: ClassVar[str]

    @abstractmethod
    def graph(self, graph: Graph) -> Node:
        """`to_tensor` as part of an ONNX graph, with the inputs that it needs; float32, shape (row, *sample)."""

    def interface(self) -> dict[str, Any]:
        """What has to be known, as JSON values, to feed these inputs from raw samples."""
        return {}


class Modality(ABC):
    """A kind of data before fitting: a frozen dataclass of choices.

    Attributes:
        backbone: The default network family, by name or with options.
        loss: Name of the default reconstruction error.
        synthetic: Name of the function that makes synthetic outliers of normals.
        augmentation: Name of the function that varies a sample at random.
        pretext: Loss terms that the default objective gains alongside a contrast: the data teach the code by
            themselves.
        scorer: Name of the default scorer.
        experts: For the ensemble: feature set → experts by name, or with options.
        far: Feature sets in which what lies beyond all training rows is an outlier, see `blemish.scoring.far`.
        batch_size: Rows per batch.
        on_page: How the review page treats it.
        fitted: The class that `fit` returns.
    """

    # Defaults that work for tensors of any shape.
    backbone: ClassVar[Any] = "mlp"
    loss: ClassVar[str] = "mse"
    synthetic: ClassVar[str] = "swap_columns"
    augmentation: ClassVar[str] = "hide_columns"
    pretext: ClassVar[tuple[str, ...]] = ()
    scorer: ClassVar[str] = "ensemble"
    experts: ClassVar[Mapping[str, list[Any]]] = {"code": ["linear", "kernel", "trees"], "error": ["value"]}
    far: ClassVar[tuple[str, ...]] = ()
    batch_size: ClassVar[int] = 32
    on_page: ClassVar[OnPage]
    fitted: ClassVar[type[FittedModality]]

    @abstractmethod
    def fit(self, raw: Any) -> FittedModality:
        """Learn scaling and vocabulary; raises DataError when nothing can be learnt."""

    def fit_sample(self, raw: Any, n_rows: int, gaps: Collection[str]) -> FittedModality:
        """`fit` on a random part, in order, of `n_rows` rows; `gaps`: columns in which some of these lack a value."""
        return self.fit(raw)

    def fit_part(self, raw: Any, whole: FittedModality) -> FittedModality:
        """`fit` on some of the rows of a fit: what of the data is used, and as what, is as there."""
        return self.fit(raw)

    def latent_dim(self, sample_shape: tuple[int, ...]) -> int:
        """The default width of the code."""
        return 32


# For states and masks ------------------------------------------------------------------------------------------------


def packed(x: np.ndarray) -> str:
    """An array as text, for `FittedModality.state`: float32, in base64."""
    return b64encode(np.ascontiguousarray(x, dtype="<f4").tobytes()).decode("ascii")


def unpacked(text: str, width: int) -> Float[np.ndarray, "row width"]:
    """The inverse of `packed`, in rows of a width.

    Raises:
        ArtifactError: If it holds no row, a part of one, or a number that is not finite.
    """
    try:
        x = np.frombuffer(b64decode(text, validate=True), dtype="<f4").reshape(-1, width)
    except ValueError:
        raise ArtifactError(f"packed numbers are not whole rows of {width}") from None
    if not len(x) or not np.isfinite(x).all():
        raise ArtifactError("packed numbers are none, or not finite")
    return x


def to_booleans(mask: Any) -> Bool[np.ndarray, "..."]:
    """A mask as booleans; whole numbers other than 0 count as True.

    Raises:
        DataError: If it holds any other values.

    Example:
        >>> to_booleans([[0, 255]])
        array([[False,  True]])
    """
    try:
        array = np.asarray(mask)
    except ValueError:
        raise DataError("the mask is ragged; give one value per cell or pixel") from None
    if array.dtype.kind in "bui":
        return array.astype(bool)
    if array.dtype.kind == "O" and all(isinstance(value, (bool, np.bool_)) for value in array.flat):
        return array.astype(bool)
    if array.dtype.kind == "f" and np.isin(array, (0.0, 1.0)).all():
        return array.astype(bool)
    raise DataError(f"the mask holds {array.dtype} values; give booleans, True where to fill in")
