"""The encoding of a text file, and its first lines."""

import codecs
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from blemish.core.errors import DataError
from blemish.core.files import open_regular
from blemish.data.dataset import Dialect, Reading

HEAD_BYTES, HEAD_LINES = 2**16, 200  # by which the layout is guessed; more bytes where these hold few lines
BLOCK = 2**22
PACKED: Mapping[str, str] = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}
BOMS = {
    codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
"""Byte order marks; UTF-32 stands before UTF-16, with which it begins."""


def unpacked(path: Path) -> Any:
    """The bytes of a file as a stream, unpacked where its ending says so; its name need not be UTF-8."""
    return pa.input_stream(open_regular(path), compression=PACKED.get(path.suffix.lower()))


def encoding_of(path: Path, said: Dialect, reading: Reading) -> str:
    """As said; else by the byte order mark, or UTF-8 where the whole file is; else Windows-1252 or Latin-1.

    Raises:
        DataError: If the file is not in the encoding that was said.
    """
    if said.encoding is not None and not said.assumed:
        wrong = undecodable(path, said.encoding)
        if wrong is not None:
            raise DataError(f"{path}: byte {wrong} is not {said.encoding}; give another --encoding, or none")
        return said.encoding
    with unpacked(path) as file:
        head = bytes(file.read(64))
    mark = next((name for bom, name in BOMS.items() if head.startswith(bom)), None)
    if mark is None and len(head) > 8 and any(head[1::2]) == (not any(head[::2])):
        mark = "utf-16-le" if not any(head[1::2]) else "utf-16-be"
        reading.note("encoding", path, f"{mark.upper()}, because every other byte is 0")
        return mark
    if mark in ("utf-16", "utf-32"):
        reading.note("encoding", path, f"{mark.upper()}, by its byte order mark")
        return mark
    wrong = undecodable(path, "utf-8")
    if wrong is None:
        return "utf8"
    likely = [said.encoding] if said.encoding is not None else []
    found = next((name for name in (*likely, "cp1252") if undecodable(path, name) is None), "latin-1")
    name = {"cp1252": "Windows-1252", "latin-1": "Latin-1"}.get(found, found)
    reading.note("encoding", path, f"{name}, because byte {wrong} is not UTF-8; if letters look wrong, give --encoding")
    return found


def undecodable(path: Path, encoding: str) -> int | None:
    """Where the first byte stands that the encoding does not have; None: nowhere."""
    decoder, done = codecs.getincrementaldecoder(encoding)(), 0
    plain = encoding in ("utf-8", "cp1252")
    with unpacked(path) as file:
        while block := bytes(file.read(BLOCK)):
            pending = len(decoder.getstate()[0])
            try:
                if not (plain and not pending and block.isascii()):
                    decoder.decode(block)
            except UnicodeError as error:
                return done - pending + (error.start if isinstance(error, UnicodeDecodeError) else 0)
            done += len(block)
    try:
        decoder.decode(b"", final=True)
    except UnicodeError:
        return done
    return None


def text_encoding(path: Path, said: Dialect, reading: Reading) -> str | None:
    """The encoding of a file of texts, as of one of a table; None: what `decoded` takes, or the file is not a text."""
    if said.encoding is not None and not said.assumed:
        return said.encoding
    with open_regular(path) as file:
        head = bytes(file.read(HEAD_BYTES))
    if undecodable(path, "utf-8") is None or head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return None
    guessed = Reading()
    found = encoding_of(path, said, guessed)
    if b"\0" in head and not found.startswith("utf"):
        return None
    reading.notes += guessed.notes
    return found


def first_lines(path: Path, said: Dialect) -> list[str]:
    """The first lines of a file, as `layout` looks at them."""
    return head(path, encoding_of(path, said, Reading()), said.skip_lines or 0)


def head(path: Path, encoding: str, skipped: int) -> list[str]:
    """The first lines with their ends, whole ones: as many as 64 KB hold, more where these are few."""
    with unpacked(path) as file:
        content, more = b"", HEAD_BYTES
        while True:
            block = bytes(file.read(more))
            content, more = content + block, len(content) + HEAD_BYTES
            text = codecs.getincrementaldecoder(encoding)(errors="replace").decode(content)
            lines = list(io.StringIO(text.removeprefix("\ufeff"), newline=""))
            if not block or len(lines) > skipped + HEAD_LINES or (len(lines) > skipped + 20 and len(content) > BLOCK):
                return lines if not block else lines[:-1]
