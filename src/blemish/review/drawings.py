"""Samples as pictures for the page: small JPEG and PNG files made here, never a user's file as it is."""

import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image as Pillow
from PIL import ImageDraw, ImageOps

from blemish.data.images import as_shown, opened
from blemish.data.on_disk import cache_folder

HEAT = (230, 159, 0)
"""Okabe and Ito's orange, which colour-blind people can tell from grey."""
MAX_FRAMES = 32
DRAWN = 3
"""Version in the names of thumbnails; increase it when samples are drawn differently."""


def shrunk_file(path: Path, side: int, content: bytes | None = None) -> bytes:
    """A picture file, or its content where that has been read, as a JPEG of at most `side` by `side` pixels.

    Raises:
        DataError: If it cannot be decoded.
    """
    with opened(path, content) as image:
        if image.mode.startswith(("I", "F")):
            return drawn(np.asarray(image, dtype=np.float64)[None], side)
        image.draft("RGB", (2 * side, 2 * side))  # JPEG files are decoded at a fraction of their size
        image.thumbnail((side, side))
        return _jpeg(as_shown(image))


def drawn(image: np.ndarray, side: int, shape: tuple[int, int] | None = None) -> bytes:
    """An array (channel, height, width) as a JPEG of at most `side` by `side` pixels; small ones are enlarged.

    Args:
        image: The array.
        side: Side of a square that the picture fits into.
        shape: Width and height of the original picture; None: those of the array.
    """
    picture = _to_picture(image)
    if shape is not None:
        return _jpeg(picture.resize(fitting_size(*shape, side), Pillow.Resampling.NEAREST))
    if max(picture.size) > side:
        picture.thumbnail((side, side))
    elif side >= 2 * max(picture.size):
        picture = picture.resize(fitting_size(*picture.size, side), Pillow.Resampling.NEAREST)
    return _jpeg(picture)


def whole(path: Path, content: bytes | np.ndarray) -> Pillow.Image:
    """A picture at its own size, 8 bits, grey or RGB; from a file's content, or an array (channel, height, width).

    Raises:
        DataError: If it cannot be decoded.
    """
    if not isinstance(content, bytes):
        return _to_picture(content if content.ndim == 3 else content[None])
    with opened(path, content) as image:
        if image.mode.startswith(("I", "F")):
            upright = ImageOps.exif_transpose(image)
            return _to_picture(np.asarray(upright, dtype=np.float32)[None])
        return as_shown(image)


def strip(clip: np.ndarray, side: int) -> bytes:
    """Frames (frame, channel, height, width) side by side, each in a square of `side`, as one JPEG.

    All frames share one grey scale; at most 32 of them, evenly spaced, are shown. Frames that are not square get black
    bars.
    """
    chosen = clip[np.linspace(0, len(clip) - 1, min(len(clip), MAX_FRAMES)).round().astype(int)]
    whole = _to_picture(np.concatenate(list(chosen), axis=-1))
    width = whole.width // len(chosen)
    sheet = Pillow.new(whole.mode, (side * len(chosen), side))
    wide, high = fitting_size(width, whole.height, side)
    for at in range(len(chosen)):
        frame = whole.crop((at * width, 0, (at + 1) * width, whole.height)).resize((wide, high))
        sheet.paste(frame, (at * side + (side - wide) // 2, (side - high) // 2))
    return _jpeg(sheet)


def curve(signal: Float[np.ndarray, "channel time"], side: int) -> bytes:
    """Channels below each other as black lines on white, each in its own range, as a square JPEG."""
    sheet = Pillow.new("L", (side, side), 255)
    pen, high = ImageDraw.Draw(sheet), side / len(signal)
    across = np.linspace(0, side - 1, signal.shape[1])
    for at, channel in enumerate(np.nan_to_num(np.asarray(signal, dtype=np.float64))):
        low, spread = channel.min(), max(float(np.ptp(channel)), 1e-12)
        down = (at + 0.95 - 0.9 * (channel - low) / spread) * high
        pen.line(list(zip(across.tolist(), down.tolist(), strict=True)), fill=0, width=max(1, side // 256))
    return _jpeg(sheet)


def n_frames(clip: np.ndarray) -> int:
    """Number of frames that `strip` shows."""
    return min(len(clip), MAX_FRAMES)


def heat(error: Float[np.ndarray, "height width"], width: int, height: int) -> bytes:
    """Errors as an orange PNG overlay for a picture of that size, transparent where the error is small.

    Args:
        error: Errors >= 0; full colour is the 99.5th percentile and above.
        width: Width of the picture.
        height: Height of the picture.
    """
    top = max(float(np.quantile(error, 0.995)), 1e-12)
    alpha = np.round(np.clip(error / top, 0, 1) ** 1.5 * 200).astype(np.uint8)
    pixels = np.concatenate([np.full((*alpha.shape, 3), HEAT, dtype=np.uint8), alpha[..., None]], axis=-1)
    return encoded(Pillow.fromarray(pixels).resize((width, height), Pillow.Resampling.BILINEAR), "PNG")


def fitting_size(width: int, height: int, side: int) -> tuple[int, int]:
    """Width and height of a picture scaled to fit into a square.

    Example:
        >>> fitting_size(200, 100, 50)
        (50, 25)
    """
    factor = side / max(width, height)
    return max(1, round(width * factor)), max(1, round(height * factor))


def _alone(image: np.ndarray, side: int) -> bytes:
    return drawn(image if image.ndim == 3 else image[None], side)


DRAWINGS: dict[str, Callable[[np.ndarray, int], bytes]] = {"picture": _alone, "frames": strip, "curve": curve}
"""How a sample is drawn, by what its kind of data is shown as; prose and cells are not."""


class Thumbnails:
    """A cache of small pictures outside the data folder.

    Args:
        folder: The cache; None: 'blemish/thumbnails' in the user's cache folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or cache_folder() / "thumbnails"

    def get(self, digest: str, side: int, make: Callable[[], bytes]) -> bytes:
        """The picture of a content hash, made if missing; if the cache cannot be written, it is made every time."""
        path = self.folder / digest[:2] / f"{digest[2:]}-{side}-{DRAWN}.jpg"
        try:
            return path.read_bytes()
        except OSError:
            made = make()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
                file.write(made)
            Path(file.name).replace(path)
        except OSError:
            pass
        return made


def _to_picture(image: np.ndarray) -> Pillow.Image:
    values = np.asarray(image)
    if values.dtype != np.uint8:
        values = np.nan_to_num(values.astype(np.float64))
        low, high = values.min(), values.max()
        if low < 0 or high > 1 or values.dtype.kind != "f":
            values = (values - low) / max(high - low, 1e-12)
        values = np.round(255 * values).astype(np.uint8)
    return Pillow.fromarray(np.moveaxis(values, 0, -1) if len(values) == 3 else values[0])


def _jpeg(picture: Pillow.Image) -> bytes:
    return encoded(picture, "JPEG", quality=82)


def encoded(picture: Pillow.Image, kind: str, **options: int) -> bytes:
    """A picture as a file of that kind."""
    sink = io.BytesIO()
    picture.save(sink, format=kind, **options)
    return sink.getvalue()
