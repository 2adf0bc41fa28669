"""Patches of a picture as a network pretrained on photographs sees them: the first blocks of EfficientNet-Lite0.

Decision: decisions.md 23.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, interpolate, pad, relu6

from blemish.modalities.features.feature_cache import digest
from blemish.modalities.features.map_store import current_store

FILE = Path(__file__).parent / "efficientnet_lite0.safetensors"
PARTS = ("widen", "single", "narrow")
STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1)
"""Strides of the blocks up to the first with 112 channels: later ones tell cats from cars, not cracks."""
TAPS = (4, 8)
"""Blocks whose outputs describe a patch: 40 channels at an eighth, 112 at a sixteenth of the size."""
WIDTH = 152
DETAILS = 224
"""Numbers of a patch's details: the stem and the blocks of `DETAIL_TAPS`, 32 + 16 + 24 + 40 + 112 channels."""
DETAIL_TAPS = (0, 2, 4, 8)
STEP = 8
"""Pixels, of the enlarged picture, between neighbouring patches."""
MIDDLE, SPREAD = 0.498, 0.502
"""Mean and spread of the pixels that the network was trained on, 127 and 128 of 255."""


@dataclass(frozen=True)
class Convolution:
    """One convolution, with the batch normalisation that followed it folded in."""

    weight: Float[Tensor, "out in height width"]
    bias: Float[Tensor, " out"]
    groups: int

    def __call__(
        self, x: Float[Tensor, "row in height width"], stride: int = 1
    ) -> Float[Tensor, "row out height2 width2"]:
        """With the border that TensorFlow calls 'same': with stride 2 the smaller part comes first."""
        border = max(0, self.weight.shape[-1] - stride)
        if border % 2:
            x, border = pad(x, [border // 2, border - border // 2] * 2), 0  # a copy, which an even border needs not
        return conv2d(x, self.weight, self.bias, stride=stride, padding=border // 2, groups=self.groups)


Block = tuple[Convolution | None, Convolution, Convolution]
"""Widen (the first block does not), filter each channel, narrow."""


def patches(x: Float[Tensor, "row channel height width"], side: int) -> Float[Tensor, "row patch feature"]:
    """Features of each patch: a grid of overlapping neighbourhoods, row by row.

    Args:
        x: Pictures in [0, 1]; the first three channels are colours, fewer are grey.
        side: Length in pixels that their longer side is resized to.

    Returns:
        `WIDTH` numbers per patch; (side / `STEP`)² patches of a square picture.

    Reference:
        Tan and Le, "EfficientNet", 2019, and its "Lite" variant without squeeze and excitation; two depths together
        after Roth et al., "Towards total recall in industrial anomaly detection", 2022 (PatchCore), section 3.1.
    """
    height, width = (max(2 * STEP, round(side / max(x.shape[-2:]) * one / 16) * 16) for one in x.shape[-2:])

    def make(rows: Float[Tensor, "row channel height width"]) -> Float[Tensor, "row patch feature"]:
        larger = interpolate(as_colours(rows), size=(height, width), mode="bilinear", align_corners=False)
        return patch_maps(larger).flatten(2).transpose(1, 2)

    store = current_store()
    if store is None:
        return make(x)
    facts = [("copy", digest(row.contiguous().cpu().numpy(), str(tuple(row.shape)))) for row in x]
    return store.kept(facts, (height * width // STEP**2, WIDTH), lambda new: make(x[new])).to(x.device)


def as_colours(x: Float[Tensor, "row channel height width"]) -> Float[Tensor, "row 3 height width"]:
    """The first three channels; the first one three times where there are fewer."""
    return x[:, :3] if x.shape[1] >= 3 else x[:, :1].expand(-1, 3, -1, -1)


def patch_maps(x: Float[Tensor, "row 3 height width"], *, details: bool = False) -> Float[Tensor, "row _ rows columns"]:
    """Features of each patch of colour pictures in [0, 1] whose sides are multiples of 16, not resized.

    Args:
        x: Pictures.
        details: Whether `DETAILS` numbers follow that are not smoothed over neighbours, from all depths: too noisy to
            find a defect by, better to outline one that was marked (decisions.md 100).
    """
    grid = x.shape[-2] // STEP, x.shape[-1] // STEP
    smooth, sharp = [], []
    for number, step, answer in _answers(x):
        if number in TAPS:
            smoothed = avg_pool2d(answer, 3, stride=1, padding=1)
            smooth.append(interpolate(smoothed, size=grid, mode="bilinear", align_corners=False))
        if details and step < STEP:
            sharp.append(avg_pool2d(answer, STEP // step))
        elif details:
            sharp.append(interpolate(answer, size=grid, mode="bilinear", align_corners=False))
    return torch.cat([*smooth, *sharp], dim=1)


def _answers(x: Float[Tensor, "row 3 height width"]) -> Iterator[tuple[int, int, Tensor]]:
    """What the stem (-1) and the blocks of both taps answer: number, pixels between two answers, and the answers."""
    stem, blocks = _network(str(x.device))
    inner = ((x - MIDDLE) / SPREAD).contiguous(memory_format=torch.channels_last)  # twice as fast on a CPU
    answer, step = relu6(stem(inner, stride=2), inplace=True), 2
    yield -1, step, answer
    for number, ((widen, single, narrow), stride) in enumerate(zip(blocks, STRIDES, strict=True)):
        wide, step = answer if widen is None else relu6(widen(answer), inplace=True), step * stride
        new = narrow(relu6(single(wide, stride=stride), inplace=True))
        answer = new + answer if new.shape == answer.shape else new
        if number in TAPS + DETAIL_TAPS:
            yield number, step, answer


@lru_cache(maxsize=2)
def _network(device: str) -> tuple[Convolution, tuple[Block, ...]]:
    """Stem and blocks, from the file next to this one; `scripts/pretrained.py` makes it."""
    stored = load_file(FILE, device=device)

    def convolution(name: str) -> Convolution | None:
        if f"{name}.weight" not in stored:
            return None
        weight = stored[f"{name}.weight"]
        return Convolution(weight, stored[f"{name}.bias"], groups=len(weight) if name.endswith("single") else 1)

    made = [tuple(convolution(f"{number}.{part}") for part in PARTS) for number in range(len(STRIDES))]
    return cast(Any, (convolution("stem"), tuple(made)))
