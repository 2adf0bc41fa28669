"""Texts and clips without memory: what is not looked at stays on the disk."""

import contextlib
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from blemish.core.errors import DataError, DataWarning
from blemish.data import mapped
from blemish.data.recordings import cut, frame_folders, video_frames
from blemish.data.sources import (
    IMAGES,
    VIDEOS,
    Folder,
    Samples,
    has_lines,
    look_into,
    looks_like_frames,
    read_frames,
    table_suffix,
)
from blemish.data.streams import open_stream
from blemish.data.texts import decoded, holds_only_texts, texts_of

CHUNK_LINES = 2**13
Recording = Callable[[int, int], np.ndarray]
"""Gives so many frames from a first one on, (frame, channel, height, width)."""


class OnDemand(Sequence[Any]):
    """Samples that are read whenever they are asked for.

    Args:
        keys: A name for each.
        read: Gives the sample of that number; DataError where it cannot be read.
        nbytes: About how many bytes all of them are.
    """

    def __init__(self, keys: Sequence[Any], read: Callable[[int], Any], nbytes: int) -> None:
        self._keys, self._read, self.nbytes = keys, read, nbytes

    def __len__(self) -> int:
        """Number of samples."""
        return len(self._keys)

    def __getitem__(self, at: Any) -> Any:
        """The sample of that number."""
        return self._read(range(len(self))[at])

    def some(self, rows: Sequence[int]) -> tuple[list[Any], list[int]]:
        """The samples of some rows, and which of the rows these are: what cannot be read is left out."""
        found, kept = [], []
        for row in rows:
            try:
                found.append(self[row])
                kept.append(row)
            except DataError as error:
                warnings.warn(f"skipped {self._keys[row]}: {error}", DataWarning, stacklevel=2)
        return found, kept


def on_demand(
    path: Path,
    *,
    modality: str,
    glob: str,
    names: Sequence[str] | None,
    take_out: Sequence[str],
    frames: int | None,
    column: str | None,
) -> Samples | None:
    """Texts or clips that stay on the disk; None where the data are something else, or texts of one small file.

    Lines and columns of texts are copied once to a file without a name, videos as decoded; text files and frames of
    folders stay where they are, so that one which cannot be read is known only when it is asked for.

    Args:
        path: A file or folder; see `blemish.data.sources.read` for the others.
        modality: 'auto' or what the data are.
        glob: Which file names in a folder count.
        names: Column names of a CSV file without a header.
        take_out: Columns that are returned apart, in memory.
        frames: Frames of a clip.
        column: The column of a table that holds the texts.

    Raises:
        DataError: If nothing can be used, or there is no room for a copy.
    """
    if path.is_dir():
        there = look_into(path, modality, glob)
        if there.modality == "text":
            keys = [file.relative_to(path).as_posix() for file in there.documents]
            size = sum(file.stat().st_size for file in there.documents)
            texts = OnDemand(keys, lambda at: decoded(there.documents[at]), size)
            return Samples(texts, keys, "text", files=True)
        return _clips(path, there.videos, there.pictures, frames) if there.modality == "video" else None
    if table_suffix(path) in (None, ".npz") or modality not in ("auto", "text") or not path.is_file():
        return None
    if path.stat().st_size < mapped.LEAST_BYTES // (1 if has_lines(path, modality, names) else 8):
        return None
    if has_lines(path, modality, names):
        return Samples(_texts(path, path.stat().st_size, _lines(path)), [], "text")
    return _column(path, modality, names, take_out, column)


# Texts ---------------------------------------------------------------------------------------------------------------


def _texts(path: Path, size: int, chunks: Iterable[Sequence[str]]) -> OnDemand:
    """Texts that are laid out in a file."""
    found = mapped.laid_out(path, size, (pa.table({"text": pa.array(chunk, pa.string())}) for chunk in chunks))
    texts = found["text"]
    return OnDemand(range(len(texts)), lambda at: texts[at].as_py(), found.nbytes)


def _lines(path: Path) -> Iterator[list[str]]:
    """The lines of a file as `blemish.data.sources.read` has them: empty ones count, but for those at the end."""
    lines: list[str] = []
    empty, some = 0, False
    try:
        with path.open(encoding="utf-8-sig") as file:
            for line in file:
                text = line.removesuffix("\n")
                if not text:
                    empty += 1
                    continue
                lines += [*[""] * empty, text]
                empty, some = 0, some or bool(text.strip())
                if len(lines) >= CHUNK_LINES:
                    yield lines
                    lines = []
    except UnicodeDecodeError:
        decoded(path)  # says where
        raise
    if not some:
        raise DataError(f"{path} holds no text; expected one document a line")
    yield lines


def _column(
    path: Path, modality: str, names: Sequence[str] | None, take_out: Sequence[str], column: str | None
) -> Samples | None:
    """The texts of a table; None where it holds something else."""
    stream = open_stream(path, modality="tabular", names=names, take_out=take_out)
    assert stream is not None
    if modality == "auto" and not holds_only_texts(next(stream.chunks()).X):
        return None
    columns: dict[str, list[Any]] = {name: [] for name in take_out if name in stream.types}

    def chunks() -> Iterator[list[str]]:
        for chunk in stream.chunks():
            yield texts_of(chunk.X, column)
            for apart, values in chunk.columns.items():
                columns[apart] += values

    texts = _texts(path, path.stat().st_size, chunks())
    return Samples(texts, [], "text", columns=columns)


# Clips ---------------------------------------------------------------------------------------------------------------


def _clips(folder: Path, videos: Sequence[Path], pictures: Sequence[Path], frames: int | None) -> Samples:
    """The clips of videos and of folders of frames."""
    names: list[tuple[str, int]] = []
    readers: list[Recording] = []
    skipped, size = [], 0
    for video in videos:
        name = video.relative_to(folder).as_posix()
        try:
            content = _laid_out(video)
        except mapped.NoRoomError:
            raise
        except DataError as error:
            skipped.append(name)
            warnings.warn(f"skipped {error}", DataWarning, stacklevel=2)
            continue
        size += content.nbytes
        names.append((name, len(content)))
        readers.append(partial(_of_video, content))
    for parent, files in frame_folders(pictures):
        name = parent.relative_to(folder).as_posix()
        first = _first_frame(files, name)
        if first is None:
            skipped += [file.relative_to(folder).as_posix() for file in files]
            continue
        size += first.nbytes * len(files)
        names.append((name, len(files)))
        readers.append(partial(_of_folder, files, name))
    if not names:
        raise DataError(f"no clip in {folder} can be decoded, {len(skipped)} file(s) were tried")
    found = cut(names, frames)

    def read(at: int) -> np.ndarray:
        recording, start = found.places[at]
        return readers[recording](start, start + found.frames)

    return Samples(OnDemand(found.keys, read, size), found.keys, "video", skipped + found.skipped, files=True)


def _laid_out(video: Path) -> np.ndarray:
    """All frames of a video, on a file without a name."""
    frames = video_frames(video)
    first, n = next(frames), 0
    with mapped.scratch(video) as (file, name):
        for n, frame in enumerate(chain([first], frames), start=1):  # noqa: B007
            file.write(np.ascontiguousarray(frame).data)
        file.flush()
        return np.memmap(name, dtype=np.uint8, mode="r", shape=(n, *first.shape))


def _first_frame(files: Sequence[Path], name: str) -> np.ndarray | None:
    """The first frame that can be decoded; None: none can, so that this is no recording."""
    for file in files:
        with contextlib.suppress(DataError):
            return read_frames([file], name)
    warnings.warn(f"skipped {name}: none of its {len(files)} frame(s) can be decoded", DataWarning, stacklevel=2)
    return None


def _of_video(content: np.ndarray, start: int, end: int) -> np.ndarray:
    return np.array(content[start:end])


def _of_folder(files: Sequence[Path], name: str, start: int, end: int) -> np.ndarray:
    return read_frames(files[start:end], name)


def folder_of_pictures(path: Path, glob: str, modality: str) -> Folder | None:
    """The pictures of a folder that is nothing else, unread; None where `read` has to decide."""
    if not path.is_dir() or modality not in ("auto", "image"):
        return None
    pictures, videos = [], False
    for folder, folders, files in os.walk(path):
        folders.sort()
        for name in sorted(files):
            if Path(name).match(glob):
                pictures += [Path(folder, name)] if name.lower().endswith(IMAGES) else []
                videos |= name.lower().endswith(VIDEOS)
    pictures.sort()
    if modality == "auto" and (videos or looks_like_frames(pictures)):
        return None
    return Folder("image", [], [], pictures) if pictures else None
