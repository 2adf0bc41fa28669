"""What the pretrained network sees of a picture, kept: in memory through a fit, on disk from one fit to the next.

The network is most of the time of a fit on pictures, and what it sees depends on the picture alone.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from blemish.core.errors import ConfigError

FOLDER_VARIABLE, BYTES_VARIABLE, OFF = "BLEMISH_CACHE", "BLEMISH_CACHE_BYTES", "off"
MAX_BYTES = 2 * 2**30  # on disk
MAX_IN_MEMORY = 384 * 2**20  # of the folds of one fit: 68 pictures of 384 pixels with details
MAX_BESIDE_DISK = 2**20  # bytes of what is kept in memory although it is on disk: copies of 64 pixels
VERSION = b"1"  # of the network and of what is kept of it: entries of another are other files
DIGEST = 16  # bytes, before the numbers
ENDING = ".map"


class MapStore:
    """Maps by name, the least recently used of which make room for new ones.

    Args:
        folder: Where to keep them from one process to the next; None: nowhere.
        max_bytes: Of all files in the folder.
        max_held: Bytes that are kept in memory, too.
    """

    def __init__(self, folder: Path | None = None, max_bytes: int = MAX_BYTES, max_held: int = MAX_IN_MEMORY) -> None:
        self.folder, self.max_bytes, self.max_held = folder, max_bytes, max_held
        self.n_read = self.n_written = 0
        self._held: dict[str, Tensor] = {}
        self._n_held = 0
        self._room = 0 if folder is None else max_bytes - self._trimmed(max_bytes)

    def kept(
        self, facts: Sequence[object], shape: tuple[int, ...], make: Callable[[list[int]], Float[Tensor, "row *map"]]
    ) -> Float[Tensor, "row *map"]:
        """The maps of some pictures, from the store where they are there whole.

        Args:
            facts: For each picture all that its map depends on.
            shape: Of one map.
            make: From the numbers of those that the store does not have to their maps, float32.
        """
        names = [_name(one, shape) for one in facts]
        found = {name: self._held[name] if name in self._held else self._read(name, shape) for name in names}
        new = [at for at, name in enumerate(names) if found[name] is None]
        for at, made in zip(new, make(new) if new else (), strict=True):
            found[names[at]] = made
            self._write(names[at], made)
        rows = [row for name in names if (row := found[name]) is not None]
        for name, row in zip(names, rows, strict=True):
            size = row.numel() * row.element_size()
            few = self.folder is None or size <= MAX_BESIDE_DISK
            if few and name not in self._held and self._n_held + size <= self.max_held:
                self._held[name], self._n_held = row.clone(), self._n_held + size
        return rows[0][None] if len(rows) == 1 else torch.stack(rows)

    def has(self, fact: object, shape: tuple[int, ...]) -> bool:
        """Whether a map is there, on disk perhaps not whole."""
        name = _name(fact, shape)
        return name in self._held or (self.folder is not None and self._path(name).exists())

    @property
    def text(self) -> str:
        """What was written to disk, in words; empty where nothing was."""
        if not self.n_written:
            return ""
        return (
            f"what the network sees of the pictures is kept in {self.folder} for the next fit (at most "
            f"{self.max_bytes / 2**30:.3g} GB; {FOLDER_VARIABLE}={OFF} keeps nothing)"
        )

    def _path(self, name: str) -> Path:
        assert self.folder is not None
        return self.folder / name[:2] / f"{name}{ENDING}"

    def _read(self, name: str, shape: tuple[int, ...]) -> Tensor | None:
        """What the file holds; None where there is none, or it is torn, damaged or of another shape."""
        if self.folder is None:
            return None
        try:
            data = self._path(name).read_bytes()
            os.utime(self._path(name))  # used now: others make room first
        except OSError:
            return None
        if len(data) != DIGEST + 4 * int(np.prod(shape)) or _digest(memoryview(data)[DIGEST:]) != data[:DIGEST]:
            return None
        self.n_read += 1
        return torch.from_numpy(np.frombuffer(data, "<f4", offset=DIGEST).reshape(shape).copy())

    def _write(self, name: str, found: Tensor) -> None:
        """Keep it on disk; a folder that cannot be written to is left alone from then on."""
        if self.folder is None:
            return
        numbers = found.cpu().numpy().astype("<f4", copy=False).tobytes()
        if self._room < len(numbers) + DIGEST:
            self._room = self.max_bytes - self._trimmed(self.max_bytes // 2)
        if self._room < len(numbers) + DIGEST:
            return
        try:
            self._path(name).parent.mkdir(parents=True, exist_ok=True)
            # Without the flush of `store.write_atomically`: the digest finds what a power cut tore.
            part = self._path(name).with_suffix(f".{os.getpid()}.part")
            part.write_bytes(_digest(numbers) + numbers)
            part.replace(self._path(name))
        except OSError:  # a full disk, no permission: a cache must not fail a fit
            self.folder = None
            return
        self.n_written += 1
        self._room -= len(numbers) + DIGEST

    def _trimmed(self, most: int) -> int:
        """Bytes in the folder, once the files used longest ago are gone that are too many."""
        found = []
        assert self.folder is not None
        for path in self.folder.glob(f"??/*{ENDING}"):
            with suppress(OSError):  # another process has removed it
                about = path.stat()
                found.append((about.st_mtime, about.st_size, path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= most:
                break
            with suppress(OSError):
                path.unlink()
                total -= size
        return total


def _name(fact: object, shape: tuple[int, ...]) -> str:
    return blake2b(repr((VERSION, fact, shape)).encode(), digest_size=DIGEST).hexdigest()


def _digest(data: bytes | memoryview) -> bytes:
    return blake2b(data, digest_size=DIGEST).digest()


def users_store() -> MapStore:
    """For a person at the command line or the page: on disk, unless `BLEMISH_CACHE` says 'off', or names a folder."""
    base = os.environ.get("XDG_CACHE_HOME") or (os.environ.get("LOCALAPPDATA") if os.name == "nt" else None)
    return _store(Path(base or Path.home() / ".cache") / "blemish")


def _store(default: Path | None, max_held: int = MAX_IN_MEMORY) -> MapStore:
    """Raises ConfigError if `BLEMISH_CACHE_BYTES` is not a number."""
    named, size = (os.environ.get(name, "").strip() for name in (FOLDER_VARIABLE, BYTES_VARIABLE))
    if size and not size.isdecimal():
        raise ConfigError(f"{BYTES_VARIABLE}={size!r} is not a number of bytes, such as {MAX_BYTES}")
    folder = default if not named else None if named.lower() == OFF else Path(named).expanduser()
    return MapStore(folder, int(size or MAX_BYTES), max_held)


_STORE: ContextVar[MapStore | None] = ContextVar("map store", default=None)


def current_store() -> MapStore | None:
    """The store of the block that we are in."""
    return _STORE.get()


@contextmanager
def keeping_maps(store: MapStore | None = None, *, max_held: int = MAX_IN_MEMORY) -> Iterator[MapStore]:
    """In this block, maps are looked up before the network is run; a store of a block around it is used.

    Args:
        store: Where; None: one in memory, and on disk where `BLEMISH_CACHE` names a folder.
        max_held: Bytes that this one may keep in memory.
    """
    around = _STORE.get()
    used = store or around or _store(None, max_held)
    token = _STORE.set(used)
    try:
        yield used
    finally:
        _STORE.reset(token)
