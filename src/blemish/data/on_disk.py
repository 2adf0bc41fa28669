"""Data that stay on disk: large tables mapped from a file, images, texts and clips read when they are used."""

import contextlib
import errno
import os
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
from pyarrow import ipc

from blemish.core.errors import DataError, DataWarning
from blemish.data.dataset import SKIPPED, Dataset, HowToRead, OnDemand, PathLike, Reading
from blemish.data.dialect.encoding import text_encoding
from blemish.data.folders import look_into
from blemish.data.images import name_in
from blemish.data.read import existing, holds_only_texts, is_lines, read_as
from blemish.data.streams import Stream, open_stream
from blemish.data.tables import known_suffix
from blemish.data.text import lines_of, texts_of
from blemish.data.video import Recording, clips_of, frame_folders, read_frames, video_frames

MIN_BYTES = 2**25
"""Data that take less are read into memory."""


class NoRoomError(DataError):
    """The disk is full."""


def open_dataset(data: PathLike, how: HowToRead) -> Dataset:
    """What `blemish.read` reads, with as little in memory as possible; small files are read at once.

    X is an Arrow table on a file, or `OnDemand` for images, texts and clips. A file of a folder is opened only when it
    is used, and only then found to be unreadable. Lines and columns of texts and the frames of videos are copied once,
    to files without a name, which are gone when the data set is.

    Raises:
        DataError: If nothing is there, nothing can be used, or there is no room for a copy.
    """
    path = existing(data)
    return (_of_folder(path, how) if path.is_dir() else _of_file(path, how)) or read_as(path, how)


def _of_folder(folder: Path, how: HowToRead) -> Dataset | None:
    reading = Reading()
    there, groups = look_into(folder, how, reading), None
    if there.modality == "video":
        recordings = [*_videos(folder, there.videos, reading), *_frame_folders(folder, there.pictures, reading)]
        X, groups = clips_of(folder, recordings, how.frames, reading)
    elif there.modality in ("text", "image"):
        X = there.on_demand(folder, how, reading)
        if there.modality == "text":  # decoded images are larger than their files: some of them tell how much
            X.nbytes = sum(file.stat().st_size for file in there.documents)
    else:
        return None
    return Dataset(X, X.keys, there.modality, files=True, groups=groups, reading=reading)


def _of_file(path: Path, how: HowToRead) -> Dataset | None:
    """The samples of a file on a file of their own; None where they are small, or cannot be."""
    kind, reading, size = known_suffix(path), Reading(), path.stat().st_size
    if kind == ".npz" or how.modality not in ("auto", "tabular", "text"):
        return None
    if is_lines(path, how, reading):
        return (
            None
            if size < MIN_BYTES
            else _texts(path, lines_of(path, text_encoding(path, how.dialect, reading)), {}, reading)
        )
    # A table takes about twice the size of its CSV file, and texts up to eight times; a binary file says how much.
    binary = kind in (".parquet", ".arrow", ".feather")
    large_table = how.modality != "text" and (binary or size >= MIN_BYTES // 2)
    large_texts = how.modality != "tabular" and size >= MIN_BYTES // 8
    if not (large_table or large_texts):
        return None
    stream = open_stream(path, replace(how, modality="tabular"))
    assert stream is not None
    stream.reading.notes[:0] = reading.notes
    columns = {name: [] for name in how.take_out if name in stream.types}
    chunks = _collecting(stream, columns)
    if how.modality == "text" or (how.modality == "auto" and holds_only_texts(next(stream.chunks()).X, stream.reading)):
        texts = (texts_of(chunk, how.column) for chunk in chunks)
        return _texts(path, texts, columns, stream.reading) if large_texts else None
    # A dictionary may differ between chunks.
    if not large_table or stream.size < MIN_BYTES or any(map(pa.types.is_dictionary, stream.types.values())):
        return None
    X = laid_out(path, stream.size, chunks)
    return Dataset(X, range(X.num_rows), "tabular", columns, reading=stream.reading)


def _collecting(stream: Stream, columns: dict[str, list[Any]]) -> Iterator[pa.Table]:
    """The tables of a stream; their columns that are taken out are appended to `columns`, in memory."""
    for chunk in stream.chunks():
        yield chunk.X
        for name, values in chunk.columns.items():
            columns[name] += values


def _texts(path: Path, chunks: Iterable[Sequence[str]], columns: dict[str, list[Any]], reading: Reading) -> Dataset:
    tables = (pa.table({"text": pa.array(chunk, pa.string())}) for chunk in chunks)
    found = laid_out(path, path.stat().st_size, tables)
    texts = found["text"]
    X = OnDemand(range(len(texts)), lambda at: texts[at].as_py(), found.nbytes)
    return Dataset(X, X.keys, "text", columns, reading=reading)


# Recordings ----------------------------------------------------------------------------------------------------------


def _videos(folder: Path, videos: Sequence[Path], reading: Reading) -> Iterator[Recording]:
    for video in videos:
        name = name_in(folder, video)
        try:
            content = _decoded_once(video)
        except NoRoomError:
            raise
        except DataError as error:
            reading.skip(name, error)
        else:
            yield Recording(name, len(content), content.nbytes, _copies_of(content))


def _frame_folders(folder: Path, pictures: Sequence[Path], reading: Reading) -> Iterator[Recording]:
    for parent, files in frame_folders(pictures):
        name = name_in(folder, parent)
        first = _first_frame(files, name)
        if first is None:
            for file in files:
                reading.note(SKIPPED, name_in(folder, file), "it cannot be decoded")
            warnings.warn(
                f"skipped {name}: none of its {len(files)} frame(s) can be decoded", DataWarning, stacklevel=2
            )
        else:
            yield Recording(name, len(files), first.nbytes * len(files), _frames_of(files, name))


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


def _copies_of(content: np.ndarray) -> Callable[[int, int], np.ndarray]:
    return lambda start, end: np.array(content[start:end])


def _frames_of(files: Sequence[Path], name: str) -> Callable[[int, int], np.ndarray]:
    return lambda start, end: read_frames(files[start:end], name, Reading())


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
        # Arrow keeps freed chunks for itself: 150 MB after a table of 240.
        pa.default_memory_pool().release_unused()
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
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder)
    except OSError:
        handle, name = tempfile.mkstemp()
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
        # At once, so that even a killed process leaves nothing behind; Windows does not let us.
        with contextlib.suppress(OSError):
            Path(name).unlink()


def mapped_array(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array of NaN; on the disk where it is large, and gone with the array."""
    if np.prod(shape) * np.dtype(dtype).itemsize >= MIN_BYTES:
        # no room on the disk: then in memory
        with contextlib.suppress(DataError), scratch(Path("an array")) as (_, name):
            array = np.memmap(name, dtype=dtype, mode="w+", shape=shape)
            array[:] = np.nan
            return array
    return np.full(shape, np.nan, dtype=dtype)
