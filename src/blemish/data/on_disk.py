"""Data that stay on disk: large tables mapped from a file, images, texts and clips read when they are used."""

import contextlib
import errno
import os
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
from pyarrow import ipc

from blemish.core.errors import DataError, DataWarning
from blemish.data.dataset import SKIPPED, Dataset, OnDemand, PathLike, Reading
from blemish.data.images import decode
from blemish.data.read import Folder, existing, holds_only_texts, is_lines, look_into, read
from blemish.data.streams import Stream, open_stream
from blemish.data.tables import known_suffix
from blemish.data.text import decoded, no_text, texts_of
from blemish.data.video import cut, frame_folders, no_clip, read_frames, video_frames

MIN_BYTES = 2**25
"""Data that take less are read into memory."""
CHUNK_LINES = 2**13

Frames = Callable[[int, int], np.ndarray]
"""The frames of a recording from a first one up to a last one, (frame, channel, height, width)."""


class NoRoomError(DataError):
    """The disk is full."""


@dataclass(frozen=True)
class HowToRead:
    """The options of `blemish.read`, which says what they mean."""

    modality: str = "auto"
    glob: str = "*"
    names: Sequence[str] | None = None
    take_out: Sequence[str] = ()
    frames: int | None = None
    column: str | None = None


def open_dataset(data: PathLike, how: HowToRead) -> Dataset:
    """What `blemish.read` reads, with as little in memory as possible; small files are read at once.

    X is an Arrow table on a file, or `OnDemand` for images, texts and clips. A file of a folder is opened only when it
    is used, and only then found to be unreadable. Lines and columns of texts and the frames of videos are copied once,
    to files without a name, which are gone when the data set is.

    Raises:
        DataError: If nothing is there, nothing can be used, or there is no room for a copy.
    """
    path = existing(data)
    found = _of_folder(path, how) if path.is_dir() else _of_file(path, how)
    if found is not None:
        return found
    return read(
        path,
        modality=how.modality,
        glob=how.glob,
        names=how.names,
        take_out=how.take_out,
        frames=how.frames,
        column=how.column,
    )


def _of_folder(folder: Path, how: HowToRead) -> Dataset | None:
    reading = Reading()
    there = look_into(folder, how.modality, how.glob, reading)
    if there.modality == "video":
        return _clips(folder, there, how.frames, reading)
    if there.modality == "text":
        files, read_one = there.documents, decoded
    elif there.modality == "image":
        files, read_one = there.pictures, decode
    else:
        return None
    keys = [file.relative_to(folder).as_posix() for file in files]
    # Decoded images are larger than their files; their size is estimated where it matters, from some of them.
    size = sum(file.stat().st_size for file in files) if there.modality == "text" else 0
    X = OnDemand(keys, lambda at: read_one(files[at]), size)
    return Dataset(X, keys, there.modality, files=True, reading=reading)


def _of_file(path: Path, how: HowToRead) -> Dataset | None:
    kind, reading = known_suffix(path), Reading()
    if kind == ".npz" or how.modality not in ("auto", "tabular", "text"):
        return None
    if is_lines(path, how.modality, how.names, reading):
        return _of_lines(path, reading)
    # A table takes about twice the size of its CSV file, and texts up to eight times; a binary file says how much.
    size, binary = path.stat().st_size, kind in (".parquet", ".arrow", ".feather")
    large_table = how.modality != "text" and (binary or size >= MIN_BYTES // 2)
    large_texts = how.modality != "tabular" and size >= MIN_BYTES // 8
    return _of_table(path, reading, how, large_table, large_texts) if large_table or large_texts else None


def _of_table(path: Path, reading: Reading, how: HowToRead, large_table: bool, large_texts: bool) -> Dataset | None:
    stream = open_stream(path, modality="tabular", names=how.names, take_out=how.take_out)
    assert stream is not None
    stream.reading.notes[:0] = reading.notes
    if how.modality == "text" or (how.modality == "auto" and holds_only_texts(next(stream.chunks()).X, stream.reading)):
        return _of_column(path, stream, how) if large_texts else None
    return _mapped(path, stream, how) if large_table else None


# Tables --------------------------------------------------------------------------------------------------------------


def _mapped(path: Path, stream: Stream, how: HowToRead) -> Dataset | None:
    """A table as an Arrow table on a file; None where it is small, or has dictionaries, which differ between chunks."""
    if stream.size < MIN_BYTES or any(map(pa.types.is_dictionary, stream.types.values())):
        return None
    columns = {name: [] for name in how.take_out if name in stream.types}
    X = laid_out(path, stream.size, (chunk.X for chunk in _collecting(stream, columns)))
    return Dataset(X, range(X.num_rows), "tabular", columns, reading=stream.reading)


def _collecting(stream: Stream, columns: dict[str, list[Any]]) -> Iterator[Dataset]:
    """The chunks; their columns that are taken out are appended to `columns`, in memory."""
    for chunk in stream.chunks():
        yield chunk
        for name, values in chunk.columns.items():
            columns[name] += values


# Texts ---------------------------------------------------------------------------------------------------------------


def _texts(path: Path, size: int, chunks: Iterable[Sequence[str]]) -> OnDemand:
    """Texts that are laid out in a file."""
    found = laid_out(path, size, (pa.table({"text": pa.array(chunk, pa.string())}) for chunk in chunks))
    texts = found["text"]
    return OnDemand(range(len(texts)), lambda at: texts[at].as_py(), found.nbytes)


def _lines(path: Path) -> Iterator[list[str]]:
    """The lines of a file as `read_lines` has them: empty ones count, except those at the end."""
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
        decoded(path)  # raises the error that says where
        raise
    if not some:
        raise no_text(path)
    yield lines


def _of_lines(path: Path, reading: Reading) -> Dataset | None:
    size = path.stat().st_size
    if size < MIN_BYTES:
        return None
    texts = _texts(path, size, _lines(path))
    return Dataset(texts, range(len(texts)), "text", reading=reading)


def _of_column(path: Path, stream: Stream, how: HowToRead) -> Dataset:
    columns = {name: [] for name in how.take_out if name in stream.types}
    chunks = (texts_of(chunk.X, how.column) for chunk in _collecting(stream, columns))
    texts = _texts(path, path.stat().st_size, chunks)
    return Dataset(texts, range(len(texts)), "text", columns, reading=stream.reading)


# Clips ---------------------------------------------------------------------------------------------------------------


def _clips(folder: Path, there: Folder, n_frames: int | None, reading: Reading) -> Dataset:
    """The clips of videos and of folders of frames."""
    recordings = [*_videos(folder, there.videos, reading), *_frame_folders(folder, there.pictures, reading)]
    if not recordings:
        raise no_clip(folder, reading)
    found = cut([(name, length) for name, length, _, _ in recordings], n_frames, reading)

    def read_clip(at: int) -> np.ndarray:
        recording, start = found.places[at]
        return recordings[recording][3](start, start + found.frames)

    size = sum(nbytes for _, _, nbytes, _ in recordings)
    return Dataset(OnDemand(found.keys, read_clip, size), found.keys, "video", files=True, reading=reading)


Recording = tuple[str, int, int, Frames]
"""Name, number of frames, bytes, and how its frames are read."""


def _videos(folder: Path, videos: Sequence[Path], reading: Reading) -> Iterator[Recording]:
    for video in videos:
        name = video.relative_to(folder).as_posix()
        try:
            content = _decoded_once(video)
        except NoRoomError:
            raise
        except DataError as error:
            reading.skip(name, error)
        else:
            yield name, len(content), content.nbytes, partial(_of_video, content)


def _frame_folders(folder: Path, pictures: Sequence[Path], reading: Reading) -> Iterator[Recording]:
    for parent, files in frame_folders(pictures):
        name = parent.relative_to(folder).as_posix()
        first = _first_frame(files, name)
        if first is None:
            for file in files:
                reading.note(SKIPPED, file.relative_to(folder).as_posix(), "it cannot be decoded")
            warnings.warn(
                f"skipped {name}: none of its {len(files)} frame(s) can be decoded", DataWarning, stacklevel=2
            )
        else:
            yield name, len(files), first.nbytes * len(files), partial(_of_frames, files, name)


def _decoded_once(video: Path) -> np.ndarray:
    """All frames of a video, on a file without a name."""
    frames = video_frames(video)
    first, n = next(frames), 0
    with scratch(video) as (file, name):
        for n, frame in enumerate(chain([first], frames), start=1):  # noqa: B007
            file.write(np.ascontiguousarray(frame).data)
        file.flush()
        return np.memmap(name, dtype=np.uint8, mode="r", shape=(n, *first.shape))


def _first_frame(files: Sequence[Path], name: str) -> np.ndarray | None:
    """The first frame that can be decoded; None: none can, so that this is not a recording."""
    for file in files:
        with contextlib.suppress(DataError):
            return read_frames([file], name, Reading())
    return None


def _of_video(content: np.ndarray, start: int, end: int) -> np.ndarray:
    return np.array(content[start:end])


def _of_frames(files: Sequence[Path], name: str, start: int, end: int) -> np.ndarray:
    return read_frames(files[start:end], name, Reading())


# Files without a name ------------------------------------------------------------------------------------------------


def cache_folder() -> Path:
    """Where files that can be made again are kept: 'blemish' in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "blemish"


def laid_out(path: Path, size: int, tables: Iterable[pa.Table]) -> pa.Table:
    """Tables with the same columns as one, on a file that no longer has a name.

    Args:
        path: Where they come from, for messages.
        size: Approximate number of bytes.
        tables: At least one.

    Raises:
        DataError: See `scratch`.
    """
    with scratch(path, size) as (file, name):
        writer = None
        for table in tables:
            writer = writer or ipc.new_file(file, table.schema)
            writer.write_table(table)
        assert writer is not None
        writer.close()
        file.flush()
        return ipc.open_file(pa.memory_map(name)).read_all()


@contextlib.contextmanager
def scratch(path: Path, size: int = 0) -> Iterator[tuple[IO[bytes], str]]:
    """A file to write and map, and its name, which is removed at the end of the block: map the file inside it.

    Args:
        path: What is copied, for messages.
        size: Approximate number of bytes; 0: unknown.

    Raises:
        NoRoomError: If there is no room.
        DataError: If the file cannot be written for another reason.
    """
    handle, name = _scratch_file()
    try:
        with os.fdopen(handle, "wb") as file:
            yield file, name
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise DataError(f"cannot lay out {path} in {Path(name).parent}: {error}") from None
        about = f" (about {size / 1e6:.0f} MB)" if size else ""
        raise NoRoomError(
            f"there is no room to lay out {path}{about} in {Path(name).parent} (the disk is full); free some, or set "
            "XDG_CACHE_HOME to a folder with room"
        ) from None
    finally:
        _forget(name)


def mapped_array(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array of NaN; on the disk where it is large, and gone with the array."""
    if np.prod(shape) * np.dtype(dtype).itemsize < MIN_BYTES:
        return np.full(shape, np.nan, dtype=dtype)
    handle, name = _scratch_file()
    try:
        with os.fdopen(handle, "r+b") as file:
            array = np.memmap(file, dtype=dtype, mode="w+", shape=shape)
        array[:] = np.nan
    except OSError:
        return np.full(shape, np.nan, dtype=dtype)  # no room on the disk: then in memory
    finally:
        _forget(name)
    return array


def _scratch_file() -> tuple[int, str]:
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return tempfile.mkstemp(dir=folder)
    except OSError:
        return tempfile.mkstemp()


def _forget(name: str) -> None:
    """Remove the name at once, so that even a killed process leaves nothing behind; Windows does not let us."""
    with contextlib.suppress(OSError):
        Path(name).unlink()
