"""Clips of one length."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from blemish.core.graph import Graph, Node
from blemish.core.output import Block
from blemish.data.images import CLIP_AXES, check_lengths, check_pictures
from blemish.modalities.pictures import Pixels, fill_pictures, fit_pixels, mask_pictures, shrink_mask


@dataclass(frozen=True)
class Video:
    """Clips, frame first.

    Attributes:
        size: Height and width in pixels that the network sees; None: see `fit_pixels`.
        frames: Frames of a clip when longer recordings are cut; None: the recordings' own length where all are
            equally long and at most 32 frames, else 16.
    """

    size: tuple[int, int] | None = None
    frames: int | None = None
    backbone: ClassVar[str] = "conv"
    loss: ClassVar[str] = "mse"
    fitted: ClassVar[type]
    view: ClassVar[str] = "hide_boxes"
    synthetic: ClassVar[str] = "time_warp"
    pretext: ClassVar[tuple[str, ...]] = ("pace",)
    scorer: ClassVar[str] = "latent"
    experts: ClassVar[Mapping[str, list[Any]]] = {"code": ["linear", "kernel", "trees"], "error": ["value"]}

    def fit(self, raw: Any) -> "FittedVideo":
        """Learn length, size, channels and range.

        Args:
            raw: An array (batch, frame, channel, height, width), or a list of clips (frame, channel, height, width).

        Raises:
            DataError: If it holds no clips, or their lengths differ.
        """
        clips = check_pictures(raw, 4, "video", CLIP_AXES)
        pixels = fit_pixels(clips, self.size)
        return FittedVideo(pixels, len(clips[0]))

    def latent_dim(self, sample_shape: tuple[int, ...]) -> int:
        """32, whatever the clip."""
        return 32


class FittedVideo:
    """How clips become tensors (batch, frame, channel, height, width) in [0, 1]."""

    def __init__(self, pixels: Pixels, n_frames: int) -> None:
        """Keep what was learnt."""
        self.pixels, self.n_frames = pixels, n_frames
        self.sample_shape = (n_frames, pixels.channels, *pixels.size)
        self.blocks: tuple[Block, ...] = ()
        self.elements: tuple[str, ...] = ()

    def to_tensor(self, raw: Any) -> Float[np.ndarray, "row frame channel height width"]:
        """Clips as float32.

        Raises:
            DataError: If a sample is no clip, or of another length.
        """
        clips = check_pictures(raw, 4, "video", CLIP_AXES)
        check_lengths(clips, self.n_frames)
        return np.stack([self.pixels.encode(clip) for clip in clips])

    def to_raw(
        self, x: Float[np.ndarray, "row frame channel height width"]
    ) -> Float[np.ndarray, "row frame channel height width"]:
        """Clips in the user's range."""
        return self.pixels.decode(x)

    def to_mask(self, raw: Any, mask: Any) -> Bool[np.ndarray, "row frame channel height width"]:
        """A mask over the user's pixels at the size that the network sees; DataError where it does not fit."""
        masks = mask_pictures(mask, check_pictures(raw, 4, "video", CLIP_AXES))
        return np.stack([shrink_mask(one, self.pixels) for one in masks])

    def fill(self, raw: Any, mask: Any, x: Float[np.ndarray, "row frame channel height width"]) -> Any:
        """The user's samples, in their own size, with what is masked taken from tensors."""
        pictures = check_pictures(raw, 4, "video", CLIP_AXES)
        filled = fill_pictures(pictures, mask_pictures(mask, pictures), self.to_raw(x))
        return np.stack(filled).reshape(raw.shape) if isinstance(raw, np.ndarray) and raw.dtype != object else filled

    def features(self, x: Float[Tensor, "row frame channel height width"]) -> dict[str, Float[Tensor, "row feature"]]:
        """None: the code is all."""
        return {}

    def graph(self, graph: Graph) -> Node:
        """Clips of any size, one size a batch, brought to the network's size and range."""
        shape = ["row", self.n_frames, self.pixels.channels, "height", "width"]
        return self.pixels.graph(graph.input("X", np.float32, shape))

    def interface(self) -> dict[str, Any]:
        """Channels and length."""
        return {"channels": self.pixels.channels, "n_frames": self.n_frames}

    def state(self) -> dict[str, Any]:
        """What was learnt, as JSON values."""
        return {**asdict(self.pixels), "n_frames": self.n_frames}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "FittedVideo":
        """The inverse of `state`."""
        pixels = {name: value for name, value in state.items() if name != "n_frames"}
        return cls(Pixels(**{**pixels, "size": tuple(pixels["size"])}), state["n_frames"])


Video.fitted = FittedVideo
