"""Images: files and arrays, their axes and channels."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps

from blemish.core.errors import DataError, reason_of
from blemish.core.files import open_regular, printable
from blemish.data.dataset import OnDemand, Reading

FORMATS = {
    "PNG": (".png", ".apng"), "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"), "MPO": (".mpo",), "BMP": (".bmp",),
    "DIB": (".dib",), "GIF": (".gif",), "TIFF": (".tif", ".tiff"), "WEBP": (".webp",), "AVIF": (".avif", ".avifs"),
    "JPEG2000": (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"), "PPM": (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
    "TGA": (".tga",), "PCX": (".pcx",), "QOI": (".qoi",), "PSD": (".psd",), "SGI": (".sgi",), "ICO": (".ico",),
    "HEIF": (".heic", ".heif", ".hif"),
}  # fmt: skip
"""What Pillow may take a file for, whatever it is named, and the endings by which pictures are found in a folder. Of
other formats one runs a program (EPS runs Ghostscript)."""
IMAGES = tuple(ending for endings in FORMATS.values() for ending in endings)
ADVICE = {"HEIF": "it comes with: pip install pillow-heif; or convert the files to PNG or JPEG"}
MIN_LONGER_SIDE = 1024
"""Larger images are reduced by a whole factor while decoding, but not below this: an 80-megapixel scan takes 240 MB."""

ORIENTATION = 0x0112  # EXIF tag
DEPTHS = (255.0, 65535.0)
"""White of pictures of 8 and of 16 bits."""

PICTURE_AXES = "batch, channel, height, width"
CLIP_AXES = "batch, frame, channel, height, width"
LUMINANCE = np.array([0.299, 0.587, 0.114])
"""ITU-R BT.601: how much red, green and blue contribute to grey."""


# Files ---------------------------------------------------------------------------------------------------------------


def decode(path: Path, reading: Reading | None = None, name: str = "") -> np.ndarray:
    """An image file as (channel, height, width); larger ones are reduced until the longer side is below 2,048 pixels.

    Args:
        path: The file.
        reading: Where it is noted what `channels_first` did; None: nowhere.
        name: What the picture is called there.

    Raises:
        DataError: If it cannot be decoded.
    """
    with opened(path) as image:
        array = channels_first(image, reading, name or str(path))
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DataError(f"{path} cannot be used, it holds NaN or infinity")
    return array


@contextmanager
def opened(path: Path, content: bytes | None = None) -> Iterator[Pillow.Image]:
    """An image file, or its content where that has been read; only a regular file is opened.

    Raises:
        DataError: If it cannot be decoded, in the block too: a decoder may raise anything on a damaged file.
    """
    try:
        with (
            open_regular(path) if content is None else BytesIO(content) as file,
            Pillow.open(file, formats=sorted(_readable())) as image,
        ):
            yield image
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{path} cannot be decoded ({reason_of(error)})") from None


def name_in(folder: Path, file: Path) -> str:
    """The name of a file relative to its folder, which can be written to any file."""
    return printable(file.relative_to(folder).as_posix())


@cache
def _readable() -> frozenset[str]:
    """Those of `FORMATS` that are decoded here."""
    Pillow.init()
    with suppress(ImportError):
        import_module("pillow_heif").register_heif_opener()
    return frozenset(name for name in FORMATS if name in Pillow.OPEN)


def why_left_out(path: Path) -> str | None:
    """Why a file of a folder is not read as a picture, by its ending; None: it is."""
    ending = path.suffix.lower()
    kind = next((name for name, endings in FORMATS.items() if ending in endings), None)
    if kind is None:
        return f"{f'a {ending} file' if ending else 'a file without an ending'} is not read as a picture"
    if kind not in _readable():
        return f"{kind} ({ending}) is not decoded here; {ADVICE.get(kind, 'convert the files to PNG or JPEG')}"
    return None


def decode_all(paths: Sequence[Path], reading: Reading, root: Path | None = None) -> tuple[list[np.ndarray], list[int]]:
    """The images that can be decoded, and the positions in `paths` of the others, which are skipped with a warning.

    `root` is the folder that names of skipped files are relative to; None: whole paths.
    """
    keys = [printable(path) if root is None else name_in(root, path) for path in paths]
    return OnDemand(keys, lambda at: decode(paths[at], reading, keys[at])).take(range(len(paths)), reading)


def channels_first(image: Pillow.Image, reading: Reading | None = None, name: str = "X") -> np.ndarray:
    """A Pillow image as a viewer shows it, (channel, height, width): grey or RGB; see `decode` for the size.

    The first page of several; turned as its EXIF data say; what is transparent is put on white. Depths of 8 and 16 bits
    and floating point are kept: `at_white` compares them. What is not a matter of course is noted.
    """
    reading = Reading() if reading is None else reading
    pages = getattr(image, "n_frames", 1)
    if pages > 1 and image.format != "MPO":  # a phone's JPEG with a second, smaller picture
        reading.note("pages", name, f"the first of {pages} is read")
    if image.mode.startswith(("I", "F")):
        array = _deep(_upright(image, reading, name))
        how = (
            "16 bits, white is 65535" if array.dtype == np.uint16 else "values in floating point are taken as they are"
        )
        reading.note("depth", name, how)
        return array[None]
    image = as_shown(image, reading, name)
    factor = max(image.size) // MIN_LONGER_SIDE
    array = np.asarray(image.reduce(factor) if factor > 1 else image)
    return array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)


def as_shown(image: Pillow.Image, reading: Reading | None = None, name: str = "X") -> Pillow.Image:
    """A picture of 8 bits or fewer in grey or RGB, upright, without transparency."""
    reading, was = Reading() if reading is None else reading, image.mode
    image = _upright(image, reading, name)
    grey = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        alpha = image.convert("RGBA")
        if np.asarray(alpha.getchannel("A")).min() < 255:
            reading.note("transparency", name, "what is transparent is put on white")
            sheet = Pillow.new("RGBA", image.size, "white")
            sheet.alpha_composite(alpha)
            return sheet.convert(grey)
    if was in ("CMYK", "YCCK", "LAB"):
        reading.note("colours", name, f"{was} is read as RGB")
    return image.convert(grey)


def _upright(image: Pillow.Image, reading: Reading, name: str) -> Pillow.Image:
    try:
        orientation = image.getexif().get(ORIENTATION, 1)
    except Exception:  # damaged data about a picture are not a damaged picture
        orientation = 1
    image.load()
    if orientation not in range(2, 9):
        return image
    reading.note("orientation", name, "turned as its EXIF data say")
    return ImageOps.exif_transpose(image)  # Pillow itself turns TIFF files: of these nothing is left to do


def _deep(image: Pillow.Image) -> np.ndarray:
    """A picture of more than 8 bits, reduced like others."""
    array = np.asarray(image)
    if array.dtype.kind == "i":
        # Pillow opens some 16-bit files with 32 bits; the type of the file is what scaling goes by.
        array = array.astype(np.uint16) if array.min() >= 0 and array.max() < 2**16 else array.astype(np.float32)
    array = array.astype(array.dtype.newbyteorder("="))
    factor = max(array.shape) // MIN_LONGER_SIDE
    if factor < 2:
        return array
    rows, columns = (np.arange(0, side, factor) for side in array.shape)
    sums = np.add.reduceat(np.add.reduceat(array, rows, axis=0, dtype=np.float64), columns, axis=1)
    pixels = np.outer(*(np.diff([*edges, side]) for edges, side in zip((rows, columns), array.shape, strict=True)))
    return (np.rint(sums / pixels) if array.dtype.kind == "u" else sums / pixels).astype(array.dtype)


def thumbnail(path: Path) -> np.ndarray | None:
    """A 32 by 32 grey copy to compare images by, 0 to 255; None where the file cannot be decoded."""
    with suppress(DataError), opened(path) as image:
        if not image.mode.startswith(("I", "F")):
            return np.asarray(image.convert("L").resize((32, 32)), dtype=np.float64)
        grey = at_white(_deep(image), DEPTHS[0]).astype(np.float32)
        return np.asarray(Pillow.fromarray(grey).resize((32, 32)), dtype=np.float64)
    return None


# Arrays --------------------------------------------------------------------------------------------------------------


def at_white(picture: np.ndarray, white: float | None) -> np.ndarray:
    """A picture of 8 or 16 bits in the range of the other depth; any other, or for another `white`, as it is.

    Example:
        >>> at_white(np.array([[257, 65535]], dtype=np.uint16), 255.0)
        array([[  1., 255.]], dtype=float32)
    """
    if white is None or not is_of_other_depth(picture, white):
        return picture
    return picture.astype(np.float32) * np.float32(white / np.iinfo(picture.dtype).max)


def is_of_other_depth(picture: np.ndarray, white: float | None) -> bool:
    """Whether a picture has 16 bits where white is that of 8, or the other way round."""
    own = float(np.iinfo(picture.dtype).max) if picture.dtype.kind == "u" else white
    return own != white and own in DEPTHS and white in DEPTHS


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
