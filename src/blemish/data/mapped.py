"""Large tables without memory: laid out once in a file, of which the system holds what is looked at."""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
from pyarrow import ipc

from blemish.core.errors import DataError
from blemish.data.sources import Samples, table_suffix
from blemish.data.streams import open_stream

LEAST_BYTES = 2**25
"""A table that would take less is read into memory."""


class NoRoomError(DataError):
    """The disk is full."""


def cache_folder() -> Path:
    """Where files that can be made again are kept: 'blemish' in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "blemish"


def mapped_table(path: Path, *, modality: str, names: Sequence[str] | None, take_out: Sequence[str]) -> Samples | None:
    """A large table that stays on the disk; None where it is small, is no table of numbers and words, or is texts.

    Args:
        path: A CSV (also compressed), Parquet or Arrow file.
        modality: 'auto' or what the data are.
        names: Column names of a CSV file without a header.
        take_out: Columns that are returned apart, in memory.

    Returns:
        Samples whose X is an Arrow table on a file that has no name any more: it goes when the table does. A million
        keys that are row numbers would be as large as some columns, so there are none.

    Raises:
        DataError: If the file is malformed, or there is no room for the copy.
    """
    kind = table_suffix(path) if path.is_file() else None
    if kind is None or kind == ".npz" or modality not in ("auto", "tabular"):
        return None
    if kind not in (".parquet", ".arrow", ".feather") and path.stat().st_size < LEAST_BYTES // 2:
        return None
    stream = open_stream(path, modality=modality, names=names, take_out=take_out)
    if stream is None or stream.size < LEAST_BYTES or any(map(pa.types.is_dictionary, stream.types.values())):
        return None
    columns: dict[str, list[Any]] = {name: [] for name in take_out if name in stream.types}

    def tables() -> Iterator[pa.Table]:
        for chunk in stream.chunks():
            yield chunk.X
            for apart, values in chunk.columns.items():
                columns[apart] += values

    return Samples(laid_out(path, stream.size, tables()), [], "tabular", columns=columns)


def laid_out(path: Path, size: int, tables: Iterable[pa.Table]) -> pa.Table:
    """Tables of one kind as one, on a file that has no name any more.

    Args:
        path: Where they come from, for messages.
        size: About how many bytes they are.
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
    """A file to lay something out in, and its name, which is taken away at the end: map it before.

    Args:
        path: What is laid out, for messages.
        size: About how many bytes that takes; 0: unknown.

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
    if np.prod(shape) * np.dtype(dtype).itemsize < LEAST_BYTES:
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
    """Take the name away at once, so that even a kill leaves nothing behind; Windows does not let us."""
    with contextlib.suppress(OSError):
        Path(name).unlink()
