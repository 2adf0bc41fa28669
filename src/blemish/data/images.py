"""Images: files and arrays, their axes and channels."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from blemish.core.errors import DataError, reason_of
from blemish.core.files import open_regular, printable
from blemish.data.dataset import OnDemand, Reading

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
MIN_LONGER_SIDE = 1024
"""Larger images are reduced by a whole factor while decoding, but not below this: an 80-megapixel scan takes 240 MB."""

FORMATS = ("PNG", "JPEG", "MPO", "BMP", "DIB", "TIFF", "WEBP", "GIF", "PPM", "JPEG2000", "AVIF", "HEIF")
"""What Pillow may take a file for, whatever it is named: of other formats one runs a program (EPS runs Ghostscript)."""

PICTURE_AXES = "batch, channel, height, width"
CLIP_AXES = "batch, frame, channel, height, width"
LUMINANCE = np.array([0.299, 0.587, 0.114])
"""ITU-R BT.601: how much red, green and blue contribute to grey."""


# Files ---------------------------------------------------------------------------------------------------------------


def decode(path: Path) -> np.ndarray:
    """An image file as (channel, height, width); larger ones are reduced until the longer side is below 2,048 pixels.

    Raises:
        DataError: If it cannot be decoded.
    """
    with opened(path) as image:
        image.load()
        return channels_first(image)


@contextmanager
def opened(path: Path, content: bytes | None = None) -> Iterator[Pillow.Image]:
    """An image file, or its content where that has been read; only a regular file is opened.

    Raises:
        DataError: If it cannot be decoded, in the block too: a decoder may raise anything on a damaged file.
    """
    try:
        with (
            open_regular(path) if content is None else BytesIO(content) as file,
            Pillow.open(file, formats=[name for name in FORMATS if name in _known()]) as image,
        ):
            yield image
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{path} cannot be decoded ({reason_of(error)})") from None


@cache
def _known() -> Collection[str]:
    Pillow.init()
    return Pillow.OPEN


def name_in(folder: Path, file: Path) -> str:
    """The name of a file relative to its folder, which can be written to any file."""
    return printable(file.relative_to(folder).as_posix())


def decode_all(paths: Sequence[Path], reading: Reading, root: Path | None = None) -> tuple[list[np.ndarray], list[int]]:
    """The images that can be decoded, and the positions in `paths` of the others, which are skipped with a warning.

    `root` is the folder that names of skipped files are relative to; None: whole paths.
    """
    keys = [printable(path) if root is None else name_in(root, path) for path in paths]
    return OnDemand(keys, lambda at: decode(paths[at])).take(range(len(paths)), reading)


def channels_first(image: Pillow.Image) -> np.ndarray:
    """A Pillow image as (channel, height, width): grey or RGB; see `decode` for the size."""
    if image.mode in ("1", "L", "LA"):
        image = image.convert("L")
    elif image.mode not in ("I", "F") and not image.mode.startswith("I;"):
        image = image.convert("RGB")
    factor = max(image.size) // MIN_LONGER_SIDE
    array = np.asarray(image.reduce(factor) if factor > 1 else image)
    if array.dtype == np.int32:
        # Pillow opens 16-bit files with 32 bits; the type of the file is what scaling goes by.
        array = array.astype(np.uint16) if array.min() >= 0 and array.max() < 2**16 else array.astype(np.float32)
    return array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)


def thumbnail(path: Path) -> np.ndarray | None:
    """A 32 by 32 grey copy to compare images by; None where the file cannot be decoded."""
    with suppress(DataError), opened(path) as image:
        return np.asarray(image.convert("L").resize((32, 32)), dtype=np.float64)
    return None


# Arrays --------------------------------------------------------------------------------------------------------------


def match_channels(picture: np.ndarray, channels: int) -> np.ndarray:
    """Grey to colour or back where needed, without transparency; raises DataError if that does not match.

    Args:
        picture: Shape (..., channel, height, width).
        channels: Wanted, 1 or 3.
    """
    found = picture.shape[-3]
    if found == channels:
        return picture
    if found == 1:
        return np.repeat(picture, channels, axis=-3)
    if found == 4:
        return match_channels(picture[..., :3, :, :], channels)
    if found == 3 and channels == 1:
        return np.einsum("c,...chw->...hw", LUMINANCE, picture)[..., None, :, :].astype(np.float32)
    raise DataError(f"an image has {found} channels, but the model was fitted on {channels}")


def check_pictures(X: Any, n_axes: int, kind: str, axes: str) -> Sequence[np.ndarray]:
    """One array per sample, channels first.

    Args:
        X: An array, or a sequence of arrays.
        n_axes: Axes of one sample.
        kind: 'image' or 'video', for the message.
        axes: Their names, for the message.

    Raises:
        DataError: If there are too few or too many axes, channels come last, there are no pixels, or values are not
            finite numbers.
    """
    if not isinstance(X, np.ndarray) and not isinstance(X, Sequence):
        X = np.asarray(X)
    if isinstance(X, np.ndarray):
        if not len(X) or X.ndim not in (n_axes, n_axes + 1):
            raise DataError(f"{kind} data have shape {X.shape}; expected ({axes}), with at least one sample")
        X = X if X.ndim == n_axes + 1 else np.expand_dims(X, -3)  # grey ones may come without a channel axis
    if not len(X):
        raise DataError(f"there is no {kind}; expected ({axes})")
    return [_checked(np.asarray(sample), n_axes, f"{kind} {row}", axes) for row, sample in enumerate(X)]


def _checked(sample: np.ndarray, n_axes: int, name: str, axes: str) -> np.ndarray:
    if sample.ndim == n_axes - 1:
        sample = np.expand_dims(sample, -3)
    if sample.ndim != n_axes or sample.dtype.kind not in "uifb":
        raise DataError(f"{name} has shape {sample.shape} and type {sample.dtype}; expected ({axes})")
    if not sample.size:
        raise DataError(f"{name} has shape {sample.shape} and contains no pixels")
    if sample.dtype.kind == "f" and not np.isfinite(sample).all():
        raise DataError(f"{name} contains NaN or infinity; replace those pixels")
    if sample.shape[-1] in (1, 3, 4) and sample.shape[-3] not in (1, 3, 4):
        raise DataError(
            f"{name} has shape {sample.shape}: channels seem to come last. Put them before height and width, for "
            "example with np.moveaxis(X, -1, -3)"
        )
    return sample


def check_lengths(clips: Sequence[np.ndarray], n_frames: int) -> None:
    """Refuse clips that do not all have the same number of frames; raises DataError if one has another number."""
    for row, clip in enumerate(clips):
        if len(clip) != n_frames:
            raise DataError(f"clip {row} has {len(clip)} frames, but the model was fitted on {n_frames}; cut it")
