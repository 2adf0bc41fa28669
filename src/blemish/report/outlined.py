"""Pictures of the report in their own size: what is outlined in them, the map, and the nearest labelled defects."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from blemish.calibration.areas import AREAS
from blemish.core.errors import DataError
from blemish.core.files import named
from blemish.data.images import decode
from blemish.data.regions.outlines import Region, regions_above
from blemish.report.pictures import picture_source

AREA = 0.001
"""Fraction of the area of normal pictures that may be outlined, where enough of them were fitted."""
MAX_OUTLINED = 20  # regions per picture
MAX_SHOWN = 1024  # pixels of the longer side that the page holds; larger pictures are thinned out
THUMBNAIL = 160
MAX_NEAREST = 3


class Outlines:
    """Maps of one model's defect score (outlier score without labelled defects), as figures.

    Args:
        det: A fitted detector with maps.
        peak_area: Of it, only regions that somewhere score higher than all but this fraction of that area; None: all.
    """

    def __init__(self, det: Any, peak_area: float | None = None) -> None:
        self._det = det
        levels = det.fitted_.area_levels
        assert levels is not None
        self.area = max(AREA, levels.smallest)
        self.peak_area = min(self.area, max(peak_area or self.area, levels.smallest))
        self.cut, self._peak = levels.cut(self.area), levels.cut(self.peak_area)
        self._low = levels.cut(float(AREAS[0]))
        self._known: dict[Any, str] = {}

    def legend(self) -> str:
        """What the lines and the map mean."""
        peak = f", and somewhere higher than {100 * (1 - self.peak_area):.6g} %" if self.peak_area < self.area else ""
        return (
            f"Outlined is what scores higher than {100 * (1 - self.area):.4g} % of the area of normal pictures{peak}. "
            "The map is orange where the score is high. Of the nearest labelled defects the highest place is boxed."
        )

    def figure(self, sample: np.ndarray, name: str) -> str:
        """The picture with its regions outlined, the map over it, and where the highest region is, in words."""
        heat = self._det.heat([sample])[0]
        span = max(float(heat.max()), self.cut) - self._low
        over = np.clip((heat - self._low) / max(span, 1e-12), 0, 1)
        shown = self.over(sample, heat, f"{name}, outlined") + drawn(sample, [], f"{name}: map", heat=over)
        return f"{shown}<p>{self.words(heat)}</p>"

    def regions(self, heat: Float[np.ndarray, "height width"]) -> list[Region]:
        """What is outlined on a map, the highest first."""
        return [one for one in regions_above(heat, self.cut) if one.score > self._peak]

    def over(self, sample: np.ndarray, heat: Float[np.ndarray, "height width"], alt: str) -> str:
        """The picture with the regions of its map outlined."""
        return drawn(sample, [one.border for one in self.regions(heat)[:MAX_OUTLINED]], alt)

    def words(self, heat: Float[np.ndarray, "height width"]) -> str:
        """Where the highest region of a map is."""
        height, width = heat.shape
        found = self.regions(heat)
        if not found:
            return "No place of this picture stands out from normal pictures."
        first = found[0]
        where = f"{first.place(height, width)}, {first.width} × {first.height} pixels at ({first.x}, {first.y})"
        n = f"{len(found)} regions are outlined, the highest one" if len(found) > 1 else "One region is outlined:"
        return f"{n} {where}."

    def nearest(self, names: Sequence[Any]) -> str:
        """Thumbnails of labelled defects whose pictures are at hand, with their spot boxed; empty where none is."""
        return "".join(self._thumbnail(name) for name in names[:MAX_NEAREST])

    def _thumbnail(self, name: Any) -> str:
        if name not in self._known:
            sample = self._picture(name)
            self._known[name] = "" if sample is None else self._boxed(sample, str(name))
        return self._known[name]

    def _boxed(self, sample: np.ndarray, name: str) -> str:
        """The picture with the box of the region that scores highest."""
        heat = self._det.heat([sample])[0]
        found = regions_above(heat, min(self.cut, float(np.nextafter(heat.max(), -np.inf))))[0]
        x, y, right, bottom = found.x, found.y, found.x + found.width, found.y + found.height
        box = [(x, y), (right, y), (right, bottom), (x, bottom)]
        shown = drawn(sample, [box], f"labelled defect {name}", most=THUMBNAIL)
        return f'<span class="near">{shown}<span>{escape(name)}</span></span>'

    def _picture(self, name: Any) -> np.ndarray | None:
        """The picture of a labelled defect, where the model was fitted on files that are still there."""
        if isinstance(name, str):
            for place in self._places(name):
                try:
                    return decode(place)
                except DataError:
                    continue
        return None

    def _places(self, name: str) -> list[Path]:
        folder = self._det.notes_.get("run", {}).get("data")
        there = [named(folder, name)] if folder else []
        return [place for place in (*there, Path(name)) if place.is_file()]


def _unit(sample: np.ndarray) -> Float[np.ndarray, "channel height width"]:
    """A picture in [0, 1], by the range of its type, or its own where that has none."""
    picture = np.asarray(sample if sample.ndim == 3 else sample[None], dtype=np.float64)
    if sample.dtype.kind == "u":
        return picture / np.iinfo(sample.dtype).max
    if picture.min() >= 0 and picture.max() <= 1:
        return picture
    return (picture - picture.min()) / max(float(np.ptp(picture)), 1e-12)


def drawn(
    sample: np.ndarray,
    polygons: Sequence[Sequence[tuple[int, int]]],
    alt: str,
    *,
    heat: Float[np.ndarray, "height width"] | None = None,
    most: int = MAX_SHOWN,
) -> str:
    """A picture, with its map or with polygons (x, y) over it, in its own pixels."""
    height, width = sample.shape[-2:]
    step = max(1, -(-max(height, width) // most))
    source = picture_source(_unit(sample)[:, ::step, ::step], None if heat is None else heat[::step, ::step])
    lines = "".join(
        f'<polygon class="{part}" points="{" ".join(f"{x},{y}" for x, y in points)}"/>'
        for points in polygons
        for part in ("halo", "line")
    )
    return (
        f'<svg class="outlined" role="img" aria-label="{escape(alt)}" viewBox="0 0 {width} {height}" '
        f'style="--wide:{width / max(height, width):.3f}"><image href="{source}" width="{width}" height="{height}" '
        f'preserveAspectRatio="none"/>{lines}</svg>'
    )
