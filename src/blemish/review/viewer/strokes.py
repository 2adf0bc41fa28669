"""What people draw on a picture to say where the defect is: brush strokes, boxes, and what an eraser takes away."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from math import ceil, floor, isfinite
from typing import Any

import numpy as np
from jaxtyping import Bool
from PIL import Image as Pillow
from PIL import ImageDraw

from blemish.core.errors import LabelError

TOOLS = ("brush", "box", "eraser")
MAX_POINTS = 2000
MAX_SIDE = 1_000_000
"""Pixels per side of a picture that is drawn on."""
SKETCH = 512  # pixels of the longer side at which the spot of a drawing is measured


@dataclass(frozen=True)
class Stroke:
    """One movement of a tool; a sample's strokes apply in their order.

    Attributes:
        tool: One of `TOOLS`.
        points: (x, y) in pixels of the picture, from its upper left corner; of a box two opposite corners.
        thickness: Of a brush and an eraser, in pixels of the picture; of a box 0.
        picture: Width and height of the picture that was drawn on: a model may read a large one reduced.
    """

    tool: str
    points: tuple[tuple[float, float], ...]
    thickness: float
    picture: tuple[int, int]

    def text(self) -> str:
        """As JSON, for a database."""
        return json.dumps(asdict(self), separators=(",", ":"))


def stroke_from_text(text: str) -> Stroke:
    """The inverse of `Stroke.text`.

    Example:
        >>> box = Stroke("box", ((0.0, 1.0), (4.0, 5.0)), 0.0, (8, 6))
        >>> stroke_from_text(box.text()) == box
        True
    """
    return to_stroke(json.loads(text))


def to_stroke(values: Any) -> Stroke:
    """Check a stroke sent by a page.

    Args:
        values: An object with the fields of `Stroke`.

    Raises:
        LabelError: If a field is missing, unknown, or not as `Stroke` describes it.
    """
    if not isinstance(values, dict) or set(values) != set(Stroke.__dataclass_fields__):
        raise LabelError(f"a stroke is an object with the fields {', '.join(Stroke.__dataclass_fields__)}")
    tool, picture, thickness, points = (values[name] for name in ("tool", "picture", "thickness", "points"))
    if tool not in TOOLS:
        raise LabelError(f"stroke with tool = {str(tool)[:40]!r}: expected one of {', '.join(TOOLS)}")
    if not (_are_pair(picture) and all(type(side) is int and 0 < side <= MAX_SIDE for side in picture)):
        raise LabelError(f"stroke with picture = {str(picture)[:40]!r}: expected its width and height in pixels")
    width, height = picture
    if not (_is_number(thickness) and 0 <= thickness <= 2 * max(picture) and (thickness > 0) == (tool != "box")):
        raise LabelError(f"stroke with thickness = {str(thickness)[:40]!r}: expected pixels, and 0 for a box")
    counts = range(2, 3) if tool == "box" else range(1, MAX_POINTS + 1)
    if not isinstance(points, list) or len(points) not in counts:
        raise LabelError(f"a {tool} has {counts[0]} to {counts[-1]} points, (x, y)")
    for point in points:
        if not (
            _are_pair(point) and all(map(_is_number, point)) and 0 <= point[0] <= width and 0 <= point[1] <= height
        ):
            raise LabelError(f"point {str(point)[:40]} of a {tool} is not in its picture, {width} x {height} pixels")
    return Stroke(tool, tuple((float(x), float(y)) for x, y in points), float(thickness), (width, height))


def _are_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= 2 * MAX_SIDE and isfinite(value)


def drawn_mask(people: Iterable[Sequence[Stroke]], height: int, width: int) -> Bool[np.ndarray, "height width"] | None:
    """Where the defect is by all who drew, in a picture of this size; None if nothing is left of what they drew.

    An eraser takes away what the same person drew before.

    Args:
        people: The strokes of each person, in their order.
        height: Of the mask, in pixels.
        width: Of the mask, in pixels.

    Example:
        >>> drawn_mask([[Stroke("box", ((2.0, 0.0), (6.0, 2.0)), 0.0, (8, 4))]], 2, 4).astype(int).tolist()
        [[0, 1, 1, 0], [0, 0, 0, 0]]
    """
    found = np.zeros((height, width), dtype=bool)
    for strokes in people:
        sheet = Pillow.new("L", (width, height))
        pen = ImageDraw.Draw(sheet)
        for stroke in strokes:
            _draw(pen, stroke, width / stroke.picture[0], height / stroke.picture[1])
        found |= np.asarray(sheet) > 0
    return found if found.any() else None


def _draw(pen: ImageDraw.ImageDraw, stroke: Stroke, across: float, down: float) -> None:
    points = [(x * across, y * down) for x, y in stroke.points]
    if stroke.tool == "box":
        (left, right), (top, bottom) = map(sorted, zip(*points, strict=True))
        last = max(floor(left), ceil(right) - 1), max(floor(top), ceil(bottom) - 1)
        pen.rectangle([floor(left), floor(top), *last], fill=1)
        return
    ink, radius = int(stroke.tool == "brush"), max(0.5, stroke.thickness * (across + down) / 4)
    centres = [(x - 0.5, y - 0.5) for x, y in points]  # Pillow counts from the middle of the first pixel
    pen.line(centres, fill=ink, width=max(1, round(2 * radius)))
    for (x, y), (cx, cy) in zip(points, centres, strict=True):
        if radius <= 1:
            pen.point((floor(x), floor(y)), fill=ink)
        else:
            pen.ellipse([cx - radius + 0.5, cy - radius + 0.5, cx + radius - 0.5, cy + radius - 0.5], fill=ink)


def spot(people: Sequence[Sequence[Stroke]]) -> list[float] | None:
    """The box around all that is drawn, (left, top, width, height) as fractions of the picture's sides; None: nothing.

    Example:
        >>> spot([[Stroke("box", ((10.0, 5.0), (20.0, 10.0)), 0.0, (40, 20))]])
        [0.25, 0.25, 0.25, 0.25]
    """
    picture = next((stroke.picture for strokes in people for stroke in strokes), None)
    if picture is None:
        return None
    factor = min(1.0, SKETCH / max(picture))
    width, height = (max(1, round(side * factor)) for side in picture)
    mask = drawn_mask(people, height, width)
    if mask is None:
        return None
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    left, top = int(columns[0]), int(rows[0])
    across, down = int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top
    return [round(left / width, 4), round(top / height, 4), round(across / width, 4), round(down / height, 4)]
