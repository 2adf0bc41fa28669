"""Recordings, which are video files and folders of frames, and how they are cut into clips."""

import os
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image as Pillow

from blemish.core.errors import DataError, DataWarning, missing_extra
from blemish.data.dataset import SKIPPED, OnDemand, Reading, without
from blemish.data.images import at_white, decode, decode_all, name_in

VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm")
CLIP_FRAMES = 16
"""Frames of a clip where no number is given."""
MAX_WHOLE = 32
"""Recordings of one length stay whole up to this many frames: they are probably clips already."""


# Frames --------------------------------------------------------------------------------------------------------------


def by_folder(pictures: Sequence[Path]) -> dict[Path, list[Path]]:
    """The files of each folder, in the order given."""
    folders: dict[Path, list[Path]] = {}
    for picture in pictures:
        folders.setdefault(picture.parent, []).append(picture)
    return folders


def frame_folders(pictures: Sequence[Path]) -> list[tuple[Path, list[Path]]]:
    """Each folder of frames, and its files in the order of their numbers."""
    return [(parent, sorted(files, key=_by_number)) for parent, files in sorted(by_folder(pictures).items())]


def _by_number(path: Path) -> list[Any]:
    """Natural order: 2 before 10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)]


def read_frames(paths: Sequence[Path], name: str, reading: Reading) -> np.ndarray:
    """Image files, at least one, as the frames of the clip `name`: (frame, channel, height, width).

    Raises:
        DataError: If one cannot be decoded.
    """
    return same_size([decode(path, reading, path.name) for path in paths], name, reading)


def same_size(images: list[np.ndarray], name: str, reading: Reading) -> np.ndarray:
    """Frames as one array; those of another size, depth or kind than the first are converted to it."""
    white = float(np.iinfo(images[0].dtype).max) if images[0].dtype.kind == "u" else None
    images = [at_white(image, white).astype(images[0].dtype) for image in images]
    channels, height, width = images[0].shape
    odd = [i for i, image in enumerate(images) if image.shape != images[0].shape]
    for i in odd:
        mode = "L" if channels == 1 else "RGB"
        picture = images[i][0] if images[i].shape[0] == 1 else np.moveaxis(images[i], 0, -1)
        resized = np.asarray(Pillow.fromarray(picture).convert(mode).resize((width, height)))
        images[i] = resized[None] if channels == 1 else np.moveaxis(resized, -1, 0)
    if odd:
        how = f"{len(odd)} frame(s) are not {width} x {height} like the first and were resized"
        reading.note("resized", name, how)
        warnings.warn(f"{name}: {how}", DataWarning, stacklevel=2)
    return np.stack(images)


# Videos --------------------------------------------------------------------------------------------------------------


def read_video(path: str | os.PathLike[str]) -> np.ndarray:
    """Decode a video file to (frame, channel, height, width), bytes. Needs the extra 'video'.

    Raises:
        MissingExtraError: If PyAV is not installed.
        DataError: If no frame of the file can be decoded.
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
        raise DataError(f"{path} contains no frames")


# Clips ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cut:
    """How recordings are cut into clips of equal length.

    Attributes:
        frames: Of a clip.
        places: For each clip the number of its recording, and its first frame there.
        keys: One name per clip.
    """

    frames: int
    places: list[tuple[int, int]]
    keys: list[str]


def cut(recordings: Sequence[tuple[str, int]], frames: int | None, reading: Reading) -> Cut:
    """Cut recordings into clips, each of which overlaps the next one by half.

    Args:
        recordings: The name of each, and how many frames it has.
        frames: Of a clip; None: all of a recording if several are equally long and short enough, else 16, or as many as
            the shortest has.
        reading: Where the length and recordings that are too short are noted.

    Raises:
        DataError: If all recordings are too short.
    """
    if frames is None:
        frames = _clip_frames(recordings, reading)
    found = Cut(frames, [], [])
    for at, (name, length) in enumerate(recordings):
        if length < frames:
            reading.skip(name, f"it has {length} frames, a clip has {frames}")
            continue
        starts = list(range(0, length - frames + 1, max(1, frames // 2)))
        if starts[-1] + frames < length:
            starts.append(length - frames)
        found.places.extend((at, start) for start in starts)
        found.keys.extend(name if length == frames else f"{name}#{start}" for start in starts)
    if not found.places:
        raise DataError(f"no recording has {frames} frames, the longest has {max(n for _, n in recordings)}")
    return found


def _clip_frames(recordings: Sequence[tuple[str, int]], reading: Reading) -> int:
    name, shortest = min(recordings, key=lambda recording: recording[1])
    longest = max(length for _, length in recordings)
    if len(recordings) > 1 and shortest == longest <= MAX_WHOLE:
        reading.note("frames", "clips", f"{shortest}, because all {len(recordings)} recordings have as many")
        return shortest
    frames = min(CLIP_FRAMES, shortest)
    reading.note("frames", "clips", f"{frames}, because the shortest recording ({name}) has {shortest}")
    if shortest < min(CLIP_FRAMES, longest):
        warnings.warn(
            f"clips have {shortest} frame(s), because {name} has no more; remove it, or choose: modality {{name: "
            f"video, frames: {min(CLIP_FRAMES, longest)}}}",
            DataWarning,
            stacklevel=3,
        )
    return frames


class Recording(NamedTuple):
    """A video or a folder of frames."""

    name: str
    n_frames: int
    nbytes: int
    frames: Callable[[int, int], np.ndarray]
    """The frames from a first one up to a last one, (frame, channel, height, width)."""


def clips_of(
    folder: Path, recordings: Sequence[Recording], frames: int | None, reading: Reading
) -> tuple[OnDemand, list[str] | None]:
    """The clips of the recordings in a folder, and the recording of each where several are cut; see `cut`.

    Raises:
        DataError: If there are none, or all recordings are too short.
    """
    if not recordings:
        tried = len(reading.about(SKIPPED))
        raise DataError(f"no clip in {folder} can be decoded; {tried} file(s) were tried")
    found = cut([(recording.name, recording.n_frames) for recording in recordings], frames, reading)

    def read_clip(at: int) -> np.ndarray:
        recording, start = found.places[at]
        return recordings[recording].frames(start, start + found.frames)

    groups = [recordings[at].name for at, _ in found.places]
    if len(set(groups)) == 1 < len(groups):
        how = "a single recording: its clips are judged as if they were independent, so promises are for it alone"
        reading.note("groups", groups[0], how)
    X = OnDemand(found.keys, read_clip, sum(recording.nbytes for recording in recordings))
    return X, groups if 1 < len(set(groups)) < len(groups) else None


def read_clips(
    folder: Path, videos: Sequence[Path], pictures: Sequence[Path], frames: int | None, reading: Reading
) -> tuple[list[np.ndarray], Sequence[str], list[str] | None]:
    """The clips of the videos and frame folders in a folder, their names and groups; see `clips_of`."""
    names = [name_in(folder, video) for video in videos]
    decoded, left_out = OnDemand(names, lambda at: read_video(videos[at])).take(range(len(videos)), reading)
    contents = list(zip(without(names, left_out), decoded, strict=True))
    for parent, files in frame_folders(pictures):
        images, _ = decode_all(files, reading, folder)
        if images:
            name = name_in(folder, parent)
            contents.append((name, same_size(images, name, reading)))
    recordings = [Recording(name, len(all_), all_.nbytes, _part_of(all_)) for name, all_ in contents]
    clips, groups = clips_of(folder, recordings, frames, reading)
    return list(clips), clips.keys, groups


def _part_of(content: np.ndarray) -> Callable[[int, int], np.ndarray]:
    return lambda start, end: content[start:end]
