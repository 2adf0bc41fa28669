"""Where in a picture the defect is: masks, boxes and strokes, as masks in the picture's own size."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from blemish.core.errors import DataError, LabelError
from blemish.core.labels import DEFECT

BOX, POINT = 4, 2  # numbers of a box (x, y, width, height) and of a point of a stroke (x, y)
FORMS = "give a mask (height, width), boxes (x, y, width, height), or a stroke of points (x, y), in pixels"


def regions_to_masks(
    regions: Any,
    kept: Bool[np.ndarray, " given"],
    group: Int[np.ndarray, " row"],
    pictures: Sequence[Shaped[np.ndarray, "..."]],
) -> list[Bool[np.ndarray, "..."] | None]:
    """A mask, or None, for each picture.

    Args:
        regions: For each picture that was given None, or a region, see `to_mask`.
        kept: Which of the pictures that were given could be read.
        group: What the pictures that could be read are labelled as.
        pictures: Those, in the same order, each (channel, height, width).

    Raises:
        DataError: If there is not one entry per picture, or one of them is not a region in its picture.
        LabelError: If a picture that is not labelled as the defect has a region.
    """
    regions = list(regions)
    if len(regions) != len(kept):
        raise DataError(f"{len(regions)} regions, {len(kept)} samples; give one per sample, None where there is none")
    given = np.flatnonzero(kept).tolist()
    masks: list[np.ndarray | None] = []
    for row, code, picture in zip(given, group, pictures, strict=True):
        region = regions[row]
        if _is_missing(region):
            masks.append(None)
            continue
        if code < DEFECT:
            raise LabelError(
                f"sample {row} has a region and is not labelled as the defect; a region says where the defect is: "
                "label the sample, or give None"
            )
        masks.append(to_mask(region, *picture.shape[-2:], name=f"the region of sample {row}"))
    return masks


def to_mask(region: Any, height: int, width: int, name: str = "the region") -> Bool[np.ndarray, "height width"]:
    """A region as a mask.

    Args:
        region: A mask (height, width), where 0 or False is outside; boxes (x, y, width, height), one or several; or a
            stroke, two or more points (x, y). x counts pixels from the left, y from the top. What lies outside the
            picture is cut off.
        height: Of the picture, in pixels.
        width: Of the picture, in pixels.
        name: What to call it in a message.

    Raises:
        DataError: If it is none of these, or nothing of it lies in the picture.

    Example:
        >>> to_mask([(1, 0, 2, 1)], 2, 4).astype(int).tolist()
        [[0, 1, 1, 0], [0, 0, 0, 0]]
        >>> to_mask([(0, 0), (2, 2)], 3, 3).astype(int).tolist()
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    """
    try:
        array = np.asarray(region)
    except ValueError:
        array = np.empty(0)
    if array.dtype.kind not in "buif" or not array.size or (array.dtype.kind == "f" and not np.isfinite(array).all()):
        raise DataError(f"{name} is not one ({type(region).__name__} of shape {array.shape}); {FORMS}")
    if array.ndim == 3 and 1 in (array.shape[0], array.shape[-1]):  # a mask with a channel axis
        array = array[0] if array.shape[0] == 1 else array[..., 0]
    numbers = array.shape[-1] if array.ndim == 2 and array.dtype.kind != "b" else 0  # of each box or point
    if array.shape == (height, width) and not (isinstance(region, (list, tuple)) and numbers in (POINT, BOX)):
        mask = array != 0
    elif numbers == BOX or array.shape == (BOX,):
        mask = _of_boxes(array.reshape(-1, BOX).astype(np.float64), height, width, name)
    elif numbers == POINT and len(array) > 1:
        mask = _of_stroke(array.astype(np.float64), height, width)
    else:
        raise DataError(f"{name} has shape {array.shape}, its picture is {height} x {width} pixels; {FORMS}")
    if not mask.any():
        raise DataError(f"{name} marks no pixel of its picture, {height} x {width}; mark the defect, or give None")
    return mask


def _of_boxes(boxes: Float[np.ndarray, "box 4"], height: int, width: int, name: str) -> Bool[np.ndarray, "y x"]:
    if (boxes[:, 2:] <= 0).any():
        raise DataError(f"{name} has a box without width or height; boxes are (x, y, width, height), in pixels")
    mask = np.zeros((height, width), dtype=bool)
    for x, y, across, down in boxes:
        left, top = max(0, int(np.floor(x))), max(0, int(np.floor(y)))
        mask[top : max(0, int(np.ceil(y + down))), left : max(0, int(np.ceil(x + across)))] = True
    return mask


def _of_stroke(points: Float[np.ndarray, "point 2"], height: int, width: int) -> Bool[np.ndarray, "y x"]:
    mask = np.zeros((height, width), dtype=bool)
    for start, end in pairwise(points):
        n = min(2 * (height + width), int(np.ceil(np.abs(end - start).max())) + 1)
        x, y = np.rint(np.linspace(start, end, max(2, n))).astype(int).T
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        mask[y[inside], x[inside]] = True
    return mask


def _is_missing(region: Any) -> bool:
    return (
        region is None
        or (isinstance(region, float) and np.isnan(region))
        or (isinstance(region, (list, tuple)) and not len(region))
    )
