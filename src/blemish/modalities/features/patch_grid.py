"""Patches of a picture at its own size, or at a fixed multiple of it, in overlapping crops where it is large."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import product
from typing import Annotated, NotRequired

import numpy as np
import torch
from annotated_types import Ge, Le
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from blemish.core.graph import Node
from blemish.core.manifest import declared
from blemish.core.state import need
from blemish.modalities.features.encoder import Encoder, EncoderFacts
from blemish.modalities.features.map_store import current_store
from blemish.modalities.features.patch_memory import UsualFacts, UsualPatches, fit_usual_patches
from blemish.modalities.features.pretrained import DETAILS, STEP, WIDTH, as_colours, patch_maps

ALIGNED = 2 * STEP  # pixels: the deeper of the two maps has a patch for this many
CROP, MARGIN = 768, 128
"""Pixels per side that are looked at together, and around them: what a patch sees beyond itself. Both are multiples of
`ALIGNED`, so that a crop has the patches of the whole picture."""
MAX_FACTOR = 64  # by which a picture of one pixel is enlarged
MIN_SIDE = 64  # of the median picture once it is enlarged: a grid of 8 x 8 patches
GROWN_SIDE, MAX_GROWTH = 384, 1.5
"""Pictures whose longer side is shorter than this are enlarged, at most by that: a network that was trained on
photographs misses a defect of one or two pixels (docs/log/2026-11-30-patches.md)."""


@declared
class GridFacts(UsualFacts):
    """What a model file keeps of a grid."""

    growth: Annotated[float, Ge(1), Le(MAX_FACTOR)]
    details: bool
    encoder: NotRequired[EncoderFacts]


@dataclass(frozen=True)
class PatchGrid:
    """A grid of patches over a picture, `STEP` pixels of the enlarged picture apart.

    Attributes:
        growth: Factor, >= 1, by which each picture is enlarged first.
        learnt: Units of a patch, and the usual ones.
        details: Whether `DETAILS` numbers more are measured of each patch.
        encoder: What measures patches instead of the network that comes with Blemish; its steps are its own.
    """

    growth: float
    learnt: UsualPatches
    details: bool = False
    encoder: Encoder | None = None

    @property
    def width(self) -> int:
        """Numbers that are measured of each patch."""
        return self.learnt.width + self.n_details

    @property
    def n_details(self) -> int:
        """Numbers of them that are details; they stand before the last one, the distance."""
        return DETAILS if self.details else 0

    def measured(self, maps: Float[Tensor, "*row patch feature"]) -> Float[Tensor, "*row patch value"]:
        """What is measured of patches, from `patch_maps` with the features last."""
        found = self.learnt.described(maps[..., : len(self.learnt.centre)])
        return torch.cat([found[..., :-1], maps[..., WIDTH:], found[..., -1:]], dim=-1) if self.details else found

    def shape(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the grid over a picture of this size in pixels."""
        if self.encoder is not None:
            rows, columns = self.encoder.enlarged_size(height, width, self.growth)
            return rows // self.encoder.step, columns // self.encoder.step
        rows, columns = enlarged_size(height, width, self.growth)
        return rows // STEP, columns // STEP

    def with_details(self, details: bool) -> "PatchGrid":
        """The same, measuring details or not; an encoder has none."""
        return self if self.encoder is not None or self.details == details else replace(self, details=details)

    def described(
        self, picture: Float[Tensor, "channel height width"], name: bytes | None = None
    ) -> Float[np.ndarray, "patch feature"]:
        """Each patch in units of the patches' own spread, details, and its distance from the nearest usual patch.

        Args:
            picture: In [0, 1].
            name: Digest of it, by which a store of maps may keep what the network sees; None: it is seen once.

        Returns:
            Row by row of the grid, shape (patch, `width`).
        """
        rows, columns = self.shape(*picture.shape[-2:])
        found = np.empty((rows, columns, self.width), np.float32)
        for (top, left), maps in _maps(picture, self.growth, name, details=self.details, encoder=self.encoder):
            height, width = maps.shape[-2:]
            made = self.measured(maps.flatten(1).T).cpu().numpy()
            found[top : top + height, left : left + width] = made.reshape(height, width, -1)
        return found.reshape(rows * columns, -1)

    def enlarged(self, pictures: Node) -> Node:
        """Pictures (row, channel, height, width) as `_maps` enlarges them, as part of an ONNX graph."""
        leading = pictures.op("Shape").take(np.array([0, 1]), axis=0)
        sizes = pictures.graph.concat([leading, self._aligned(pictures, ALIGNED)], axis=0)
        none = np.empty(0, dtype=np.float32)
        how = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        return pictures.op("Resize", none, none, sizes, **how)

    def spread_graph(self, values: Node, pictures: Node) -> Node:
        """`spread` as part of an ONNX graph, from (row, patch) to (row, height, width), float32."""
        graph, cells = values.graph, self._aligned(pictures, ALIGNED // STEP)
        grid = values.to(np.float32).op("Reshape", graph.concat([graph.constant(np.array([-1])), cells], axis=0))
        shape = pictures.op("Shape")
        rows, columns = (
            _between(shape.take(np.array(2 + axis), axis=0), cells.take(np.array(axis), axis=0)) for axis in (0, 1)
        )
        return rows @ grid @ columns.op("Transpose", perm=[1, 0])

    def _aligned(self, pictures: Node, each: int) -> Node:
        """`enlarged_size` in an ONNX graph, of which `ALIGNED` pixels count as `each`."""
        sides, step = pictures.op("Shape").take(np.array([2, 3]), axis=0), np.array(ALIGNED, dtype=np.float64)
        steps = (sides.to(np.float64) * self.growth / step).op("Round").op("Max", 1.0)
        return (steps * np.array(each, dtype=np.float64)).to(np.int64)

    def marked(self, mask: Bool[np.ndarray, "height width"]) -> Bool[np.ndarray, " patch"]:
        """Which patches a mask marks: those that hold at least half as much of it as the one that holds most.

        A patch at the edge of a defect looks like any other, and there are more of these than of the others.
        """
        inside = torch.from_numpy(mask.astype(np.float32))[None]
        held = adaptive_avg_pool2d(inside, self.shape(*mask.shape))
        return (held >= held.max() / 2).numpy().ravel()

    def spread(self, values: Float[np.ndarray, " patch"], height: int, width: int) -> Float[np.ndarray, "height width"]:
        """A number per patch as one per pixel of the picture, with straight lines in between."""
        grid = torch.from_numpy(values.astype(np.float32)).reshape(1, 1, *self.shape(height, width))
        return interpolate(grid, size=(height, width), mode="bilinear", align_corners=False)[0, 0].numpy()

    def state(self) -> GridFacts:
        """All of it as JSON values."""
        facts: GridFacts = {"growth": self.growth, "details": self.details, **self.learnt.state()}
        return facts if self.encoder is None else {**facts, "encoder": self.encoder.state()}

    @classmethod
    def from_state(cls, state: GridFacts) -> "PatchGrid":
        """The inverse of `state`."""
        encoder = Encoder.from_state(state["encoder"]) if "encoder" in state else None
        learnt = UsualPatches.from_state(state, WIDTH if encoder is None else encoder.width)
        need(encoder is None or not state["details"], "an encoder of one's own has no details")
        return cls(state["growth"], learnt, state["details"], encoder)


def _between(n_pixels: Node, n_cells: Node) -> Node:
    """How much each cell weighs in each pixel of a side, shape (pixel, cell): straight lines between their middles.

    ONNX Runtime's own Resize rounds places elsewhere than PyTorch; a steep map then differs in the fifth digit.
    """
    graph, scale = n_pixels.graph, (n_cells.to(np.float32) / n_pixels.to(np.float32)).to(np.float64)
    pixels, cells = (graph.op("Range", 0.0, n.to(np.float64), 1.0) for n in (n_pixels, n_cells))
    place = (
        ((pixels + 0.5) * scale + -0.5).to(np.float32).to(np.float64).op("Max", 0.0)
    )  # one rounding: a fused product
    place = place.op("Min", n_cells.to(np.float64) + -1.0).expand_dims(1)
    return (-(place + -cells).op("Abs") + 1.0).op("Max", 0.0).to(np.float32)


def enlarged_size(height: int, width: int, growth: float) -> tuple[int, int]:
    """Pixels of a picture once it is enlarged: multiples of `ALIGNED`, at least one."""
    rows, columns = (max(ALIGNED, round(side * growth / ALIGNED) * ALIGNED) for side in (height, width))
    return rows, columns


def growth_for(sides: Float[np.ndarray, " picture"]) -> float:
    """By how much pictures with these longer sides, in pixels, are enlarged.

    One factor for all: a defect has the same size in each.

    Example:
        >>> growth_for(np.array([28.0])), growth_for(np.array([320.0])), growth_for(np.array([1024.0]))
        (2.2857142857142856, 1.2, 1.0)
    """
    side = float(np.median(sides))
    return max(1.0, min(GROWN_SIDE / side, MAX_GROWTH), MIN_SIDE / side)


def fit_patch_grid(
    pictures: Iterator[tuple[bytes, Float[Tensor, "channel height width"]]],
    n: int,
    growth: float,
    encoder: Encoder | None = None,
) -> PatchGrid:
    """Learn which patches are usual.

    Args:
        pictures: In [0, 1], any sizes, each with a digest.
        n: How many they are.
        growth: See `PatchGrid`.
        encoder: See `PatchGrid`.
    """
    seen = (_maps(one, growth, name, encoder=encoder) for name, one in pictures)
    crops = (maps.flatten(1).T for found in seen for _, maps in found)
    return PatchGrid(growth, fit_usual_patches(crops, n), encoder=encoder)


def _maps(
    picture: Float[Tensor, "channel height width"],
    growth: float,
    name: bytes | None,
    *,
    details: bool = False,
    encoder: Encoder | None = None,
) -> Iterator[tuple[tuple[int, int], Float[Tensor, "feature rows columns"]]]:
    """Where in the grid the first patch of each crop belongs, and its patches, without those of the margin."""
    size_of = enlarged_size if encoder is None else encoder.enlarged_size
    height, width = size_of(picture.shape[-2], picture.shape[-1], growth)
    store = None if name is None else current_store()

    @cache
    def larger() -> Float[Tensor, "1 3 rows columns"]:
        return interpolate(as_colours(picture[None]), size=(height, width), mode="bilinear", align_corners=False)

    if encoder is not None:
        shape = encoder.width, height // encoder.step, width // encoder.step
        facts = ("encoder", encoder.digest, encoder.mean, encoder.std, name, tuple(picture.shape), growth)
        found = None if store is None else store.kept([facts], shape, lambda _: encoder.maps(larger()[0])[None])
        yield (0, 0), encoder.maps(larger()[0]) if found is None else found[0]
        return
    for top, left in product(range(0, height, CROP), range(0, width, CROP)):
        down, after = min(height, top + CROP), min(width, left + CROP)
        grid = (down - top) // STEP, (after - left) // STEP
        fact = ("native", name, tuple(picture.shape), growth, top, left)
        # A map with details begins with the one without.
        detailed = details or (store is not None and store.has(fact, (WIDTH + DETAILS, *grid)))
        shape, box = (WIDTH + DETAILS * detailed, *grid), (top, left, down, after)
        seen = partial(_seen, larger, box, details=detailed)
        found = (seen(()) if store is None else store.kept([fact], shape, seen))[0]
        yield (top // STEP, left // STEP), found[: WIDTH + DETAILS * details]


def _seen(
    enlarge: Callable[[], Float[Tensor, "1 3 height width"]],
    box: tuple[int, int, int, int],
    _: Sequence[int],
    *,
    details: bool,
) -> Float[Tensor, "1 feature rows columns"]:
    """The patches of one crop, top, left, bottom and right, which see a margin around it."""
    larger, (top, left, down, after) = enlarge(), box
    up, before = max(0, top - MARGIN), max(0, left - MARGIN)
    crop = larger[..., up : min(larger.shape[-2], down + MARGIN), before : min(larger.shape[-1], after + MARGIN)]
    rows = slice((top - up) // STEP, (down - up) // STEP)
    columns = slice((left - before) // STEP, (after - before) // STEP)
    with torch.inference_mode():
        return patch_maps(crop, details=details)[..., rows, columns]
