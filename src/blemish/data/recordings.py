"""Recordings: video files and folders of frames, and how they are cut into clips."""

import os
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from blemish.core.errors import DataError, DataWarning, missing_extra

CLIP_FRAMES, LONGEST_CLIP = 16, 32


def frame_folders(pictures: Sequence[Path]) -> list[tuple[Path, list[Path]]]:
    """Each folder of frames, and these in the order of their numbers."""
    folders: dict[Path, list[Path]] = {}
    for picture in pictures:
        folders.setdefault(picture.parent, []).append(picture)
    return [(parent, sorted(files, key=_by_number)) for parent, files in sorted(folders.items())]


def _by_number(path: Path) -> list[Any]:
    """Natural order: 2 before 10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)]


def same_size(images: list[np.ndarray], name: str) -> np.ndarray:
    """Frames as one array; frames of another size or kind than the first are brought to it."""
    channels, height, width = images[0].shape
    odd = [i for i, image in enumerate(images) if image.shape != images[0].shape]
    for i in odd:
        mode = "L" if channels == 1 else "RGB"
        picture = images[i][0] if images[i].shape[0] == 1 else np.moveaxis(images[i], 0, -1)
        resized = np.asarray(Pillow.fromarray(picture).convert(mode).resize((width, height)))
        images[i] = resized[None] if channels == 1 else np.moveaxis(resized, -1, 0)
    if odd:
        warnings.warn(
            f"{name}: {len(odd)} frame(s) are not {width} x {height} like the first and were resized",
            DataWarning,
            stacklevel=2,
        )
    return np.stack(images)


def read_video(path: str | os.PathLike[str]) -> np.ndarray:
    """Decode a video file to (frame, channel, height, width), bytes. Needs the extra 'video'.

    Raises:
        MissingExtraError: If PyAV is not installed.
        DataError: If the file holds no frame that can be decoded.
    """
    return np.stack(list(video_frames(path)))


def video_frames(path: str | os.PathLike[str]) -> Iterator[np.ndarray]:
    """The frames of a video file, (channel, height, width), one at a time; see `read_video`."""
    try:
        import av
        from av.error import FFmpegError
    except ImportError:
        raise missing_extra("av", "video") from None
    first: np.ndarray | None = None
    try:
        with av.open(str(path)) as container:
            for decoded_frame in container.decode(video=0):
                frame = np.moveaxis(decoded_frame.to_ndarray(format="rgb24"), -1, 0)
                first = frame if first is None else first
                if frame.shape != first.shape:
                    raise DataError(f"{path} cannot be decoded as video (the size of its frames changes)")
                yield frame
    except (FFmpegError, OSError, IndexError) as error:
        raise DataError(f"{path} cannot be decoded as video ({error})") from None
    if first is None:
        raise DataError(f"{path} holds no frame")


@dataclass(frozen=True)
class Cut:
    """How recordings are cut into clips of equal length.

    Attributes:
        frames: Of a clip.
        places: For each clip the number of its recording, and its first frame there.
        keys: A name for each clip.
        skipped: Recordings that are too short.
    """

    frames: int
    places: list[tuple[int, int]]
    keys: list[str]
    skipped: list[str]


def _frames_of_a_clip(recordings: Sequence[tuple[str, int]]) -> int:
    name, shortest = min(recordings, key=lambda recording: recording[1])
    longest = max(length for _, length in recordings)
    if len(recordings) > 1 and shortest == longest <= LONGEST_CLIP:
        return shortest
    if shortest < min(CLIP_FRAMES, longest):
        warnings.warn(
            f"clips have {shortest} frame(s), for {name} has no more; take it out, or choose: modality {{name: video, "
            f"frames: {min(CLIP_FRAMES, longest)}}}",
            DataWarning,
            stacklevel=3,
        )
    return min(CLIP_FRAMES, shortest)


def cut(recordings: Sequence[tuple[str, int]], frames: int | None) -> Cut:
    """Clips of recordings, half of each clip in the next one.

    Args:
        recordings: The name of each, and how many frames it has.
        frames: Of a clip; None: all of a recording where several are as long and short enough, else 16, or as many as
            the shortest has.

    Raises:
        DataError: If all recordings are too short.
    """
    if frames is None:
        frames = _frames_of_a_clip(recordings)
    found = Cut(frames, [], [], [])
    for at, (name, length) in enumerate(recordings):
        if length < frames:
            found.skipped.append(name)
            warnings.warn(f"skipped {name}: it has {length} frames, a clip has {frames}", DataWarning, stacklevel=2)
            continue
        starts = list(range(0, length - frames + 1, max(1, frames // 2)))
        if starts[-1] + frames < length:
            starts.append(length - frames)
        found.places.extend((at, start) for start in starts)
        found.keys.extend(name if length == frames else f"{name}#{start}" for start in starts)
    if not found.places:
        raise DataError(f"no recording has {frames} frames, the longest has {max(n for _, n in recordings)}")
    return found
