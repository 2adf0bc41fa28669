"""Model files: a safetensors file with the manifest as JSON in its metadata, under a digest. No code runs on load."""

import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Len
from pydantic import ValidationError
from safetensors.numpy import save
from typing_extensions import TypedDict

from blemish.core.errors import ArtifactError, DataWarning
from blemish.core.manifest import adapter_of, checked, declared
from blemish.core.version import __version__

SCHEMA = 2  # of the manifest; raised when a file can no longer be read as before
WITHOUT_DIGEST = 1
"""The last schema whose files have no digest."""
DIGEST = "SHA-256"
"""Key of the digest in the manifest; it sorts before all others, so that it has one place in the file."""
COUNT = "n_arrays"
"""Key of the number of arrays in the manifest: parts that may be absent cannot be taken out of a file unseen."""
WITHOUT_CHECKSUM = (
    "{name} was written by an older version without a checksum: checked, but damage within the numbers cannot be told; "
    "{again} to add one"
)
ZEROS = b"0" * 64
"""What stands in place of the digest while it is computed."""
BEGINNING = rb'{"__metadata__":{"blemish":"{\"SHA-256\": \"'
START = 8 + len(BEGINNING)
END = START + len(ZEROS)
MAX_HEADER = 100_000_000  # bytes, as in safetensors itself
MAX_LENGTH = 2**40  # of an axis, also where another one is empty
DTYPES = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "I32": "<i4", "I8": "|i1", "U8": "|u1"}


@declared
class Entry(TypedDict):
    """Where an array is in the file."""

    dtype: Literal[tuple(DTYPES)]  # pyright: ignore[reportInvalidTypeForm]
    shape: list[Annotated[int, Ge(0)]]
    data_offsets: Annotated[list[Annotated[int, Ge(0)]], Len(2, 2)]


def write(path: str | os.PathLike[str], arrays: dict[str, np.ndarray], manifest: dict[str, Any]) -> None:
    """Write a model file whole or not at all: the old file stays until the new one is complete on disk.

    Args:
        path: Where to.
        arrays: Named arrays, any shape.
        manifest: JSON values.

    Raises:
        ArtifactError: If the folder does not exist or cannot be written.
    """
    facts = {"schema": SCHEMA, **manifest, COUNT: len(arrays), DIGEST: ZEROS.decode()}
    text = json.dumps(facts, allow_nan=False, sort_keys=True)
    data = save({name: np.asarray(array, order="C") for name, array in arrays.items()}, metadata={"blemish": text})
    write_atomically(path, sealed(data))


def sealed(data: bytes) -> bytes:
    """The content of a model file with its digest computed anew: of all bytes, with zeros in its own place.

    A digest tells accidents, not intent: whoever changes a file can seal it again, so nothing else relies on it.

    Raises:
        ArtifactError: If it has no place for a digest.
    """
    if not _has_digest(data):
        raise ArtifactError(f"the file cannot be given a digest: its manifest does not begin with {DIGEST!r}")
    return data[:START] + _digest(data) + data[END:]


def _has_digest(data: bytes | bytearray) -> bool:
    return data[8:START] == BEGINNING and data[END : END + 2] == rb"\""


def _digest(data: bytes | bytearray) -> bytes:
    found = hashlib.sha256(data[:START] + ZEROS)
    found.update(memoryview(data)[END:])
    return found.hexdigest().encode()


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Replace a file in one step.

    Raises:
        ArtifactError: If the folder does not exist or cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary file next to `path` that replaces it when the block succeeds and is removed when it fails.

    A symbolic link stays one; what it points to is replaced.

    Raises:
        ArtifactError: If the folder does not exist or cannot be written.
    """
    target = Path(os.path.realpath(check_writable(path)))
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    except OSError as error:
        raise ArtifactError(f"cannot write {target}: {error.strerror}; choose another folder") from None
    temporary = Path(name)
    os.close(handle)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ArtifactError(f"cannot write {target}: {error.strerror}") from None
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def check_writable(path: str | os.PathLike[str], *sources: str | os.PathLike[str] | None) -> Path:
    """The path of a file to write, if one can be written there; checked before the work, so that none is lost.

    Args:
        path: Where to.
        sources: What is read, which must not be overwritten.

    Raises:
        ArtifactError: If the folder does not exist or cannot be written, or the path is that of a source, a folder or a
            device.
    """
    target = Path(path)
    folder = target.resolve().parent
    if not folder.is_dir():
        raise ArtifactError(f"cannot write {target}: its folder does not exist; make it first")
    if not os.access(folder, os.W_OK):
        raise ArtifactError(f"cannot write {target}: its folder is read-only for you; choose another")
    if target.exists() and not target.is_file():
        raise ArtifactError(f"cannot write {target}: it is a folder or a device; name a file")
    for source in sources:
        if source is not None and target.exists() and Path(source).exists() and target.samefile(source):
            raise ArtifactError(f"cannot write {target}: it is one of the input files; name another file")
    return target


def check_exists(path: str | os.PathLike[str]) -> Path:
    """The path of a model file that exists.

    Raises:
        ArtifactError: If it does not.
    """
    target = Path(path)
    if not target.is_file():
        raise ArtifactError(f"there is no model file {target}; write one with 'blemish fit … -o {target}'")
    return target


def check_whole(path: str | os.PathLike[str]) -> None:
    """Refuse a file that `read` would, but for its parts, before the imports that take seconds.

    Raises:
        ArtifactError: If the file does not exist or is damaged; exported models are checked when they are opened.
    """
    if check_exists(path).suffix.lower() != ".onnx":
        with warnings.catch_warnings(action="ignore"):
            read(path)


def read(path: str | os.PathLike[str], kind: Any = dict[str, Any]) -> tuple[dict[str, np.ndarray], Any]:
    """Read what `write` wrote. A file of a version that wrote no digest is read with a warning.

    Args:
        path: A file.
        kind: What the manifest may hold; see `core.manifest`.

    Returns:
        Arrays and manifest.

    Raises:
        ArtifactError: If the file is missing, truncated, altered, not one of Blemish's, of a schema that is not known
            here, or its manifest is of another kind.
    """
    target = check_exists(path)
    try:
        size = target.stat().st_size
        with target.open("rb") as file:
            start = file.read(8)
            length = int.from_bytes(start, "little")
            if len(start) < 8 or not 2 <= length <= min(MAX_HEADER, size - 8):
                raise _not_one(target, "its header is longer than the file")
            header = file.read(length)
            text, entries, end = _header(header, target)
            if end != size - 8 - length:
                raise _not_one(target, f"its arrays take {end} bytes, it has {size - 8 - length}")
            data = bytearray(size)
            data[: 8 + length] = start + header
            if file.readinto(memoryview(data)[8 + length :]) != size - 8 - length:
                raise _not_one(target, "it changed while it was read")
    except (OSError, MemoryError) as error:
        raise _not_one(target, str(error)) from None
    if _has_digest(data) and data[START:END] != _digest(data):
        raise ArtifactError(f"{target} is damaged: its content does not have its digest; copy it again, or fit again")
    _check_schema(text, target, len(entries), has_digest=_has_digest(data))
    manifest = checked(kind, text, f"{target} is damaged: its manifest")
    body = memoryview(data)[8 + length :]
    return {name: _array(body, entry) for name, entry in entries.items()}, manifest


def _array(body: memoryview, entry: Entry) -> np.ndarray:
    begin, end = entry["data_offsets"]
    return np.frombuffer(body[begin:end], DTYPES[entry["dtype"]]).reshape(entry["shape"])


def _not_one(target: Path, reason: str) -> ArtifactError:
    return ArtifactError(f"{target} is not a model file, or is truncated ({reason}); fit again or copy it again")


def _header(header: bytes, target: Path) -> tuple[str, dict[str, Entry], int]:
    """The manifest, where each array is, end to end, and where the last one ends."""
    try:
        metadata = adapter_of(dict[str, Any]).validate_json(header)
        text = adapter_of(dict[str, str]).validate_python(metadata.pop("__metadata__", {})).get("blemish")
        entries = adapter_of(dict[str, Entry]).validate_python(metadata)
    except ValidationError as error:
        raise _not_one(target, f"its header cannot be read: {error.errors()[0]['msg']}") from None
    end = 0
    for name, entry in sorted(entries.items(), key=lambda item: item[1]["data_offsets"]):
        begin, stop = entry["data_offsets"]
        n_bytes = prod(entry["shape"]) * np.dtype(DTYPES[entry["dtype"]]).itemsize
        if begin != end or stop - begin != n_bytes or max(entry["shape"], default=0) > MAX_LENGTH:
            raise _not_one(target, f"array {name!r} is not where its header says")
        end = stop
    if text is None:
        raise ArtifactError(f"{target} is a safetensors file, but not one of Blemish's")
    return text, entries, end


def _check_schema(text: str, target: Path, n_arrays: int, *, has_digest: bool) -> None:
    try:
        manifest = adapter_of(dict[str, Any]).validate_json(text)
        schema = manifest["schema"]
    except (ValidationError, KeyError):
        raise ArtifactError(f"the manifest of {target} cannot be read; fit again") from None
    if type(schema) is not int or schema not in range(1, SCHEMA + 1):
        raise ArtifactError(
            f"{target} has schema {schema!r:.60}{_writer(manifest)}, this Blemish {__version__} reads schema "
            f"1 to {SCHEMA}; upgrade blemish, or fit again"
        )
    if not has_digest and schema > WITHOUT_DIGEST:
        raise ArtifactError(f"{target} is damaged: its digest is missing; copy it again, or fit again")
    if (has_digest or COUNT in manifest) and manifest.get(COUNT) != n_arrays:
        raise ArtifactError(
            f"{target} is damaged: it holds {n_arrays} arrays, its manifest says {manifest.get(COUNT)!r:.60}; copy it "
            "again, or fit again"
        )
    if not has_digest:
        warnings.warn(
            WITHOUT_CHECKSUM.format(name=target, again="load it and save it again"),
            DataWarning,
            stacklevel=4,
        )


def _writer(manifest: dict[str, Any]) -> str:
    """Which Blemish wrote a file, where its manifest can still tell."""
    try:
        return f" of Blemish {manifest['detector']['training_']['versions']['blemish']!s:.20}"
    except (TypeError, KeyError):
        return ""
