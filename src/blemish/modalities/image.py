"""Images of one size or of many."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NotRequired

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d
from typing_extensions import TypedDict

from blemish.core.errors import ConfigError, ExportError
from blemish.core.graph import Node
from blemish.core.manifest import declared
from blemish.data.images import PICTURE_AXES, check_pictures
from blemish.data.regions.masks import regions_to_masks
from blemish.modalities.features.encoder import Encoder
from blemish.modalities.features.feature_cache import current, digest
from blemish.modalities.features.map_store import current_store
from blemish.modalities.features.near_copies import near_copies
from blemish.modalities.features.patch_grid import ALIGNED, MAX_FACTOR, GridFacts, PatchGrid, fit_patch_grid, growth_for
from blemish.modalities.features.patch_memory import (
    PatchFacts,
    PatchMemory,
    fit_patch_memory,
)
from blemish.modalities.features.pretrained import as_colours, patch_maps
from blemish.modalities.features.texture import LAGS, neighbours, texture, texture_width
from blemish.modalities.modality import FittedModality, Modality, OnPage
from blemish.modalities.parts import ExportableMaps, Parts
from blemish.modalities.pictures import FittedPictures, PixelFacts, Pixels, chunks, fit_pixels, pixels_from_state

SMALL_SIDE = 32  # pixels per side of the small copy
TEXTURE_ROWS = 64  # pictures at a time: their filtered copies stay in the processor's cache
MAX_GRIDDED = 64  # pictures whose patches at their own size are compared for that
MAX_PATCHED = 200  # pictures whose patches are compared to learn which are usual
# A pinhole is a few patches of a large copy, a stain a few of a small one; a bad surface is many patches (decisions.md
# 48). The names stand in model files and in `experts`.
PATCH_SETS: tuple[tuple[int, Mapping[str, float]], ...] = (
    (160, {"marks": 0.04, "surface": 0.4}),
    (96, {"blots": 0.04}),
)
MAX_ENLARGED, MIN_MEASURED = 3.5, 24
"""By which a copy is enlarged for its patches, where that gives a larger side than the smallest of `PATCH_SETS`: a
larger copy of 28 pixels costs three times as much and shows no more. That was not so for 12 pixels (decisions.md 110).
"""


@dataclass(frozen=True)
class Image(Modality):
    """Pictures, channels first.

    Attributes:
        size: Height and width in pixels that the network sees; None: see `fit_pixels`.
        encoder: ONNX file that measures patches, instead of the network that comes with Blemish; see docs/encoder.md.
        mean: What it takes is colours in [0, 1] minus this; None: the mean of ImageNet's.
        std: And divided by this, > 0; None: that of ImageNet's.
    """

    size: tuple[int, int] | None = None
    encoder: str | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    backbone: ClassVar[str] = "conv"
    augmentation: ClassVar[str] = "hide_boxes"
    synthetic: ClassVar[str] = "cut_paste"
    on_page: ClassVar[OnPage] = OnPage("picture", max_fitted=1000, at_once=128, glance=True, reasons="error")
    experts: ClassVar[Mapping[str, list[Any]]] = {
        "texture": ["linear", "kernel", "trees"],
        "pixels": ["linear", "kernel", "trees"],
        "marks": ["discriminant", "trees"],
        "blots": ["discriminant", "trees"],
        "surface": ["discriminant", "trees"],
        "texture+pixels": ["student"],
        "parts": ["part_distance", "part_discriminant", "part_linear"],
    }
    far: ClassVar[tuple[str, ...]] = ("texture", "pixels", "neighbours")

    def __post_init__(self) -> None:
        """Refuse units of an encoder that is not there, and units that are none."""
        if not (np.isfinite([*(self.mean or ()), *(self.std or ())]).all() and min(self.std or (1.0,)) > 0):
            raise ConfigError(f"mean {self.mean} and std {self.std} must be numbers, those of std above 0")
        if self.encoder is None and (self.mean, self.std) != (None, None):
            raise ConfigError("mean and std are for an encoder of your own; give 'encoder', too, or leave them out")

    def fit(self, raw: Any) -> "FittedImage":
        """Learn size, channels, range and usual patches; raises DataError if there are no pictures.

        Args:
            raw: An array (batch, channel, height, width) or (batch, height, width), or a list of such pictures of
                different sizes.
        """
        encoder = None if self.encoder is None else Encoder.open(self.encoder, self.mean, self.std)
        return self._fit(check_pictures(raw, 3, "image", PICTURE_AXES), encoder)

    def _fit(self, pictures: Sequence[np.ndarray], encoder: Encoder | None) -> "FittedImage":
        pixels, memories = self._whole(pictures)
        growth = growth_for(np.array([max(picture.shape[-2:]) for picture in pictures], dtype=np.float64))
        some = _some(len(pictures))
        some = some[:: -(-len(some) // MAX_GRIDDED)]
        native = ((_name(pictures[i], pixels), torch.from_numpy(pixels.scaled(pictures[i]))) for i in some)
        if encoder is not None:
            sides = np.array([picture.shape[-2:] for picture in pictures], dtype=np.float64)
            growth = max(growth, min(MAX_FACTOR, encoder.growth_for(sides.max(axis=1), sides.min(axis=1))))
        return FittedImage(pixels, memories, fit_patch_grid(native, len(some), growth, encoder))

    def fit_part(self, raw: Any, whole: FittedModality) -> "FittedImage":
        """See `Modality`; an encoder may have moved since it was named, the fit of all rows has it open."""
        assert isinstance(whole, FittedImage)
        return self._fit(
            check_pictures(raw, 3, "image", PICTURE_AXES), None if whole.grid is None else whole.grid.encoder
        )

    def _whole(self, pictures: Sequence[np.ndarray]) -> tuple[Pixels, list[PatchMemory]]:
        """What is learnt from whole pictures, at the network's size."""
        pixels = fit_pixels(pictures, self.size)
        sample = torch.from_numpy(np.stack([pixels.encode(pictures[i]) for i in _some(len(pictures))]))
        sets = _patch_sets(sample.shape)
        return pixels, [fit_patch_memory(sample, side, fractions) for side, fractions in sets.items()]


_Patches = TypedDict("_Patches", {"looks": list[PatchFacts], "grid": NotRequired[GridFacts]})  # noqa: UP013 (a name of older files)


@declared
class ImageFacts(PixelFacts, _Patches):
    """What a model file keeps of a kind of picture."""


class FittedImage(FittedPictures, ExportableMaps):
    """How pictures become tensors (batch, channel, height, width) in [0, 1], and patches of their own size."""

    inputs, stored = "pictures", ImageFacts
    part_step = ALIGNED

    def __init__(self, pixels: Pixels, memories: Sequence[PatchMemory], grid: PatchGrid | None = None) -> None:
        """Keep what was learnt; files of versions before there were parts have no grid."""
        super().__init__(pixels)
        self.memories, self.grid = memories, grid

    def checked(self, raw: Any) -> list[np.ndarray]:
        """Pictures (channel, height, width); raises DataError if a sample is not one."""
        return list(check_pictures(raw, 3, "image", PICTURE_AXES))

    def features(self, x: Float[Tensor, "row channel height width"]) -> dict[str, Float[Tensor, "row feature"]]:
        """Six feature sets.

        'texture': local statistics, wherever they are; 'pixels': a small copy, so it matters where things are;
        'neighbours': how much pixels go with those next to them, which tells a picture from none; 'marks', 'blots' and
        'surface': the most unusual patches, few small, few larger and many, as a pretrained network sees
        them.
        """
        unusual = {name: pooled for memory in self.memories for name, pooled in memory.pooled(x).items()}
        return {**_plain(x), **unusual}

    def near_copies(self, x: Any, is_defect: Bool[np.ndarray, " row"]) -> Int[np.ndarray, " row"] | None:
        """By correlation, whatever the lighting; see `FittedModality`."""
        return near_copies(x, is_defect)

    @property
    def widths(self) -> Mapping[str, int]:
        """See `FittedModality`; the pretrained network is not run for them."""
        channels, height, width = self.sample_shape
        small = channels * min(height, SMALL_SIDE) * min(width, SMALL_SIDE)
        plain = {"texture": texture_width(channels), "pixels": small, "neighbours": len(LAGS) * channels}
        return {**plain, **{name: one.learnt.width for one in self.memories for name in one.fractions}}

    @classmethod
    def masks(
        cls, raw: Any, regions: Any, kept: Bool[np.ndarray, " given"], group: Int[np.ndarray, " row"]
    ) -> list[Bool[np.ndarray, "..."] | None]:
        """Masks, boxes and strokes as masks in the pictures' own sizes; see `HasParts`."""
        return regions_to_masks(regions, kept, group, check_pictures(raw, 3, "image", PICTURE_AXES))

    def parts(self, raw: Any, regions: Sequence[Any] | None = None, most: int | None = None) -> Parts:
        """Patches at the pictures' own size; see `HasParts`."""
        assert self.grid is not None
        pictures = self.checked(raw)
        rows, marks = [], []
        for picture, region in zip(pictures, regions or [None] * len(pictures), strict=True):
            values = self._described(self.grid, picture, again=most is not None)
            if most is not None and self.grid.details:
                values = values.astype(np.float16)  # half the memory of a fit; three digits will do to learn from
            marked = np.zeros(len(values), bool) if region is None else self.grid.marked(region)
            if most is not None and len(values) > most:
                kept = _fewer(values[:, -1], marked, most)
                values, marked = values[kept], marked[kept]
            rows.append(values)
            marks.append(marked)
        return Parts.of(rows, marks, self.grid.n_details)

    def _described(self, grid: PatchGrid, picture: np.ndarray, *, again: bool) -> Float[np.ndarray, "part feature"]:
        """What is measured of the patches of a picture; `again`: it comes again in another fit."""
        cache = current()

        def make() -> Float[np.ndarray, "part feature"]:
            name = _name(picture, self.pixels) if again and current_store() is not None else None
            return grid.described(torch.from_numpy(self.pixels.scaled(picture)), name)

        return make() if cache is None else cache.parts(self, make, picture)

    def with_details(self, details: bool) -> "FittedImage":
        """See `HasParts`."""
        if self.grid is None or (grid := self.grid.with_details(details)) is self.grid:
            return self  # what is cached is cached for this one
        return FittedImage(self.pixels, self.memories, grid)

    @property
    def part_width(self) -> int:
        """See `HasParts`."""
        return 0 if self.grid is None else self.grid.width

    def n_parts(self, sample: Any) -> int:
        """Patches of the grid over one picture."""
        assert self.grid is not None
        return int(np.prod(self.grid.shape(*np.shape(sample)[-2:])))

    def heat(self, sample: Any, scores: Float[np.ndarray, " part"]) -> Float[np.ndarray, "height width"]:
        """Scores of patches in the picture's own size; see `HasParts`."""
        assert self.grid is not None
        return self.grid.spread(scores, *self.checked([sample])[0].shape[-2:])

    def part_input(self, samples: Node) -> Node:
        """Enlarged pictures in [0, 1]; see `ExportableParts`."""
        assert self.grid is not None
        if self.grid.encoder is not None:
            raise ExportError("an encoder of one's own is not merged into an export; score with the model file instead")
        x = (samples.to(np.float64) - self.pixels.low) / (self.pixels.high - self.pixels.low)
        return self.grid.enlarged(x.to(np.float32))

    def part_values(self, x: Float[Tensor, "row channel height width"]) -> Float[Tensor, "row part feature"]:
        """Patches of enlarged pictures, whole: without crops; see `ExportableParts`."""
        assert self.grid is not None
        maps = patch_maps(as_colours(x), details=self.grid.details)
        return self.grid.measured(maps.flatten(2).transpose(1, 2))

    def heat_graph(self, samples: Node, scores: Node) -> Node:
        """See `ExportableMaps`."""
        assert self.grid is not None
        return self.grid.spread_graph(scores, samples)

    def state(self) -> dict[str, Any]:
        """What was learnt, as JSON values."""
        grid = {} if self.grid is None else {"grid": self.grid.state()}
        return {**super().state(), "looks": [memory.state() for memory in self.memories], **grid}

    @classmethod
    def from_state(cls, state: ImageFacts) -> "FittedImage":
        """The inverse of `state`."""
        memories = [PatchMemory.from_state(memory) for memory in state["looks"]]
        return cls(pixels_from_state(state), memories, PatchGrid.from_state(state["grid"]) if "grid" in state else None)


def _name(picture: np.ndarray, pixels: Pixels) -> bytes:
    """Digest of a picture as the patches of its own size are measured on it."""
    return digest(picture, str(picture.shape), str(picture.dtype), repr((pixels.low, pixels.high)))


def _some(n: int) -> Int[np.ndarray, " some"]:
    """The pictures, of n, whose patches are compared."""
    return np.linspace(0, n - 1, min(n, MAX_PATCHED)).astype(int)


def _patch_sets(shape: Sequence[int]) -> dict[int, dict[str, float]]:
    """`PATCH_SETS` for copies of this shape: the sets of one side together, which take one pass of the network."""
    smallest = min(side for side, _ in PATCH_SETS)
    longer = max(shape[-2:])
    most = max(smallest, round(MAX_ENLARGED * longer / ALIGNED) * ALIGNED) if longer >= MIN_MEASURED else np.inf
    found: dict[int, dict[str, float]] = {}
    for side, fractions in PATCH_SETS:
        found.setdefault(int(min(side, most)), {}).update(fractions)
    return found


def _fewer(unusual: Float[np.ndarray, " part"], marked: Bool[np.ndarray, " part"], most: int) -> np.ndarray:
    """Which parts to keep: the marked ones, half of `most` that are most unusual, and others evenly spread."""
    kept = marked.copy()
    kept[np.argsort(-unusual, kind="stable")[: most // 2]] = True
    kept[np.linspace(0, len(kept) - 1, most - most // 2).astype(int)] = True
    return kept


def _plain(x: Float[Tensor, "row channel height width"]) -> dict[str, Float[Tensor, "row feature"]]:
    """'texture', 'pixels' and 'neighbours'."""
    textures = [texture(chunk) for chunk in chunks(x, TEXTURE_ROWS)]
    small = adaptive_avg_pool2d(x, (min(x.shape[-2], SMALL_SIDE), min(x.shape[-1], SMALL_SIDE)))
    return {"texture": torch.cat(textures), "pixels": small.flatten(1), "neighbours": neighbours(x)}


Image.fitted = FittedImage
