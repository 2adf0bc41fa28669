"""Regions that lie alongside the pictures of a folder: mask pictures matched by name, or a COCO file."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Bool
from PIL import Image as Pillow
from PIL import ImageOps

from blemish.core.errors import DataError, LabelError
from blemish.core.labels import DEFECT, NORMAL, ONE_KIND, is_defect, to_groups
from blemish.core.run_config import RunConfig
from blemish.data.dataset import Dataset
from blemish.data.folders import masks_in
from blemish.data.images import MIN_LONGER_SIDE, opened
from blemish.data.labels import Names, some
from blemish.data.regions.coco import Drawn, read_coco

Mask = Bool[np.ndarray, "height width"]
Draw = Callable[[int, int], Mask]
"""A mask of a picture of this height and width; raises DataError where it is none."""
SUFFIX = re.compile(r"[-_. ](mask|gt|label)$", re.IGNORECASE)
"""What may follow the name of a picture in that of its mask."""


def regions_alongside(samples: Dataset, y: Sequence[Any] | None, run: RunConfig) -> list[Mask | None] | None:
    """Where the defect is in each picture, by the masks and the COCO file of a run; None without these.

    What was used and what was not is noted in the record of reading.

    Args:
        samples: The pictures of a folder.
        y: Their labels.
        run: Which masks, which COCO file, and which values or folders mean defect.

    Raises:
        DataError: If a region of a picture that is labelled the defect cannot be used, or none is of such a picture.
        LabelError: If nothing is labelled, or a region marks something in a picture that is labelled normal.
    """
    if run.masks is None and run.regions is None:
        return None
    if not samples.files:
        raise DataError("--masks and --regions name pictures in a folder; in Python give fit(..., regions=...)")
    groups = to_groups(y, len(samples), tuple(run.kind or ONE_KIND))
    if y is None or not is_defect(groups).any():
        raise LabelError(
            "a region says where a labelled defect is, and none is labelled; add --defect-folder or --labels"
        )
    drawn: list[list[tuple[str, Draw]]] = [[] for _ in samples.keys]
    for source, found in (_masks(samples, run), _coco(samples, run)):
        _collect(source, found, drawn, samples, groups)
    masks = [_mask(one, samples, row) if one else None for row, one in enumerate(drawn)]
    marked = [mask for mask in masks if mask is not None]
    n, area = int(is_defect(groups).sum()), np.mean([mask.mean() for mask in marked])
    rest = f" ({n - len(marked)} are not, and count as a whole)" if n > len(marked) else ""
    how = f"{len(marked)} of {n} pictures labelled the defect are marked{rest}; the marks take {area:.2%} of their area"
    samples.reading.note("regions", " and ".join(filter(None, (run.masks, run.regions))), how)
    return masks


def _collect(
    source: str,
    found: Mapping[str, tuple[list[int], Draw]],
    drawn: list[list[tuple[str, Draw]]],
    samples: Dataset,
    groups: np.ndarray,
) -> None:
    """Add the regions of labelled defects to what is drawn on each picture; note the others, or refuse them."""
    for name, (rows, draw) in found.items():
        labelled = [row for row in rows if groups[row] >= DEFECT]
        if len(rows) > 1 and labelled:
            keys = some([samples.keys[row] for row in rows])
            raise DataError(
                f"{name} fits {len(rows)} pictures, {keys}; name it as much like one that they are told apart"
            )
        if labelled:
            drawn[labelled[0]].append((name, draw))
            continue
        if not rows:
            samples.reading.note("regions", name, "it fits no picture, and is not used")
            continue
        marks = {row: _marks(draw, samples, row) for row in rows}
        wrong = [row for row in rows if groups[row] == NORMAL and marks[row]]
        if wrong:
            raise LabelError(
                f"{name} marks something in {samples.keys[wrong[0]]}, which is labelled normal; correct the label, or "
                "remove the region"
            )
        says_nothing = set(marks.values()) == {False}  # many data sets have black masks of good pictures
        how = "its picture is not labelled the defect, so it is not used"
        samples.reading.note("regions", name, how, surprising=not says_nothing)
    if found and not any(drawn):
        raise DataError(
            f"none of the {len(found)} regions of {source} is of a picture that is labelled the defect; the first is "
            f"{next(iter(found))}, pictures look like {samples.keys[int(np.argmax(is_defect(groups)))]}"
        )


def _size(samples: Dataset, row: int) -> tuple[int, int]:
    height, width = np.shape(samples.X[row])[-2:]
    return height, width


def _marks(draw: Draw, samples: Dataset, row: int) -> bool | None:
    """Whether a region marks something in a picture; None: it cannot be used at all."""
    try:
        return bool(draw(*_size(samples, row)).any())
    except DataError:
        return None


def _mask(drawn: list[tuple[str, Draw]], samples: Dataset, row: int) -> Mask:
    """All that is drawn on one picture."""
    mask = np.logical_or.reduce([draw(*_size(samples, row)) for _, draw in drawn])
    if not mask.any():
        raise DataError(
            f"{' and '.join(name for name, _ in drawn)}, for {samples.keys[row]}, marks nothing; mark the defect, or "
            "remove it"
        )
    return mask


# Masks ---------------------------------------------------------------------------------------------------------------


def _masks(samples: Dataset, run: RunConfig) -> tuple[str, dict[str, tuple[list[int], Draw]]]:
    if run.masks is None:
        return "", {}
    base, files = masks_in(Path(str(run.data)), run.masks)
    if not files:
        raise DataError(f"--masks {run.masks!r} matches no picture in {run.data} or here; give a folder or a pattern")
    rows_of: dict[str, list[int]] = {}
    for row, key in enumerate(samples.keys):
        rows_of.setdefault(PurePosixPath(key).stem, []).append(row)
    folders = {part for key in samples.keys for part in PurePosixPath(key).parts[:-1]}
    found = {}
    for file in files:
        name = PurePosixPath(file.relative_to(base).as_posix())
        rows = rows_of.get(name.stem) or rows_of.get(SUFFIX.sub("", name.stem), [])
        found[str(name)] = (
            _alike(name, base.resolve().name, rows, samples.keys, folders),
            partial(_read_mask, file, name),
        )
    return run.masks, found


def _alike(name: PurePosixPath, base: str, rows: list[int], keys: Sequence[str], folders: set[str]) -> list[int]:
    """Those of the pictures whose folders are also those of the mask.

    MVTec has ground_truth/crack/000_mask.png for test/crack/000.png, while test/good/000.png has the same name.
    """
    own = name.parts[:-1]
    same = [row for row in rows if PurePosixPath(keys[row]).parts[:-1] == own]
    return same or [row for row in rows if {base, *own} & folders <= {*PurePosixPath(keys[row]).parts[:-1]}]


def _read_mask(file: Path, name: PurePosixPath, height: int, width: int) -> Mask:
    """A mask picture: what is brighter than half of its brightest pixel."""
    with opened(file) as image:
        image = ImageOps.exif_transpose(image)
        factor = _factor(image.height, image.width, height, width)
        if factor is None:
            size = f"{image.height} x {image.width}"
            raise DataError(f"the mask {name} is {size} pixels, its picture is {height} x {width} (height first)")
        if not image.mode.startswith(("I", "F")):
            image = Pillow.alpha_composite(Pillow.new("RGBA", image.size, "black"), image.convert("RGBA")).convert("L")
        grey = np.asarray(image)
    return _reduced(grey > max(0, grey.max() / 2), factor)


# COCO ----------------------------------------------------------------------------------------------------------------


def _coco(samples: Dataset, run: RunConfig) -> tuple[str, dict[str, tuple[list[int], Draw]]]:
    if run.regions is None:
        return "", {}
    drawn = read_coco(run.regions)
    if not drawn:
        raise DataError(f"{run.regions} has no regions; mark the defect, or leave --regions out")
    kinds = sorted({kind for one in drawn.values() for kind in one.kinds})
    mine = {word.casefold() for word in ("defect", *(run.kind or ()), *(run.defect or ()), *(run.defect_folder or ()))}
    named = [kind for kind in kinds if kind.casefold() in mine]
    if named and len(named) < len(kinds):
        left = some([kind for kind in kinds if kind not in named])
        samples.reading.note("regions", run.regions, f"those of {some(named)} are read, those of {left} are not")
        drawn = {name: one for name, all_of in drawn.items() if (one := all_of.of_kinds(named)).regions}
    elif len(kinds) > 1:
        samples.reading.note("regions", run.regions, f"those of all categories are read as the defect: {some(kinds)}")
    names, row_of = Names(samples.keys), {key: row for row, key in enumerate(samples.keys)}
    return run.regions, {
        name: ([row_of[key] for key in names.samples(name)], partial(_draw, one, name)) for name, one in drawn.items()
    }


def _draw(drawn: Drawn, name: str, height: int, width: int) -> Mask:
    own = drawn.size or (height, width)
    factor = _factor(*own, height, width)
    if factor is None:
        size = " x ".join(map(str, own))
        raise DataError(f"regions of {name} are for {size} pixels, the picture is {height} x {width} (height first)")
    return _reduced(drawn.mask(*own, name=f"a region of {name}"), factor)


# Size ----------------------------------------------------------------------------------------------------------------


def _factor(own_height: int, own_width: int, height: int, width: int) -> int | None:
    """By what a picture of its own size was reduced when it was read, see `blemish.data.images.decode`."""
    if (own_height, own_width) == (height, width):
        return 1
    factor = max(own_height, own_width) // MIN_LONGER_SIDE
    return factor if factor > 1 and (-(-own_height // factor), -(-own_width // factor)) == (height, width) else None


def _reduced(mask: Mask, factor: int) -> Bool[np.ndarray, "rows columns"]:
    """A pixel is marked where some of those that it stands for are."""
    if factor == 1:
        return mask
    rows, columns = (np.arange(0, side, factor) for side in mask.shape)
    return np.logical_or.reduceat(np.logical_or.reduceat(mask, rows, axis=0), columns, axis=1)
