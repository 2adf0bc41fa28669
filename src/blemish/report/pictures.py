"""Pictures and films (strips of frames) for the page, as base64 PNG, large ones as JPEG."""

import base64
import io
from html import escape

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from blemish.core.errors import ConfigError

GAP = 2
"""Transparent pixels between two frames."""
MAX_LOSSLESS = 512
"""Pixels of the longer side; a larger picture is a JPEG, a tenth of the size and of the time."""
HEAT = np.array([230, 159, 0]) / 255
"""Okabe and Ito's orange."""


def film(clip: Float[np.ndarray, "frame height width"], every: int, alt: str = "frames of a film") -> str:
    """Frames side by side as one picture.

    Args:
        clip: Shape (frame, height, width), grey values in [0, 1]; values outside are clipped, NaN is black.
        every: Show frames 0, every, 2 every, …; at least 1.
        alt: Description of the picture, for screen readers.

    Returns:
        One `<img>`.

    Raises:
        ConfigError: If `every` is below 1.
    """
    if every < 1:
        raise ConfigError(f"every is {every}; give a whole number of at least 1: 1 shows all frames")
    shown = clip[::every]
    strip = Image.fromarray(_side_by_side(shown))
    zoom = max(1, round(80 / max(clip.shape[1], 1)))
    return _img(f'class="film" style="--frames:{len(shown)}"', strip, alt, zoom)


def picture(
    image: Float[np.ndarray, "channel height width"], alt: str, heat: Float[np.ndarray, "height width"] | None = None
) -> str:
    """One picture, with a heat map over it if one is given.

    Args:
        image: One or three channels (of others the mean is shown), values in [0, 1].
        alt: Description of the picture.
        heat: Same height and width, in [0, 1]: 1 is orange, which colour-blind people can tell from grey.

    Returns:
        One `<img>`.
    """
    return _img('class="picture"', _painted(image, heat), alt)


def picture_source(
    image: Float[np.ndarray, "channel height width"], heat: Float[np.ndarray, "height width"] | None = None
) -> str:
    """What `picture` shows, as the address of an `<img>` or an `<image>`."""
    return _source(_painted(image, heat))


def _painted(
    image: Float[np.ndarray, "channel height width"], heat: Float[np.ndarray, "height width"] | None
) -> Image.Image:
    shown = image if len(image) == 3 else image.mean(axis=0, keepdims=True).repeat(3, axis=0)
    shown = np.clip(np.nan_to_num(shown), 0, 1)
    if heat is not None:
        grey = shown.mean(axis=0, keepdims=True)
        paint = np.clip(heat, 0, 1)[None] * 0.75
        shown = (1 - paint) * grey + paint * HEAT[:, None, None]
    return Image.fromarray(np.moveaxis(np.round(255 * shown).astype(np.uint8), 0, -1))


def film_pair(
    original: Float[np.ndarray, "frame height width"],
    reconstruction: Float[np.ndarray, "frame height width"],
    caption: str,
    every: int,
) -> str:
    """Original, reconstruction and their absolute difference, below each other.

    Args:
        original: Shape (frame, height, width), grey values in [0, 1].
        reconstruction: Same shape and range.
        caption: Plain text.
        every: See `film`.
    """
    clips = {
        "original": original,
        "reconstruction": reconstruction,
        "absolute difference": np.abs(original - reconstruction),
    }
    strips = "".join(
        f'<p class="strip"><span>{name}</span>{film(clip, every, alt=f"{name}: {caption}")}</p>'
        for name, clip in clips.items()
    )
    return (
        f'<figure class="films"><figcaption>{escape(caption)}</figcaption><div class="scroll">{strips}</div></figure>'
    )


def _side_by_side(clip: Float[np.ndarray, "frame height width"]) -> UInt8[np.ndarray, "height wide 2"]:
    grey = np.round(255 * np.clip(np.nan_to_num(clip), 0, 1)).astype(np.uint8)
    pixels = np.stack([grey, np.full_like(grey, 255)], axis=-1)
    gap = np.zeros((*pixels.shape[:2], GAP, 2), dtype=np.uint8)
    spaced = np.concatenate([pixels, gap], axis=2)
    return np.concatenate(list(spaced), axis=1)[:, :-GAP]


def _img(attributes: str, image: Image.Image, alt: str, zoom: int = 1) -> str:
    size = f'width="{image.width * zoom}" height="{image.height * zoom}"'
    return f'<img {attributes} {size} alt="{escape(alt)}" src="{_source(image)}">'


def _source(image: Image.Image) -> str:
    buffer = io.BytesIO()
    is_photo = image.mode == "RGB" and max(image.size) > MAX_LOSSLESS
    image.save(buffer, format="JPEG", quality=90) if is_photo else image.save(buffer, format="PNG", optimize=True)
    kind = "jpeg" if is_photo else "png"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
