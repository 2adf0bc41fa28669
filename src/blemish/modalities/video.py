"""Clips of one length."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from blemish.core.manifest import Size, declared
from blemish.data.images import CLIP_AXES, check_lengths, check_pictures
from blemish.modalities.features.texture import moments
from blemish.modalities.modality import Modality, OnPage
from blemish.modalities.pictures import FittedPictures, PixelFacts, fit_pixels, pixels_from_state


@dataclass(frozen=True)
class Video(Modality):
    """Clips, frame first.

    Attributes:
        size: Height and width in pixels that the network sees; None: see `fit_pixels`.
        frames: Frames per clip when longer recordings are cut; None: the recordings' own length where all have the
            same length of at most 32 frames, else 16.
    """

    size: tuple[int, int] | None = None
    frames: int | None = None
    backbone: ClassVar[str] = "conv"
    augmentation: ClassVar[str] = "hide_boxes"
    synthetic: ClassVar[str] = "time_warp"
    far: ClassVar[tuple[str, ...]] = ("look",)
    pretext: ClassVar[tuple[str, ...]] = ("pace",)  # decisions.md 26
    scorer: ClassVar[str] = "latent"
    on_page: ClassVar[OnPage] = OnPage("frames", max_fitted=400, at_once=64, glance=True, reasons="error")

    def fit(self, raw: Any) -> "FittedVideo":
        """Learn length, size, channels and range; raises DataError if there are no clips.

        Args:
            raw: An array (batch, frame, channel, height, width), or a list of clips (frame, channel, height, width).
        """
        clips = check_pictures(raw, 4, "video", CLIP_AXES)
        return FittedVideo(fit_pixels(clips, self.size), len(clips[0]))


@declared
class ClipFacts(PixelFacts):
    """What a model file keeps of a kind of clip."""

    n_frames: Size


class FittedVideo(FittedPictures):
    """How clips become tensors (batch, frame, channel, height, width) in [0, 1]."""

    inputs, stored = "clips", ClipFacts

    def checked(self, raw: Any) -> list[np.ndarray]:
        """Clips (frame, channel, height, width); raises DataError if a sample is not one, or of another length."""
        clips = list(check_pictures(raw, 4, "video", CLIP_AXES))
        if self.n_frames is not None:
            check_lengths(clips, self.n_frames)
        return clips

    def features(self, x: Float[Tensor, "row frame channel height width"]) -> dict[str, Float[Tensor, "row feature"]]:
        """'look': moments of the pixels of a clip and of their differences down, across and over time."""
        maps = (x, x.diff(dim=3), x.diff(dim=4), x.diff(dim=1))
        flat = [one.transpose(1, 2).flatten(2, 3) for one in maps]
        return {"look": torch.cat([moments(one.double()) for one in flat if all(one.shape[1:])], dim=1).to(x.dtype)}

    @classmethod
    def from_state(cls, state: ClipFacts) -> "FittedVideo":
        """The inverse of `state`."""
        return cls(pixels_from_state(state), state["n_frames"])


Video.fitted = FittedVideo
