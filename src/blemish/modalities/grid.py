"""The cells of a picture that explanations tell apart: an 8 x 8 grid, of every frame of a clip."""

from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d

GRID = 8
MIN_CHANGE = 1 / 255  # of a pixel: one level of an 8-bit picture


def regions(error_map: Float[np.ndarray, "row *sample"]) -> tuple[tuple[str, ...], Float[np.ndarray, "row element"]]:
    """Mean error of each cell of an 8 x 8 grid, of every frame for video.

    Args:
        error_map: (row, channel, height, width) or (row, frame, channel, height, width).

    Returns:
        A name for each cell, and the means (row, cell).
    """
    frames = error_map.mean(axis=-3)  # channels together
    frames = frames if frames.ndim == 4 else frames[:, None]
    height, width = frames.shape[-2:]
    tops = np.linspace(0, height, min(GRID, height) + 1).astype(int)
    lefts = np.linspace(0, width, min(GRID, width) + 1).astype(int)
    names, means = [], []
    for frame in range(frames.shape[1]):
        prefix = f"frame {frame}, " if frames.shape[1] > 1 else ""
        for top, bottom in pairwise(tops):
            for left, right in pairwise(lefts):
                names.append(f"{prefix}rows {top}-{bottom - 1}, columns {left}-{right - 1}")
                means.append(frames[:, frame, top:bottom, left:right].mean(axis=(1, 2)))
    return tuple(names), np.stack(means, axis=1)


def without_cells(
    sample: Float[Tensor, "*frame channel height width"], typical: Float[Tensor, "*frame channel height width"]
) -> Float[Tensor, "element *sample"]:
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
    """1 inside each cell of the 8 x 8 grid, in the order of `regions`."""
    tops, lefts = (np.linspace(0, side, min(GRID, side) + 1).astype(int).tolist() for side in (height, width))
    masks = torch.zeros((len(tops) - 1) * (len(lefts) - 1), height, width)
    for cell, ((top, bottom), (left, right)) in enumerate((v, h) for v in pairwise(tops) for h in pairwise(lefts)):
        masks[cell, top:bottom, left:right] = 1
    return masks
