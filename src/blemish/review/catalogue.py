"""The samples under review: names and content hashes of all of them, the content of a few at a time."""

import contextlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from blemish.core.errors import ConfigError, DataError
from blemish.core.files import named, open_regular, outside
from blemish.data.dataset import Dataset, HowToRead, take
from blemish.data.images import opened
from blemish.data.inputs import column_names, dialect_of
from blemish.data.labels import groups_for
from blemish.data.on_disk import open_dataset
from blemish.modalities import MODALITIES
from blemish.review import drawings

if TYPE_CHECKING:
    from PIL import Image as Pillow

    from blemish.modalities.modality import OnPage

PROBED = 16  # samples whose size is read, to estimate that of all
QUOTED = 300  # characters of a text in the gallery
MAX_CELLS = 6  # columns of a row in the gallery


@dataclass
class Catalogue:
    """A data set; everything large is read one page at a time.

    Attributes:
        name: File or folder, as given.
        samples: An Arrow table (a large one on disk), pictures, clips and texts on demand, or an array or some texts in
            memory.
        run: Options used for reading, for the exported model.
        changed: Rows whose files have been replaced since they were hashed, until someone takes note of them.
        confined: Whether files outside the folder, where links lead, are refused.
    """

    name: str
    samples: Dataset
    run: dict[str, Any] = field(default_factory=dict)
    changed: set[int] = field(default_factory=set)
    confined: bool = False
    _digests: dict[int, str] = field(default_factory=dict)
    _stamps: dict[int, tuple[int, ...]] = field(default_factory=dict)
    _rows: dict[str, int] = field(default_factory=dict)
    _frames: int = 0

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.keys)

    @property
    def modality(self) -> str:
        """The kind of data, by name."""
        return self.samples.modality

    @cached_property
    def keys(self) -> Sequence[Any]:
        """The samples' names."""
        named = "key" in self.run and not self.samples.files
        return self.samples.columns[self.run["key"]] if named else self.samples.keys

    @property
    def on_page(self) -> "OnPage":
        """How this kind of data is shown and fitted."""
        return MODALITIES[self.modality].on_page

    def title(self, row: int) -> str:
        """A sample's name for people: its key, or 'row 7' if the samples are only numbered."""
        return self.titled(self.keys[row])

    def titled(self, key: Any) -> str:
        """The title of the sample with that key."""
        return f"row {key}" if self._numbered else str(key)

    def find(self, title: str) -> int | None:
        """The row with that title; the last one of several."""
        if self._numbered:
            number = title.removeprefix("row ")
            return int(number) if number.isdecimal() and int(number) < len(self) else None
        return self._titles.get(title)

    @cached_property
    def _titles(self) -> dict[str, int]:
        return {self.title(row): row for row in range(len(self))}

    @property
    def _numbered(self) -> bool:
        return not self.samples.files and "key" not in self.run

    def _file(self, row: int) -> Path | None:
        """The picture's file; None for other samples."""
        is_file = self.samples.files and self.on_page.shown_as == "picture"
        return named(self.name, self.keys[row]) if is_file else None

    def confine(self) -> None:
        """From now on refuse what links lead to outside the folder.

        Raises:
            ConfigError: If a sample is such a link.
        """
        self.confined = True
        for key in self.keys if self.samples.files else ():
            self._check_inside(key)

    def _check_inside(self, key: str) -> None:
        if self.confined and self.samples.files and outside(self.name, named(self.name, key)):
            raise ConfigError(
                f"{key} is a link that leads out of {self.name}, and other machines could see what is there; remove "
                "it, or leave out --host"
            )

    def take(self, rows: Sequence[int]) -> tuple[Any, list[int]]:
        """The samples of some rows as `DefectDetector` takes them, and their rows.

        Samples that cannot be decoded are left out.
        """
        found = self.samples.take(rows)
        return found.X, [row for row, kept in zip(rows, found.kept.tolist(), strict=True) if kept]

    def groups(self, rows: Sequence[int]) -> list[Any] | None:
        """The groups of some rows, for a fit; None where there are none, or they are all of one."""
        found = None if self.samples.groups is None else [self.samples.groups[row] for row in rows]
        return found if found is not None and len(set(found)) > 1 else None

    def digest(self, row: int) -> str:
        """The content hash of a sample, by which labels and pictures are requested; it follows a file that is replaced.

        Raises:
            DataError: If a file no longer exists.
        """
        stamp, before = self._stamp(row), self._digests.get(row)
        if before is not None and self._stamps.get(row) == stamp:
            return before
        found = _hash(self._content(row))
        self._digests[row] = found
        if stamp is None:
            self._stamps.pop(row, None)
        else:
            self._stamps[row] = stamp
        if before is not None and before != found:
            self.changed.add(row)
            if self._rows.get(before) == row:
                twins = [twin for twin, digest in list(self._digests.items()) if digest == before]
                if twins:
                    self._rows[before] = twins[0]
                else:
                    del self._rows[before]
        self._rows.setdefault(found, row)
        return found

    def _stamp(self, row: int) -> tuple[int, ...] | None:
        """What changes when a sample's file is replaced; None: it has no file of its own."""
        if not self.samples.files:
            return None
        self._check_inside(self.keys[row])
        try:
            seen = named(self.name, self.keys[row]).stat()
        except OSError:  # it is gone, which reading it says; or it is a clip
            return None
        return seen.st_mtime_ns, seen.st_ctime_ns, seen.st_size, seen.st_ino

    def row(self, digest: str) -> int | None:
        """The first row with that content, among those hashed so far."""
        return self._rows.get(digest)

    def bytes_of_sample(self) -> int:
        """Approximate memory of one sample when read."""
        sizes = []
        for row in np.linspace(0, len(self) - 1, min(len(self), PROBED)).astype(int).tolist():
            file = self._file(row)
            if file is None:
                return max(1, getattr(self.samples.X, "nbytes", len(self)) // len(self))
            with contextlib.suppress(DataError), opened(file) as image:
                sizes.append(min(image.width, 2048) * min(image.height, 2048) * len(image.getbands()))
        return int(np.mean(sizes)) if sizes else 1

    def picture(self, row: int, side: int, digest: str) -> bytes:
        """A JPEG of a picture with that content, or of the frames of a clip side by side.

        Raises:
            DataError: If the sample is not a picture, cannot be decoded, or has another content by now.
        """
        draw = drawings.DRAWINGS.get(self.on_page.shown_as)
        if draw is None:
            raise DataError(f"{self.keys[row]} is not a picture")
        sample = self._seen(row, digest)
        if isinstance(sample, bytes):
            return drawings.shrunk_file(Path(self.keys[row]), side, sample)
        return draw(sample, side)

    def original(self, row: int, digest: str) -> "Pillow.Image":
        """A picture with that content at its own size; see `picture`."""
        if self.on_page.shown_as != "picture":
            raise DataError(f"{self.keys[row]} is not a picture")
        return drawings.whole(Path(str(self.keys[row])), self._seen(row, digest))

    def _seen(self, row: int, digest: str) -> bytes | np.ndarray:
        """What a picture is drawn from, with that content.

        Raises:
            DataError: If it has another content by now.
        """
        # What is drawn is what is hashed: a file replaced in between would be cached under the other's hash for ever.
        sample = self._content(row) if self._file(row) is not None else np.asarray(self.samples.X[row])
        if _hash(sample if isinstance(sample, bytes) else _bytes_of(sample)) != digest:
            self._stamps[row] = ()  # to be hashed again
            raise DataError(f"{self.keys[row]} has changed; reload the page")
        return sample

    def frames(self) -> int:
        """Number of frames of a clip as `picture` shows them; 0 if the samples are not clips."""
        if self.on_page.shown_as != "frames":
            return 0
        for row in range(min(PROBED, len(self))):
            if self._frames:
                break
            with contextlib.suppress(DataError):
                self._frames = drawings.n_frames(self.samples.X[row])
        return self._frames

    def summary(self, row: int) -> Any:
        """A sample other than a picture as the gallery shows it: the start of a text, the first cells of a row."""
        whole = self.whole(row)
        return whole[:QUOTED] if isinstance(whole, str) else whole and dict(list(whole.items())[:MAX_CELLS])

    def whole(self, row: int) -> Any:
        """A whole text, or all cells of a row, as JSON values."""
        if self.on_page.shown_as not in ("prose", "cells"):
            return None
        sample = take(self.samples.X, [row])
        if self.on_page.shown_as == "prose":
            return str(sample[0])
        if hasattr(sample, "to_pylist"):
            values = sample.to_pylist()[0]
        else:
            values = {f"column {at}": value.item() for at, value in enumerate(np.asarray(sample)[0])}
        return {str(name): json_value(value) for name, value in values.items()}

    def _content(self, row: int) -> bytes:
        file = self._file(row)
        if file is not None:
            try:
                with open_regular(file) as opened_file:
                    return opened_file.read()
            except OSError as error:
                raise DataError(f"{self.keys[row]} no longer exists or cannot be read ({error.strerror})") from None
        sample = take(self.samples.X, [row])
        if hasattr(sample, "to_pylist"):
            return json.dumps(sample.to_pylist()[0], sort_keys=True, default=str).encode()
        return _bytes_of(sample[0])


def _bytes_of(sample: Any) -> bytes:
    # Asked of the sample, not of its modality: to import that imports PyTorch, 120 MB that an open table can spare.
    if isinstance(sample, str):
        return sample.encode("utf-8", errors="surrogatepass")
    array = np.ascontiguousarray(sample)
    return f"{array.dtype}{array.shape}".encode() + array.tobytes()


def _hash(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()


def json_value(value: Any) -> Any:
    """A cell as a JSON value: NaN and infinity become None, dates and the like text."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def open_catalogue(
    data: str | os.PathLike[str],
    *,
    glob: str | None = None,
    names: str | None = None,
    key: str | None = None,
    drop: Sequence[str] = (),
    groups: str | None = None,
    apart: Sequence[str] = (),
    modality: str = "auto",
    column: str | None = None,
    frames: int | None = None,
    masks: str | None = None,
    **dialect: Any,
) -> Catalogue:
    """Look at a data set without reading more of it than must be.

    Args:
        data: See `blemish.read`.
        glob: Which file names in a folder count.
        names: File with the column names of a CSV without a header.
        key: Column that names the rows.
        drop: More columns to leave out.
        groups: Which samples are not independent, see `groups_for`.
        apart: Columns to leave out if they are there.
        modality: 'auto', or what the data are.
        column: The column of a table that holds the texts.
        frames: Frames of a clip.
        masks: Which pictures of a folder are masks of others, and no samples.
        dialect: How text files are written, see `blemish.read`.

    Raises:
        DataError: If nothing is there, or nothing can be used.
    """
    run = {"glob": glob, "names": names, "key": key, "drop": list(drop), "groups": groups, **dialect}
    columns = [name for name in (key, *drop) if name]
    written = dialect_of(dialect)
    apart = [*columns, *([groups] if groups else []), *apart]
    how = HowToRead(modality, glob or "*", column_names(names), apart, frames, column, written, masks=masks)
    samples = open_dataset(data, how)
    absent = [name for name in columns if name not in samples.columns]
    if absent and not samples.files:
        raise DataError(f"{data} has no column {absent[0]!r}; it has {', '.join(samples.column_names)}")
    samples = replace(samples, groups=groups_for(samples, groups, key))
    return Catalogue(str(data), samples, {name: value for name, value in run.items() if value})
