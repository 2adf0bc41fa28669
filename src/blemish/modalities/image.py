"""Images of one size or of many."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d
from typing_extensions import TypedDict

from blemish.core.manifest import declared
from blemish.data.images import PICTURE_AXES, check_pictures
from blemish.modalities.features.patch_memory import PatchFacts, PatchMemory, fit_patch_memory
from blemish.modalities.features.texture import LAGS, neighbours, texture, texture_width
from blemish.modalities.modality import Modality, OnPage
from blemish.modalities.pictures import FittedPictures, PixelFacts, Pixels, chunks, fit_pixels, pixels_from_state

SMALL_SIDE = 32  # pixels per side of the small copy
TEXTURE_ROWS = 64  # pictures at a time: their filtered copies stay in the processor's cache
MAX_PATCHED = 200  # pictures whose patches are compared to learn which are usual
# A pinhole is a few patches of a large copy, a stain a few of a small one; a bad surface is many patches (decisions.md
# 48). The names stand in model files and in `experts`.
PATCH_SETS: tuple[dict[str, Any], ...] = (
    {"side": 160, "fractions": {"marks": 0.04, "surface": 0.4}},
    {"side": 96, "fractions": {"blots": 0.04}},
)


@dataclass(frozen=True)
class Image(Modality):
    """Pictures, channels first.

    Attributes:
        size: Height and width in pixels that the network sees; None: see `fit_pixels`.
    """

    size: tuple[int, int] | None = None
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
    }
    far: ClassVar[tuple[str, ...]] = ("texture", "pixels", "neighbours")

    def fit(self, raw: Any) -> "FittedImage":
        """Learn size, channels, range and usual patches; raises DataError if there are no pictures.

        Args:
            raw: An array (batch, channel, height, width) or (batch, height, width), or a list of such pictures of
                different sizes.
        """
        pictures = check_pictures(raw, 3, "image", PICTURE_AXES)
        pixels = fit_pixels(pictures, self.size)
        some = np.linspace(0, len(pictures) - 1, min(len(pictures), MAX_PATCHED)).astype(int)
        sample = torch.from_numpy(np.stack([pixels.encode(pictures[i]) for i in some]))
        return FittedImage(pixels, [fit_patch_memory(sample, **of_set) for of_set in PATCH_SETS])


_Patches = TypedDict("_Patches", {"looks": list[PatchFacts]})  # noqa: UP013 (a name of older files)


@declared
class ImageFacts(PixelFacts, _Patches):
    """What a model file keeps of a kind of picture."""


class FittedImage(FittedPictures):
    """How pictures become tensors (batch, channel, height, width) in [0, 1]."""

    inputs, stored = "pictures", ImageFacts

    def __init__(self, pixels: Pixels, memories: Sequence[PatchMemory]) -> None:
        """Keep what was learnt."""
        super().__init__(pixels)
        self.memories = memories

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

    @property
    def widths(self) -> Mapping[str, int]:
        """See `FittedModality`; the pretrained network is not run for them."""
        channels, height, width = self.sample_shape
        small = channels * min(height, SMALL_SIDE) * min(width, SMALL_SIDE)
        plain = {"texture": texture_width(channels), "pixels": small, "neighbours": len(LAGS) * channels}
        return {**plain, **{name: one.directions.shape[1] + 1 for one in self.memories for name in one.fractions}}

    def state(self) -> dict[str, Any]:
        """What was learnt, as JSON values."""
        return {**super().state(), "looks": [memory.state() for memory in self.memories]}

    @classmethod
    def from_state(cls, state: ImageFacts) -> "FittedImage":
        """The inverse of `state`."""
        return cls(pixels_from_state(state), [PatchMemory.from_state(memory) for memory in state["looks"]])


def _plain(x: Float[Tensor, "row channel height width"]) -> dict[str, Float[Tensor, "row feature"]]:
    """'texture', 'pixels' and 'neighbours'."""
    textures = [texture(chunk) for chunk in chunks(x, TEXTURE_ROWS)]
    small = adaptive_avg_pool2d(x, (min(x.shape[-2], SMALL_SIDE), min(x.shape[-1], SMALL_SIDE)))
    return {"texture": torch.cat(textures), "pixels": small.flatten(1), "neighbours": neighbours(x)}


Image.fitted = FittedImage
