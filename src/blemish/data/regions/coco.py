"""Regions in COCO files: read what was drawn elsewhere, write what was found so that other tools read it."""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NotRequired

import numpy as np
from annotated_types import Len, MinLen
from jaxtyping import Bool, Float
from typing_extensions import TypedDict

from blemish.core.errors import ArtifactError, DataError
from blemish.core.files import open_regular
from blemish.core.manifest import Size, checked, open_declared
from blemish.core.store import write_atomically
from blemish.core.version import __version__
from blemish.data.dataset import PathLike
from blemish.data.regions.masks import to_mask
from blemish.data.regions.outlines import Region
from blemish.data.regions.shapes import fill_polygon, mask_of_runs

MAX_BYTES = 2**28
FAR = 1e9  # pixels: beyond it products of coordinates lose their meaning

Id = int | str


@open_declared
class Runs(TypedDict):
    """A mask as run lengths, as numbers or compressed."""

    size: Annotated[list[Size], Len(2, 2)]
    counts: list[int] | str


@open_declared
class Annotation(TypedDict):
    """One region."""

    image_id: Id
    category_id: NotRequired[Id]
    bbox: NotRequired[Annotated[list[float], Len(4, 4)] | Annotated[list[float], Len(0, 0)] | None]
    segmentation: NotRequired[list[Annotated[list[float], MinLen(6)]] | Runs | None]


@open_declared
class Image(TypedDict):
    """One picture."""

    id: Id
    file_name: str
    width: NotRequired[Size]
    height: NotRequired[Size]


@open_declared
class Category(TypedDict):
    """What a region is of."""

    id: Id
    name: str


@open_declared
class Coco(TypedDict):
    """The parts of a COCO file that say where something is."""

    images: list[Image]
    annotations: list[Annotation]
    categories: NotRequired[list[Category]]


@dataclass(frozen=True)
class Drawn:
    """The regions of one picture, as a file has them.

    Attributes:
        size: Height and width of the picture that they were drawn on; None: the file does not say.
        kinds: The category of each region.
        regions: The regions.
    """

    size: tuple[int, int] | None
    kinds: list[str]
    regions: list[Annotation]

    def of_kinds(self, kinds: Iterable[str]) -> "Drawn":
        """Those of some categories."""
        kept = [at for at, kind in enumerate(self.kinds) if kind in kinds]
        return Drawn(self.size, [self.kinds[at] for at in kept], [self.regions[at] for at in kept])

    def mask(self, height: int, width: int, name: str) -> Bool[np.ndarray, "height width"]:
        """All of them as one mask.

        Raises:
            DataError: If one is damaged, or marks nothing of a picture of this size.
        """
        mask = np.zeros((height, width), dtype=bool)
        for region in self.regions:
            mask |= _mask_of(region, height, width, name)
        return mask


def _mask_of(region: Annotation, height: int, width: int, name: str) -> Bool[np.ndarray, "height width"]:
    shape, box = region.get("segmentation"), region.get("bbox")
    if isinstance(shape, dict):
        if shape["size"] != [height, width]:
            of = " x ".join(map(str, shape["size"]))
            raise DataError(f"{name} has run lengths for {of} pixels, its picture is {height} x {width} (height first)")
        return to_mask(mask_of_runs(shape["counts"], height, width, name), height, width, name)
    if shape:
        polygons = [np.array(ring[: len(ring) // 2 * 2]).reshape(-1, 2).clip(-FAR, FAR) for ring in shape]
        found = [fill_polygon(points, height, width) for points in polygons]
        # too thin to hold the middle of a pixel: what its border passes
        thin = [to_mask(points, height, width, name) for points, inside in zip(polygons, found, strict=True)
                if not inside.any() and _within(points, height, width)]  # fmt: skip
        return to_mask(np.logical_or.reduce([*found, *thin]), height, width, name)
    if box:
        return to_mask([box], height, width, name)
    raise DataError(f"{name} has neither a box nor a shape; give 'bbox' or 'segmentation'")


def _within(points: Float[np.ndarray, "point 2"], height: int, width: int) -> bool:
    """Whether some point lies in the picture."""
    return bool(((points >= 0) & (np.rint(points) < (width, height))).all(axis=1).any())


def read_coco(path: PathLike) -> dict[str, Drawn]:
    """The regions in a COCO file, by the file name of each picture that has some.

    Raises:
        DataError: If it is not such a file, or is larger than 256 MB.
    """
    try:
        with open_regular(path) as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise DataError(f"{path} is larger than {MAX_BYTES >> 20} MB; split it")
    try:
        found: Coco = checked(Coco, content, f"{path} is not a COCO file of regions")
    except ArtifactError as error:
        raise DataError(str(error)) from None
    kinds = {category["id"]: category["name"] for category in found.get("categories", [])}
    images = {image["id"]: image for image in found["images"]}
    if len(images) < len(found["images"]):
        raise DataError(f"{path} has two images with the same id")
    by_name: dict[str, Drawn] = {}
    for region in found["annotations"]:
        image = images.get(region["image_id"])
        if image is None:
            raise DataError(f"{path} has a region of image {region['image_id']!r}, which is not among its images")
        size = (image["height"], image["width"]) if "height" in image and "width" in image else None
        drawn = by_name.setdefault(image["file_name"], Drawn(size, [], []))
        drawn.kinds.append(kinds.get(region.get("category_id", ""), ""))
        drawn.regions.append(region)
    return by_name


def write_coco(
    path: str | os.PathLike[str],
    pictures: Sequence[tuple[str, int, int]],
    found: Iterable[tuple[int, Region, str]],
    kinds: Sequence[str],
    cut: str,
) -> None:
    """Write regions of pictures as a COCO file, whole or not at all; Label Studio and FiftyOne read it.

    Args:
        path: Where to.
        pictures: Name, height and width of each picture, with and without regions.
        found: Number of a picture, from 0, a region of it, and what that is of.
        kinds: What the regions may be of.
        cut: What the regions lie above, in words.
    """
    images = [
        {"id": at, "file_name": name, "height": height, "width": width}
        for at, (name, height, width) in enumerate(pictures, start=1)
    ]
    annotations = [
        {"id": at, "image_id": picture + 1, "category_id": 1 + kinds.index(kind), "iscrowd": 0, **described(region)}
        for at, (picture, region, kind) in enumerate(found, start=1)
    ]
    written = {
        "info": {"description": f"Regions found by Blemish {__version__}: {cut}"},
        "licenses": [],
        "images": images,
        "categories": [{"id": at, "name": kind, "supercategory": ""} for at, kind in enumerate(kinds, start=1)],
        "annotations": annotations,
    }
    write_atomically(path, json.dumps(written, ensure_ascii=False).encode())


def described(region: Region) -> dict[str, Any]:
    """A region as a COCO file has it: box, polygon, area and score.

    The polygon is the outer border; holes are not told, and do not count in the area.

    Example:
        >>> described(Region(1, 0, np.array([[True, True]]), 3.0))["segmentation"]
        [[1, 0, 3, 0, 3, 1, 1, 1]]
    """
    return {
        "bbox": [region.x, region.y, region.width, region.height],
        "segmentation": [[number for corner in region.border for number in corner]],
        "area": region.area,
        "score": region.score,
    }
