"""Files as they are found on a disk: what may be opened, and names that are not text. See docs/decisions.md, 92."""

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import BinaryIO


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file for reading, but no pipe, socket or device: a read of those may never end, or change something.

    Raises:
        OSError: If it is not a regular file (or a link to one), or cannot be opened.
    """
    if Path(path).exists() and not Path(path).is_file():
        raise _not_regular(path)
    # It may be another file by now: the one that was opened is looked at, and opening a pipe must not wait.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise _not_regular(path)
    return os.fdopen(handle, "rb")


def _not_regular(path: str | os.PathLike[str]) -> OSError:
    return OSError(errno.EINVAL, "it is not a regular file", str(path))


def printable(name: object) -> str:
    r"""A name as text that can be written to any file: bytes that are not UTF-8 become escapes.

    Example:
        >>> printable("gr\udcfcn.png")
        'gr\\xfcn.png'
    """
    text = str(name)
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # a surrogate that stands for no byte
        return text.encode("utf-8", "backslashreplace").decode()


def named(folder: str | os.PathLike[str], name: str) -> Path:
    """The file in a folder with that name, which `printable` may have made."""
    path = Path(folder, name)
    if "\\x" not in name or path.exists():
        return path
    raw = re.sub(r"\\x([89a-f][0-9a-f])", lambda found: chr(0xDC00 + int(found[1], 16)), name)
    return Path(folder, raw)


def outside(folder: str | os.PathLike[str], path: Path) -> bool:
    """Whether a path leads out of a folder, by links."""
    return not path.resolve().is_relative_to(Path(folder).resolve())


_FOLDER: ContextVar[Path | None] = ContextVar("folder of the file that is being read", default=None)


@contextmanager
def reading_in(folder: Path) -> Iterator[None]:
    """In this block a file in this folder is read: what it names by a path may lie alongside."""
    token = _FOLDER.set(folder)
    try:
        yield
    finally:
        _FOLDER.reset(token)


def folder_being_read() -> Path | None:
    """The folder of the file that is being read; None outside `reading_in`."""
    return _FOLDER.get()
