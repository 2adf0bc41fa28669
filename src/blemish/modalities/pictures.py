"""What images and clips share: size, channels and range of pixels, masks, and the cells of an explanation."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import pairwise, product
from math import ceil
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from annotated_types import Len
from jaxtyping import Bool, Float, Shaped
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, adaptive_max_pool2d, avg_pool2d, interpolate
from typing_extensions import TypedDict

from blemish.core.errors import DataError
from blemish.core.graph import Graph, Node
from blemish.core.manifest import Size, declared
from blemish.core.state import need
from blemish.data.dataset import Note
from blemish.data.images import at_white, is_of_other_depth, match_channels
from blemish.modalities.modality import ExportableModality, to_booleans

GRID = 8  # cells per side that an explanation tells apart, of every frame of a clip
MIN_CHANGE = 1 / 255  # of a pixel: one level of an 8-bit picture
MAX_SIDE = 64  # of what the network sees, in pixels; feature sets of patches bring back what this loses
# Values of another range than in training would be scored as if nothing were wrong: decisions.md 28
MIN_WHITE = 255  # a model with at least this much for white was fitted on whole numbers
MAX_BLACK = 0.5  # a nearly black picture may well hold fractions below this


@dataclass(frozen=True)
class Pixels:
    """How a picture of any size becomes floats in [0, 1].

    Attributes:
        channels: 1 (grey), 3 (colour) or any other number of planes.
        size: Height and width in pixels.
        low: Value of black.
        high: Value of white.
    """

    channels: int
    size: tuple[int, int]
    low: float
    high: float

    def encode(
        self, picture: Shaped[np.ndarray, "*leading channel height width"]
    ) -> Float[np.ndarray, "*leading channel_out height_out width_out"]:
        """Match the channels, average down (or repeat up) to the size, and scale to [0, 1] by the training range.

        Raises DataError if the channels cannot be matched, or the values clearly have another range than in training.
        """
        self._check_range(picture)
        planes = match_channels(at_white(picture, self.white), self.channels)
        if planes.shape[-2:] != self.size:
            pooled = adaptive_avg_pool2d(torch.from_numpy(np.ascontiguousarray(planes, dtype=np.float32)), self.size)
            planes = pooled.numpy()
        return ((planes - self.low) / (self.high - self.low)).astype(np.float32)

    def scaled(
        self, picture: Shaped[np.ndarray, "channel height width"]
    ) -> Float[np.ndarray, "channel_out height width"]:
        """`encode` without a change of size."""
        self._check_range(picture)
        planes = match_channels(at_white(picture, self.white), self.channels).astype(np.float32)
        return (planes - np.float32(self.low)) / np.float32(self.high - self.low)

    @property
    def white(self) -> float | None:
        """White where black is 0: pictures of another depth are brought to it."""
        return self.high if self.low == 0 else None

    def _check_range(self, picture: Shaped[np.ndarray, "..."]) -> None:
        if picture.dtype.kind == "f" and self.low == 0 and self.high >= MIN_WHITE:
            brightest = picture.max()
            if MAX_BLACK < brightest <= 1 and picture.min() >= 0 and (picture % 1 > 0).any():
                raise DataError(
                    f"a picture holds fractions from 0 to {brightest:.3g}, the model was fitted on 0 to {self.high:g}; "
                    f"multiply by {self.high:g}"
                )
        if picture.dtype.kind in "ui" and (self.low, self.high) == (0, 1) and picture.max() > 1:
            raise DataError(
                f"a picture holds whole numbers up to {picture.max()}, the model was fitted on fractions from 0 to 1; "
                f"divide by {np.iinfo(picture.dtype).max} if that is white"
            )

    def graph(self, pictures: Node) -> Node:
        """`encode` as part of an ONNX graph, for pictures whose channels already match."""
        x = pictures.to(np.float64)
        for axis, length in ((-1, self.size[1]), (-2, self.size[0])):
            x = _pooled(x, axis, length)
        return ((x - self.low) / (self.high - self.low)).to(np.float32)

    def decode(self, x: Float[np.ndarray, "*leading height width"]) -> Float[np.ndarray, "*leading height width"]:
        """Back to the user's range; values outside it are clipped."""
        return np.clip(x, 0, 1) * (self.high - self.low) + self.low


def _pooled(x: Node, axis: int, length: int) -> Node:
    """Adaptive average pooling along one of the last two axes.

    A product with a matrix made from the length of the axis, because ONNX has no adaptive pooling of a free size.
    """
    graph = x.graph
    size = x.op("Shape").take(np.array(axis), axis=0)
    first = graph.constant(np.arange(length)[:, None]) * size / np.array(length)
    last = (graph.constant(np.arange(1, length + 1)[:, None]) * size + np.array(length - 1)) / np.array(length)
    place = graph.op("Range", np.array(0), size, np.array(1)).expand_dims(0)
    inside = (place >= first).op("And", place < last).to(np.float64)
    mean = inside / (last - first).to(np.float64)
    return x @ mean.op("Transpose", perm=[1, 0]) if axis == -1 else mean @ x


def chunks(x: Tensor, rows: int) -> Sequence[Tensor]:
    """This many rows at a time: intermediate results stay in the processor's cache; all at once in an export."""
    return [x] if torch.compiler.is_exporting() else x.split(rows)


def fit_pixels(pictures: Iterable[np.ndarray], size: tuple[int, int] | None) -> Pixels:
    """Learn size, channels and range; raises DataError if there are no pictures, or a value is not finite.

    Args:
        pictures: Arrays (channel, height, width), or clips of them.
        size: Height and width in pixels; None: the pictures' own, divided by the smallest whole number that brings
            both sides to at most 64; 64 x 64 where the sizes differ.
    """
    sizes, channels, dtypes, low, high, brightest = set(), 0, set(), np.inf, -np.inf, 0.0
    for picture in pictures:
        sizes.add(picture.shape[-2:])
        channels = max(channels, picture.shape[-3])
        dtypes.add(picture.dtype)
        low, high = min(low, float(picture.min())), max(high, float(picture.max()))
        brightest = max(brightest, float(picture.max())) if picture.dtype.kind == "f" else brightest
    if not sizes:
        raise DataError("there is no picture; check the folder and --glob")
    if not np.isfinite([low, high]).all():
        raise DataError("a picture holds NaN or infinity; replace those pixels")
    if 0 < brightest <= 1 < high:
        raise DataError(
            f"some pictures hold fractions up to {brightest:.3g}, others whole numbers up to {high:g}; bring them to "
            "one range"
        )
    if size is None and len(sizes) == 1:
        height, width = sizes.pop()
        factor = ceil(max(height, width) / MAX_SIDE)
        size = (ceil(height / factor), ceil(width / factor))
    height, width = size or (MAX_SIDE, MAX_SIDE)
    if all(dtype.kind == "u" for dtype in dtypes):
        low, high = 0.0, float(max(np.iinfo(dtype).max for dtype in dtypes))
    elif low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    return Pixels(channels, (height, width), low, high if high > low else low + 1.0)


def mask_pictures(mask: Any, pictures: Sequence[np.ndarray]) -> list[Bool[np.ndarray, "..."]]:
    """A mask over the pixels of each sample, in the sample's own shape; DataError if it has another, or is not a mask.

    Args:
        mask: In the shape of the samples, with or without the channel axis; one for all, or one per sample.
        pictures: Arrays (channel, height, width), or clips of them.
    """
    many = True
    if not isinstance(mask, np.ndarray) and not all(isinstance(one, np.ndarray) for one in mask):
        with suppress(ValueError):  # masks of several sizes stay a list
            mask = np.asarray(mask)
    if isinstance(mask, np.ndarray):
        alone = mask.shape == pictures[0].shape and len(mask) != len(pictures)  # with channels, not one per sample
        many = mask.ndim >= pictures[0].ndim and not alone
    if many and len(mask) != len(pictures):
        raise DataError(
            f"the mask has {len(mask)} rows, the data {len(pictures)}; give one mask per sample, or one for all"
        )
    masks = [to_booleans(one) for one in (mask if many else [mask] * len(pictures))]
    fitting = []
    for row, (one, picture) in enumerate(zip(masks, pictures, strict=True)):
        one = np.expand_dims(one, -3) if one.ndim == picture.ndim - 1 else one
        channels = one.shape[-3] if one.ndim == picture.ndim else 0
        if one.shape != (*picture.shape[:-3], channels, *picture.shape[-2:]) or channels not in (1, picture.shape[-3]):
            raise DataError(
                f"the mask of sample {row} has shape {one.shape}, the sample {picture.shape}; give True where to fill "
                "in, in the shape of the sample or without its channels"
            )
        fitting.append(np.broadcast_to(one, picture.shape))
    return fitting


def shrink_mask(
    mask: Bool[np.ndarray, "*leading channel height width"], pixels: Pixels
) -> Bool[np.ndarray, "*leading channel_out height_out width_out"]:
    """A mask at the size that the network sees: a pixel that is masked in part is masked."""
    if mask.shape[-3] != pixels.channels:
        mask = np.repeat(mask.any(axis=-3, keepdims=True), pixels.channels, axis=-3)
    floats = torch.from_numpy(mask.astype(np.float32))
    return (adaptive_max_pool2d(floats, pixels.size) > 0).numpy()


def fill_pictures(
    pictures: Sequence[np.ndarray], masks: Sequence[np.ndarray], made: Float[np.ndarray, "row *sample"]
) -> list[Float[np.ndarray, "..."]]:
    """Each picture in its own size and range, with the masked pixels taken from a picture of the network's size.

    A transparency channel that the model does not have becomes opaque there.
    """
    filled = []
    for picture, mask, one in zip(pictures, masks, made, strict=True):
        if picture.shape[-3] == 4 != one.shape[-3]:
            colours = fill_pictures([picture[..., :3, :, :]], [mask[..., :3, :, :]], one[None])[0]
            alpha = picture[..., 3:, :, :]
            opaque = np.iinfo(alpha.dtype).max if alpha.dtype.kind in "ui" else max(1.0, float(alpha.max()))
            filled.append(np.concatenate([colours, np.where(mask[..., 3:, :, :], opaque, alpha)], axis=-3))
            continue
        if one.shape[-3] != picture.shape[-3]:
            one = match_channels(one, picture.shape[-3])
        if one.shape[-2:] != picture.shape[-2:]:
            flat = torch.from_numpy(np.ascontiguousarray(one)).reshape(1, -1, *one.shape[-2:])
            one = interpolate(flat, picture.shape[-2:], mode="bilinear").numpy().reshape(picture.shape)
        filled.append(np.where(mask, one, picture))
    return filled


def grid_regions(
    error_map: Float[np.ndarray, "row *frame channel height width"],
) -> tuple[tuple[str, ...], Float[np.ndarray, "row cell"]]:
    """A name for each cell of an 8 x 8 grid, of every frame of a clip, and the mean errors there."""
    frames = error_map.mean(axis=-3)  # channels together
    frames = frames if frames.ndim == 4 else frames[:, None]
    names, means = [], []
    for frame, (rows, columns) in product(range(frames.shape[1]), _cells(*frames.shape[-2:])):
        prefix = f"frame {frame}, " if frames.shape[1] > 1 else ""
        names.append(f"{prefix}rows {rows.start}-{rows.stop - 1}, columns {columns.start}-{columns.stop - 1}")
        means.append(frames[:, frame, rows, columns].mean(axis=(1, 2)))
    return tuple(names), np.stack(means, axis=1)


def _cells(height: int, width: int) -> list[tuple[slice, slice]]:
    """Rows and columns of each cell of the grid."""
    edges = (np.linspace(0, side, min(GRID, side) + 1).astype(int).tolist() for side in (height, width))
    rows, columns = ([slice(*pair) for pair in pairwise(one)] for one in edges)
    return list(product(rows, columns))


def without_cells(
    sample: Float[Tensor, "*frame channel height width"], typical: Float[Tensor, "*frame channel height width"]
) -> Float[Tensor, "cell *sample"]:
    """A copy for each cell of the grid (of each frame), its pixels taken from the typical picture.

    The replaced cell keeps the level of light that surrounds it, and its edge is soft: a hard one would itself be
    something that a texture expert finds.
    """
    masks = cell_masks(sample.shape[-2], sample.shape[-1]).to(sample)
    soft = avg_pool2d(masks[:, None], 3, stride=1, padding=1, count_include_pad=False)[:, 0]
    frames, normals = (t if t.ndim == 4 else t[None] for t in (sample, typical))
    copies = []
    for frame, (picture, normal) in enumerate(zip(frames, normals, strict=True)):
        level = (picture - normal).flatten(1).median(dim=1).values[:, None, None]
        patched = torch.lerp(picture, (normal + level).clamp(0, 1), soft[:, None])
        for one in patched:
            copy = frames.clone()
            copy[frame] = one
            copies.append(copy)
    return torch.stack(copies).reshape(-1, *sample.shape)


def cell_masks(height: int, width: int) -> Float[Tensor, "cell height width"]:
    """1 inside each cell of the grid, in the order of `grid_regions`."""
    cells = _cells(height, width)
    masks = torch.zeros(len(cells), height, width)
    for mask, place in zip(masks, cells, strict=True):
        mask[place] = 1
    return masks


class FittedPictures(ExportableModality):
    """How pictures, alone or as the frames of a clip, become tensors in [0, 1]."""

    min_change: ClassVar[float] = MIN_CHANGE

    def __init__(self, pixels: Pixels, n_frames: int | None = None) -> None:
        """Keep what was learnt; `n_frames` is None where a sample is one picture."""
        self.pixels, self.n_frames = pixels, n_frames
        frames = () if n_frames is None else (n_frames,)
        self.sample_shape = (*frames, pixels.channels, *pixels.size)

    @abstractmethod
    def checked(self, raw: Any) -> list[Shaped[np.ndarray, "*sample"]]:
        """The user's samples, channels first; raises DataError if one is not a sample of this kind."""

    def to_tensor(self, raw: Any) -> Float[np.ndarray, "row *frame channel height width"]:
        """Samples in [0, 1]; raises DataError if one is of another kind, or its channels do not fit."""
        return np.stack([self.pixels.encode(sample) for sample in self.checked(raw)])

    def tally(self, raw: Any) -> Counter[tuple[str, ...]]:
        """Pictures of another depth than the model's, by their bits."""
        white, samples = self.pixels.white, self.checked(raw)
        other = Counter((f"{8 * one.dtype.itemsize}",) for one in samples if is_of_other_depth(one, white))
        return other + Counter({(): len(samples)})

    def notes_from(self, tally: Counter[tuple[str, ...]]) -> list[Note]:
        """One line for each depth."""
        return [
            Note(
                "depth",
                "pictures",
                f"{n} of {tally[()]} have {bits[0]} bits, white of the model is {self.pixels.white:g}: each is scaled "
                "by the range of its own depth",
            )
            for bits, n in tally.items()
            if bits
        ]

    def to_raw(
        self, x: Float[np.ndarray, "row *frame channel height width"]
    ) -> Float[np.ndarray, "row *frame channel height width"]:
        """Samples in the user's range, at the network's size."""
        return self.pixels.decode(x)

    def to_mask(self, raw: Any, mask: Any) -> Bool[np.ndarray, "row *frame channel height width"]:
        """A mask over the user's pixels at the size that the network sees; DataError where it does not fit."""
        return np.stack([shrink_mask(one, self.pixels) for one in mask_pictures(mask, self.checked(raw))])

    def fill(self, raw: Any, mask: Any, x: Float[np.ndarray, "row *frame channel height width"]) -> Any:
        """The user's samples, in their own size, with the masked pixels taken from tensors."""
        pictures = self.checked(raw)
        filled = fill_pictures(pictures, mask_pictures(mask, pictures), self.to_raw(x))
        return np.stack(filled).reshape(raw.shape) if isinstance(raw, np.ndarray) and raw.dtype != object else filled

    def regions(
        self, error_map: Float[np.ndarray, "row *frame channel height width"]
    ) -> tuple[tuple[str, ...], Float[np.ndarray, "row cell"]]:
        """Cells of an 8 x 8 grid, of each frame."""
        return grid_regions(error_map)

    def replaced(
        self,
        sample: Float[Tensor, "*frame channel height width"],
        typical: Float[Tensor, "*frame channel height width"],
    ) -> Float[Tensor, "cell *sample"]:
        """A copy for each cell of the grid; see `without_cells`."""
        return without_cells(sample, typical)

    def graph(self, graph: Graph) -> Node:
        """Samples of any size, one size per batch, brought to the network's size and range."""
        return self.pixels.graph(graph.input("X", np.float32, ["row", *self.sample_shape[:-2], "height", "width"]))

    def interface(self) -> dict[str, Any]:
        """Channels, and the length of a clip."""
        return {"channels": self.pixels.channels, "white": self.pixels.white, **self._length}

    def state(self) -> dict[str, Any]:
        """What was learnt, as JSON values."""
        return {**asdict(self.pixels), **self._length}

    @property
    def _length(self) -> dict[str, int]:
        return {} if self.n_frames is None else {"n_frames": self.n_frames}


@declared
class PixelFacts(TypedDict):
    """What a model file keeps of `Pixels`."""

    channels: Size
    size: Annotated[list[Size], Len(2, 2)]
    low: float
    high: float


def pixels_from_state(state: Any) -> Pixels:
    """The pixels that `FittedPictures.state` holds."""
    need(state["low"] < state["high"], "black is not below white")
    return Pixels(state["channels"], tuple(state["size"]), state["low"], state["high"])
