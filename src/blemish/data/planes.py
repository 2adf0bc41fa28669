"""Arrays of pictures as a user hands them over: axes and channels."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from blemish.core.errors import DataError

PICTURE_AXES = "batch, channel, height, width"
CLIP_AXES = "batch, frame, channel, height, width"
LUMINANCE = np.array([0.299, 0.587, 0.114])


def match_channels(picture: np.ndarray, channels: int) -> np.ndarray:
    """Grey ↔ colour where needed; transparency is dropped.

    Raises:
        DataError: If the channels cannot be matched.
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
    raise DataError(f"a picture has {found} channels, the model was fitted on {channels}")


def check_pictures(X: Any, n_axes: int, kind: str, axes: str) -> Sequence[np.ndarray]:
    """One array a sample, channels first.

    Args:
        X: An array, or a sequence of arrays.
        n_axes: Axes of one sample.
        kind: 'image' or 'video', for the message.
        axes: Their names, for the message.

    Raises:
        DataError: If the axes are too few or too many, channels come last, there is no pixel, or values are no finite
            numbers.
    """
    if not isinstance(X, np.ndarray) and not isinstance(X, Sequence):
        X = np.asarray(X)
    if isinstance(X, np.ndarray) and (X.ndim != n_axes + 1 or not len(X)):
        if X.ndim == n_axes and len(X):
            X = np.expand_dims(X, -3)  # grey pictures without a channel axis
        else:
            raise DataError(f"{kind} data have shape {X.shape}; expected ({axes}), with at least one sample")
    if not len(X):
        raise DataError(f"there is no {kind}; expected ({axes})")
    samples = [np.asarray(sample) for sample in X]
    for row, sample in enumerate(samples):
        if sample.ndim == n_axes - 1:
            samples[row] = sample = np.expand_dims(sample, -3)
        if sample.ndim != n_axes or sample.dtype.kind not in "uifb":
            raise DataError(f"{kind} {row} has shape {sample.shape} and type {sample.dtype}; expected ({axes})")
        _need_pixels(sample, f"{kind} {row}")
        if sample.shape[-1] in (1, 3, 4) and sample.shape[-3] not in (1, 3, 4):
            raise DataError(
                f"{kind} {row} has shape {sample.shape}: channels seem to come last. Put them before height and "
                "width, for example with np.moveaxis(X, -1, -3)"
            )
    return samples


def _need_pixels(sample: np.ndarray, name: str) -> None:
    if not sample.size:
        raise DataError(f"{name} has shape {sample.shape}, no pixel at all")
    if sample.dtype.kind == "f" and not np.isfinite(sample).all():
        raise DataError(f"{name} holds NaN or infinity; replace those pixels")


def check_lengths(clips: Sequence[np.ndarray], n_frames: int) -> None:
    """Clips of one length.

    Raises:
        DataError: If one is of another.
    """
    for row, clip in enumerate(clips):
        if len(clip) != n_frames:
            raise DataError(f"clip {row} has {len(clip)} frames, the model was fitted on {n_frames}; cut it")
