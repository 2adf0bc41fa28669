"""Shapes as masks and masks as shapes: polygons, and the run lengths of COCO; never larger than the picture."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from blemish.core.errors import DataError

DIGIT_BITS, SIGN, MORE, FIRST_CHARACTER = 5, 0x10, 0x20, 48  # of a number in COCO's compressed run lengths
MAX_DIGITS = 7  # more than any run in a picture of 2**32 pixels needs


def fill_polygon(points: Float[np.ndarray, "point 2"], height: int, width: int) -> Bool[np.ndarray, "height width"]:
    """The pixels whose middle lies in a polygon (even-odd), where pixel (0, 0) reaches from 0 to 1 in x and in y.

    What lies outside the picture is cut off.

    Example:
        >>> fill_polygon(np.array([[1.0, 0.0], [3.0, 0.0], [3.0, 1.0], [1.0, 1.0]]), 2, 4).astype(int).tolist()
        [[0, 1, 1, 0], [0, 0, 0, 0]]
    """
    turns = np.zeros((height, width + 1), dtype=bool)  # whether inside and outside change places here
    for (x, y), (to_x, to_y) in zip(points, np.roll(points, -1, axis=0), strict=True):
        top, bottom = np.ceil(np.clip(sorted((y, to_y)), 0, height) - 0.5).astype(int)
        rows = np.arange(top, bottom)
        if len(rows):
            crossing = x + (rows + 0.5 - y) * ((to_x - x) / (to_y - y))
            turns[rows, np.ceil(np.clip(crossing, 0, width) - 0.5).astype(int)] ^= True
    return np.logical_xor.accumulate(turns, axis=1)[:, :-1]


def outline(mask: Bool[np.ndarray, "height width"]) -> list[tuple[int, int]]:
    """The outer border of one connected region (corners count) as a polygon of points (x, y), clockwise.

    Holes are not told: a polygon in COCO has none.

    Example:
        >>> outline(np.array([[False, True, True]]))
        [(1, 0), (3, 0), (3, 1), (1, 1)]
    """
    inside = np.pad(mask, 1)  # so that there is an outside everywhere; corner (x, y) is then between pixels x and x + 1
    y, x = np.argwhere(mask)[0].tolist()  # the first in reading order: its upper side belongs to the outer border
    start, (dx, dy), corners = (x, y), (1, 0), [(x, y)]
    while True:
        x, y = x + dx, y + dy
        left = inside[y + (dy - dx + 1) // 2, x + (dx + dy + 1) // 2]
        right = inside[y + (dy + dx + 1) // 2, x + (dx - dy + 1) // 2]
        if left or not right:
            dx, dy = (dy, -dx) if left else (-dy, dx)
            if (x, y) == start and (dx, dy) == (1, 0):
                return corners
            corners.append((x, y))


def mask_of_runs(
    counts: Sequence[int] | str, height: int, width: int, name: str = "the region"
) -> Bool[np.ndarray, "height width"]:
    """COCO's run lengths, as numbers or compressed to a string, as a mask.

    The runs go down the columns, the first from left; they alternate between outside and inside, and begin outside.

    Raises:
        DataError: If the runs are not those of a picture of this size.

    Example:
        >>> mask_of_runs([1, 2, 1], 2, 2).astype(int).tolist()
        [[0, 1], [1, 0]]
    """
    numbers = _decompressed(counts, name) if isinstance(counts, str) else list(counts)
    if min(numbers, default=0) < 0 or sum(numbers) != height * width:
        raise DataError(
            f"{name} has run lengths for {sum(numbers)} pixels, its picture has {height * width} ({height} x {width})"
        )
    inside = np.repeat(np.arange(len(numbers)) % 2 == 1, numbers)
    return inside.reshape(width, height).T


def _decompressed(text: str, name: str) -> list[int]:
    """Numbers of five bits a character, the lowest first; from the fourth on they are differences to the last but one.

    Reference:
        `rleFrString` of https://github.com/cocodataset/cocoapi.
    """
    numbers: list[int] = []
    value = digits = 0
    for character in text:
        code = ord(character) - FIRST_CHARACTER
        if not 0 <= code < 2 * MORE or digits == MAX_DIGITS:
            raise DataError(f"{name} has run lengths that are not COCO's: {text[:20]!r}")
        value |= (code & (MORE - 1)) << DIGIT_BITS * digits
        digits += 1
        if not code & MORE:
            value -= (1 << DIGIT_BITS * digits) if code & SIGN else 0
            numbers.append(value + (numbers[-2] if len(numbers) > 2 else 0))
            value = digits = 0
    if digits:
        raise DataError(f"{name} has run lengths that are cut off: {text[-20:]!r}")
    return numbers
