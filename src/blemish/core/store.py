"""Model files: one safetensors file, the manifest as JSON in its metadata. No code runs on load."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from blemish.core.errors import ArtifactError
from blemish.core.version import __version__

SCHEMA = 1  # of the manifest; raised when a file can no longer be read as before


def write(path: str | os.PathLike[str], arrays: dict[str, np.ndarray], manifest: dict[str, Any]) -> None:
    """Write a model file whole or not at all: the old file stays until the new one is complete on disk.

    Args:
        path: Where to.
        arrays: Named arrays, any shape.
        manifest: JSON values.

    Raises:
        ArtifactError: If the folder does not exist or cannot be written.
    """
    header = {"blemish": json.dumps({"schema": SCHEMA, **manifest}, allow_nan=False, sort_keys=True)}
    data = save({name: np.asarray(array, order="C") for name, array in arrays.items()}, metadata=header)
    write_atomically(path, data)


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


def read(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what `write` wrote.

    Returns:
        Arrays and manifest.

    Raises:
        ArtifactError: If the file is missing, truncated, not one of Blemish's, or of a schema that is not known here.
    """
    target = check_exists(path)
    try:
        with safe_open(target, framework="numpy") as file:
            text = (file.metadata() or {}).get("blemish")
            if text is None:
                raise ArtifactError(f"{target} is a safetensors file, but not one of Blemish's")
            manifest = _parse(text, target)
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, TypeError) as error:
        raise ArtifactError(
            f"{target} is not a model file, or is truncated ({error}); fit again or copy it again"
        ) from None
    return arrays, manifest


def _parse(text: str, target: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(text)
        schema = manifest["schema"]
    except (ValueError, TypeError, KeyError):
        raise ArtifactError(f"the manifest of {target} cannot be read; fit again") from None
    if schema not in range(1, SCHEMA + 1):
        raise ArtifactError(
            f"{target} has schema {schema!r}{_writer(manifest)}, this Blemish {__version__} reads schema "
            f"1 to {SCHEMA}; upgrade blemish, or fit again"
        )
    return manifest


def _writer(manifest: dict[str, Any]) -> str:
    """Which Blemish wrote a file, where its manifest can still tell."""
    try:
        return f" of Blemish {manifest['detector']['training_']['versions']['blemish']}"
    except (TypeError, KeyError):
        return ""
