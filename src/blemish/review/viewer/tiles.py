"""Pictures cut into tiles at several sizes, so that a large one is looked at without being sent."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from blemish.core.errors import DataError, LabelError
from blemish.data.on_disk import scratch
from blemish.review.drawings import encoded

SIDE = 512
"""Pixels per side of a tile."""
MAX_BYTES = 2**29
"""Limit of the pictures that are kept open; the last one is kept whatever its size."""
MAPPED = 2**25  # bytes from which a picture lies on the disk, mapped: the system takes back what is not looked at


@dataclass(frozen=True, eq=False)
class Pyramid:
    """A picture at its own size and reduced by 2, 4, 8 and so on, until it fits into one tile.

    Attributes:
        levels: Of 8 bits, (height, width) or (height, width, 3); the first is the picture itself.
    """

    levels: tuple[np.ndarray, ...]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture."""
        height, width = self.levels[0].shape[:2]
        return width, height

    @property
    def n_bytes(self) -> int:
        """Memory of all levels."""
        return sum(level.nbytes for level in self.levels)

    def tile(self, level: int, column: int, row: int) -> tuple[bytes, str]:
        """A tile and its media type: lossless at the picture's own size, JPEG of what is reduced.

        Raises:
            LabelError: If there is no such tile.
        """
        if not 0 <= level < len(self.levels):
            raise LabelError(f"level {level} does not exist: the picture has {len(self.levels)}, from 0")
        whole = self.levels[level]
        rows, columns = (-(-side // SIDE) for side in whole.shape[:2])
        if not (0 <= column < columns and 0 <= row < rows):
            raise LabelError(f"tile {column}/{row} does not exist: level {level} has {columns} x {rows}, from 0")
        cut = Pillow.fromarray(np.array(whole[row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE]))
        if level:
            return encoded(cut, "JPEG", quality=88), "image/jpeg"
        return encoded(cut, "PNG", compress_level=1), "image/png"


def pyramid_of(picture: Pillow.Image) -> Pyramid:
    """All sizes of a picture of 8 bits, grey or RGB."""
    levels = [_kept(picture)]
    while max(picture.size) > SIDE:
        picture = picture.reduce(2)
        levels.append(_kept(picture))
    return Pyramid(tuple(levels))


def _kept(picture: Pillow.Image) -> np.ndarray:
    width, height = picture.size
    shape = (height, width, 3)[: 2 if picture.mode == "L" else 3]
    if np.prod(shape) < MAPPED:
        return np.asarray(picture)
    try:
        with scratch(Path("a picture"), int(np.prod(shape))) as (file, name):
            file.truncate(int(np.prod(shape)))
            mapped = np.memmap(name, dtype=np.uint8, mode="r+", shape=shape)
    except DataError:  # no room on the disk: then in memory
        return np.asarray(picture)
    for top in range(0, height, SIDE):  # not whole: that would be another copy of it
        bottom = min(height, top + SIDE)
        mapped[top:bottom] = np.asarray(picture.crop((0, top, width, bottom)))
    return mapped


class Pyramids:
    """The pictures that were opened last."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Pyramid] = OrderedDict()
        self._turn = threading.Lock()  # one picture is decoded at a time, and each once

    def get(self, digest: str, make: Callable[[], Pillow.Image]) -> Pyramid:
        """The pyramid of a content hash; the picture is decoded if it is not among the last ones."""
        with self._turn:
            if digest not in self._kept:
                made = pyramid_of(make())
                self._kept[digest] = made
                while len(self._kept) > 1 and sum(one.n_bytes for one in self._kept.values()) > MAX_BYTES:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(digest)
            return self._kept[digest]
