"""Images of one size or of many."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from blemish.core.graph import Graph, Node
from blemish.core.output import Block
from blemish.data.images import PICTURE_AXES, check_pictures
from blemish.modalities.features.patch_memory import Oddities, fit_oddities
from blemish.modalities.features.texture import texture
from blemish.modalities.pictures import Pixels, chunks, fill_pictures, fit_pixels, mask_pictures, shrink_mask

SMALL_SIDE = 32  # pixels a side of the small copy
TEXTURE_ROWS = 64  # pictures at a time: their filtered copies stay in the cache
PATCHES_OF = 200  # pictures whose patches are looked at to learn which are usual
LOOKS: tuple[dict[str, Any], ...] = (
    {"side": 160, "shares": {"marks": 0.04, "surface": 0.4}},
    {"side": 96, "shares": {"blots": 0.04}},
)
"""Views of the most unusual patches: few (16 of 400) and many, seen from near, and few from further away."""


@dataclass(frozen=True)
class Image:
    """Pictures, channels first.

    Attributes:
        size: Height and width in pixels that the network sees; None: see `fit_pixels`.
    """

    size: tuple[int, int] | None = None
    backbone: ClassVar[str] = "conv"
    loss: ClassVar[str] = "mse"
    fitted: ClassVar[type]
    view: ClassVar[str] = "hide_boxes"
    synthetic: ClassVar[str] = "cut_paste"
    pretext: ClassVar[tuple[str, ...]] = ()
    scorer: ClassVar[str] = "ensemble"
    experts: ClassVar[Mapping[str, list[Any]]] = {
        "texture": ["linear", "kernel", "trees"],
        "pixels": ["linear", "kernel", "trees"],
        "marks": ["discriminant", "trees"],
        "blots": ["discriminant", "trees"],
        "surface": ["discriminant", "trees"],
        "texture+pixels": ["student"],
    }

    def fit(self, raw: Any) -> "FittedImage":
        """Learn size, channels and range.

        Args:
            raw: An array (batch, channel, height, width) or (batch, height, width), or a list of such pictures of
                different sizes.

        Raises:
            DataError: If it holds no pictures.
        """
        pictures = check_pictures(raw, 3, "image", PICTURE_AXES)
        pixels = fit_pixels(pictures, self.size)
        some = np.linspace(0, len(pictures) - 1, min(len(pictures), PATCHES_OF)).astype(int)
        sample = np.stack([pixels.encode(pictures[i]) for i in some])
        return FittedImage(pixels, [fit_oddities(torch.from_numpy(sample), **look) for look in LOOKS])

    def latent_dim(self, sample_shape: tuple[int, ...]) -> int:
        """32, whatever the picture."""
        return 32


class FittedImage:
    """How pictures become tensors (batch, channel, height, width) in [0, 1]."""

    def __init__(self, pixels: Pixels, looks: Sequence[Oddities]) -> None:
        """Keep what was learnt."""
        self.pixels, self.looks = pixels, looks
        self.sample_shape = (pixels.channels, *pixels.size)
        self.blocks: tuple[Block, ...] = ()
        self.elements: tuple[str, ...] = ()

    def to_tensor(self, raw: Any) -> Float[np.ndarray, "row channel height width"]:
        """Pictures as float32.

        Raises:
            DataError: If a sample is no picture, or its channels do not fit.
        """
        return np.stack([self.pixels.encode(picture) for picture in check_pictures(raw, 3, "image", PICTURE_AXES)])

    def to_raw(self, x: Float[np.ndarray, "row channel height width"]) -> Float[np.ndarray, "row channel height width"]:
        """Pictures in the user's range."""
        return self.pixels.decode(x)

    def to_mask(self, raw: Any, mask: Any) -> Bool[np.ndarray, "row channel height width"]:
        """A mask over the user's pixels at the size that the network sees; DataError where it does not fit."""
        masks = mask_pictures(mask, check_pictures(raw, 3, "image", PICTURE_AXES))
        return np.stack([shrink_mask(one, self.pixels) for one in masks])

    def fill(self, raw: Any, mask: Any, x: Float[np.ndarray, "row channel height width"]) -> Any:
        """The user's samples, in their own size, with what is masked taken from tensors."""
        pictures = check_pictures(raw, 3, "image", PICTURE_AXES)
        filled = fill_pictures(pictures, mask_pictures(mask, pictures), self.to_raw(x))
        return np.stack(filled).reshape(raw.shape) if isinstance(raw, np.ndarray) and raw.dtype != object else filled

    def features(self, x: Float[Tensor, "row channel height width"]) -> dict[str, Float[Tensor, "row feature"]]:
        """Five views.

        'texture': local statistics, wherever they are; 'pixels': a small copy, so it matters where things are; 'marks',
        'blots' and 'surface': the most unusual patches, few small, few larger and many, as a pretrained network sees
        them.
        """
        textures = [texture(chunk) for chunk in chunks(x, TEXTURE_ROWS)]
        small = adaptive_avg_pool2d(x, (min(x.shape[-2], SMALL_SIDE), min(x.shape[-1], SMALL_SIDE)))
        odd = {view: pooled for look in self.looks for view, pooled in look.pooled(x).items()}
        return {"texture": torch.cat(textures), "pixels": small.flatten(1), **odd}

    def graph(self, graph: Graph) -> Node:
        """Pictures of any size, one size a batch, brought to the network's size and range."""
        channels = self.pixels.channels
        return self.pixels.graph(graph.input("X", np.float32, ["row", channels, "height", "width"]))

    def interface(self) -> dict[str, Any]:
        """Channels."""
        return {"channels": self.pixels.channels}

    def state(self) -> dict[str, Any]:
        """What was learnt, as JSON values."""
        return {**asdict(self.pixels), "looks": [look.state() for look in self.looks]}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "FittedImage":
        """The inverse of `state`."""
        own = {name: value for name, value in state.items() if name != "looks"}
        looks = [Oddities.from_state(look) for look in state["looks"]]
        return cls(Pixels(**{**own, "size": tuple(state["size"])}), looks)


Image.fitted = FittedImage
