"""Maps of pictures as files, one per picture in its own size, and what they hold above a cut as one COCO file."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Float32
from PIL import Image as Pillow
from PIL import TiffImagePlugin

from blemish.core.errors import ConfigError, DataError
from blemish.core.files import named
from blemish.core.store import check_writable, write_atomically
from blemish.data.images import MIN_LONGER_SIDE, opened
from blemish.data.regions.coco import write_coco
from blemish.data.regions.outlines import Region, highest_in, regions_above

ENDING = ".tiff"
DESCRIPTION, SOFTWARE = 270, 305  # TIFF tags
WRITER = "Blemish"
NO_MAPS = (
    "{model} scores whole samples and cannot draw maps for --heat and --regions; they need pictures and a scorer with "
    "experts on parts"
)


@dataclass
class MapFiles:
    """Where maps and regions go.

    Attributes:
        data: What is scored: a folder of pictures, or a file.
        heat: Folder for one map per picture; None: no maps.
        regions: COCO file for the regions; None: no regions.
        kind: What the map is of: 'defect', or 'other' without labelled defects.
        cut: Regions lie above it.
        area: The fraction of the area of normal pictures that the cut promises.
        kinds: Words of several kinds of defect; none where there is one.
    """

    data: Path
    heat: Path | None
    regions: Path | None
    kind: str
    cut: float
    area: float
    kinds: tuple[str, ...] = ()
    pictures: list[tuple[str, int, int]] = field(default_factory=list)
    found: list[tuple[int, Region, str]] = field(default_factory=list)
    _taken: set[str] = field(default_factory=set)

    def check(self, *sources: str | os.PathLike[str] | None) -> None:
        """Refuse, before the work, what would overwrite an input or lie among the pictures.

        Raises:
            ArtifactError: If the COCO file cannot be written.
            ConfigError: If it does not end in .json, or the folder for maps is a file or lies among the pictures.
        """
        if self.regions is not None:
            if self.regions.suffix.lower() != ".json":
                raise ConfigError(f"{self.regions} must end in .json")
            check_writable(self.regions, *sources)
        if self.heat is None:
            return
        if self.heat.exists() and not self.heat.is_dir():
            raise ConfigError(f"{self.heat} is a file; --heat names a folder, and each picture gets a file in it")
        folder, pictures = self.heat.resolve(), self.data.resolve()
        if pictures.is_dir() and (folder.is_relative_to(pictures) or pictures.is_relative_to(folder)):
            raise ConfigError(f"maps in {self.heat} would lie among the pictures of {self.data}; name another folder")

    def add(
        self, maps: Iterable[tuple[Any, Float32[np.ndarray, "_ _"], Mapping[str, Float32[np.ndarray, "_ _"]]]]
    ) -> None:
        """Write the maps of some pictures, by their keys, and keep what they hold above the cut.

        With the map of each goes one for each of several kinds, which say what a region is.

        Raises:
            ArtifactError: If a map cannot be written.
            ConfigError: If a file of that name is not a map.
        """
        for key, heat, by_kind in maps:
            kinds = {kind: self._in_own_size(str(key), one) for kind, one in by_kind.items()}
            heat = self._in_own_size(str(key), heat)
            self.pictures.append((str(key), *heat.shape))
            if self.regions is not None:
                self.found += [
                    (len(self.pictures) - 1, one, highest_in(one, kinds) if kinds else self.kind)
                    for one in regions_above(heat, self.cut)
                ]
            if self.heat is not None:
                self._write(self.heat / self._name(str(key)), heat)

    def end(self) -> str:
        """Write the COCO file; returns what was written, in words."""
        if self.regions is not None:
            cut = (
                f"{self.kind} score above {self.cut:.6g}, which {self.area:.2g} of the area of normal pictures exceeds"
            )
            write_coco(self.regions, self.pictures, self.found, self.kinds or (self.kind,), cut)
        maps = None if self.heat is None else f"{len(self.pictures)} maps to {self.heat}"
        n = len({picture for picture, *_ in self.found})
        regions = f"{len(self.found)} regions in {n} of {len(self.pictures)} pictures to {self.regions}"
        regions += f" (false-alarm area {self.area:.2g})"
        return " and ".join(filter(None, (maps, None if self.regions is None else regions)))

    def _name(self, key: str) -> PurePosixPath:
        """The name of the picture with another ending; a second picture of that name keeps its own ending, too."""
        name = PurePosixPath(key).with_suffix(ENDING)
        if str(name).casefold() in self._taken:
            name = PurePosixPath(f"{key}{ENDING}")
        self._taken.add(str(name).casefold())
        return name

    def _in_own_size(self, key: str, heat: Float32[np.ndarray, "height width"]) -> Float32[np.ndarray, "_ _"]:
        """The map of a picture that was reduced when it was read, in the size of its file."""
        if not self.data.is_dir() or 2 * max(heat.shape) < MIN_LONGER_SIDE:
            return heat
        with opened(named(self.data, key)) as image:
            size = (image.height, image.width)
        factor = max(size) // MIN_LONGER_SIDE
        if factor < 2:
            return heat
        turned = (-(-size[0] // factor), -(-size[1] // factor)) != heat.shape  # as the picture's EXIF data say
        height, width = reversed(size) if turned else size
        return heat.repeat(factor, axis=0).repeat(factor, axis=1)[:height, :width]

    def _write(self, path: Path, heat: Float32[np.ndarray, "height width"]) -> None:
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        unit = "nats" if self.kind != "other" else "mean surprisal in nats"
        tags[DESCRIPTION] = f"{self.kind} score of each pixel, {unit}; higher is more"
        tags[SOFTWARE] = WRITER
        buffer = BytesIO()
        Pillow.fromarray(heat).save(buffer, "TIFF", compression="tiff_adobe_deflate", tiffinfo=tags)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            if path.read_bytes() == buffer.getvalue():
                return
            if not _is_map(path):
                raise ConfigError(f"{path} exists and is not a map of Blemish's; remove it, or name another folder")
        write_atomically(path, buffer.getvalue())


def _is_map(path: Path) -> bool:
    try:
        with opened(path) as image:
            return isinstance(image, TiffImagePlugin.TiffImageFile) and image.tag_v2.get(SOFTWARE) == WRITER
    except DataError:
        return False
