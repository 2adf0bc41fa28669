"""What a map holds above a cut: connected regions with their outlines."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import find_objects, label

from blemish.data.regions.shapes import outline

REGION = ("x", "y", "width", "height", "area", "score")  # of one region, in pixels
PLACES = (("upper left", "top", "upper right"), ("left", "centre", "right"), ("lower left", "bottom", "lower right"))


def place_name(x: float, y: float) -> str:
    """Where a point is in a picture, for a person; x and y are fractions of its width and height.

    Example:
        >>> place_name(0.1, 0.2), place_name(0.5, 0.9)
        ('upper left', 'bottom')
    """
    row, column = (min(2, max(0, int(3 * at))) for at in (y, x))
    return PLACES[row][column]


@dataclass(frozen=True)
class Region:
    """A connected region; pixels that touch at a corner are connected.

    Attributes:
        x: Its left edge, in pixels.
        y: Its upper edge.
        mask: Its pixels, shape (height, width) of its box.
        score: The highest value in it.
    """

    x: int
    y: int
    mask: Bool[np.ndarray, "height width"]
    score: float

    @property
    def width(self) -> int:
        """Width of its box, in pixels."""
        return self.mask.shape[1]

    @property
    def height(self) -> int:
        """Height of its box, in pixels."""
        return self.mask.shape[0]

    @property
    def area(self) -> int:
        """Number of pixels, holes left out."""
        return int(self.mask.sum())

    @property
    def border(self) -> list[tuple[int, int]]:
        """Its outer border as a polygon (x, y) along the edges of pixels, clockwise."""
        return [(self.x + x, self.y + y) for x, y in outline(self.mask)]

    def place(self, height: int, width: int) -> str:
        """Where its middle is in a picture of this size; see `place_name`."""
        return place_name((self.x + self.width / 2) / width, (self.y + self.height / 2) / height)

    def facts(self) -> dict[str, Any]:
        """Box, area and score, by the names in `REGION`."""
        return {name: getattr(self, name) for name in REGION}


def highest_in(region: Region, maps: Mapping[str, Float[np.ndarray, "height width"]]) -> str:
    """The name of the map, of one at least, that is highest in a region."""
    inside = np.s_[region.y : region.y + region.height, region.x : region.x + region.width]
    return max(maps, key=lambda name: maps[name][inside][region.mask].max())


def regions_above(heat: Float[np.ndarray, "height width"], cut: float) -> list[Region]:
    """Connected regions of a map above a cut, the highest first.

    Example:
        >>> regions_above(np.array([[0.0, 3.0, 3.0], [0.0, 0.0, 0.0]]), 1.0)[0].facts()
        {'x': 1, 'y': 0, 'width': 2, 'height': 1, 'area': 2, 'score': 3.0}
    """
    place = np.zeros(heat.shape, dtype=np.int32)
    label(heat > cut, structure=np.ones((3, 3)), output=place)
    found = []
    for number, (rows, columns) in enumerate(find_objects(place), start=1):
        inside = place[rows, columns] == number
        found.append(Region(columns.start, rows.start, inside, float(heat[rows, columns][inside].max())))
    return sorted(found, key=lambda region: -region.score)
