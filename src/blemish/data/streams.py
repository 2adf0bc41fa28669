"""Data on disk, read a chunk at a time: tables and folders of images that are larger than memory."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
from pyarrow import csv, ipc, parquet

from blemish.core.errors import DataError
from blemish.data.sources import (
    IMAGES,
    TABLES,
    VIDEOS,
    PathLike,
    Samples,
    clean_names,
    csv_options,
    decode_images,
    from_table,
    has_lines,
    looks_like_frames,
    table_suffix,
)
from blemish.data.texts import holds_only_texts

CHUNK_ROWS, CHUNK_IMAGES = 65_536, 256
CSV_BLOCK = 2**23  # bytes
CELL_BYTES, IMAGE_BYTES = 8, 2**18  # of a number in memory, and about of a picture as the network sees it


@dataclass(frozen=True)
class Stream:
    """Samples that can be read again and again, a chunk at a time.

    Attributes:
        n_rows: How many samples, those that cannot be decoded included.
        modality: 'tabular' or 'image'; of a stream of one chunk any.
        chunks: Starts a new pass.
        size: About how many bytes they would be in memory.
        types: The types of a table's columns by name, those taken out included.
        files: Whether the samples are files of a folder.
    """

    n_rows: int
    modality: str
    chunks: Callable[[], Iterator[Samples]]
    size: int
    types: Mapping[str, pa.DataType] = field(default_factory=dict)
    files: bool = False


def open_stream(
    data: PathLike,
    *,
    modality: str = "auto",
    glob: str = "*",
    names: Sequence[str] | None = None,
    take_out: Sequence[str] = (),
) -> Stream | None:
    """Data to be read a chunk at a time; None where they cannot: texts, videos, NPZ files.

    The types of a CSV file's columns are settled by a pass over the whole file, as if it were read at once.

    Args:
        data: A CSV (also compressed), Parquet or Arrow file, or a folder of images.
        modality: See `blemish.data.sources.read`.
        glob: See `blemish.data.sources.read`.
        names: See `blemish.data.sources.read`.
        take_out: See `blemish.data.sources.read`.

    Raises:
        DataError: If nothing is there, or it is empty or malformed.
    """
    path = Path(data)
    if not path.exists():
        raise DataError(f"there is no file or folder {str(path)!r}")
    if path.is_dir():
        return _images(path, modality, glob)
    kind = table_suffix(path)
    if kind is None:
        raise DataError(f"{path} is of an unknown kind; expected a folder or one of {', '.join(TABLES)}")
    if modality == "text" or kind == ".npz" or has_lines(path, modality, names):
        return None
    return _table(path, kind, modality, names, take_out)


def one_chunk(samples: Samples) -> Stream:
    """What is in memory already as a stream."""
    return Stream(len(samples), samples.modality, lambda: iter([samples]), 0, files=samples.files)


@contextmanager
def placed(start: int) -> Iterator[None]:
    """Say where in the data the chunk lies whose rows an error counts from 0."""
    try:
        yield
    except DataError as error:
        raise DataError(f"in the rows from {start} on: {error}" if start else str(error)) from None


# Tables ----------------------------------------------------------------------------------------------------------


def _table(path: Path, kind: str, modality: str, names: Sequence[str] | None, take_out: Sequence[str]) -> Stream | None:
    try:
        if kind == ".parquet":
            n_rows, schema = _facts_of_parquet(path)
            batches = lambda: _parquet_batches(path)  # noqa: E731
        elif kind in (".arrow", ".feather"):
            n_rows, schema = _facts_of_arrow(path)
            batches = lambda: _arrow_batches(path)  # noqa: E731
        else:
            n_rows, schema = settled(path, names)
            types = {column.name: column.type for column in schema}
            batches = lambda: csv.open_csv(path, **csv_options(path, names, types, CSV_BLOCK))  # noqa: E731
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read as a table: {_said(error)}") from None
    if not n_rows:
        raise DataError(f"{path} has no rows")
    clean = clean_names(path, schema.names)

    def chunks() -> Iterator[Samples]:
        start = 0
        for batch in _to_the_end(path, batches):
            if batch.num_rows:
                table = pa.Table.from_batches([batch]).rename_columns(clean)
                yield from_table(table, take_out, "tabular", start=start)
                start += batch.num_rows

    if modality == "auto" and holds_only_texts(next(chunks()).X):
        return None
    types = dict(zip(clean, schema.types, strict=True))
    return Stream(n_rows, "tabular", chunks, n_rows * len(clean) * CELL_BYTES, types)


def _to_the_end(path: Path, batches: Callable[[], Iterable[pa.RecordBatch]]) -> Iterator[pa.RecordBatch]:
    """The batches; one that is damaged has passed the checks of the file's head and foot."""
    try:
        yield from batches()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is damaged, a part of it cannot be read: {_said(error)}") from None


def _said(error: Exception) -> str:
    return str(error).splitlines()[0]


def _facts_of_parquet(path: Path) -> tuple[int, pa.Schema]:
    with parquet.ParquetFile(path) as file:
        return file.metadata.num_rows, file.schema_arrow


def _parquet_batches(path: Path) -> Iterator[pa.RecordBatch]:
    with parquet.ParquetFile(path, pre_buffer=False) as file:  # else PyArrow keeps all that was read until the end
        yield from file.iter_batches(batch_size=CHUNK_ROWS)


def _facts_of_arrow(path: Path) -> tuple[int, pa.Schema]:
    with pa.OSFile(str(path)) as source:
        file = ipc.open_file(source)
        return sum(file.get_batch(i).num_rows for i in range(file.num_record_batches)), file.schema


def _arrow_batches(path: Path) -> Iterator[pa.RecordBatch]:
    with pa.OSFile(str(path)) as source:
        file = ipc.open_file(source)
        for i in range(file.num_record_batches):
            batch = file.get_batch(i)
            for start in range(0, batch.num_rows, CHUNK_ROWS):
                yield batch.slice(start, CHUNK_ROWS)


def settled(path: Path, names: Sequence[str] | None) -> tuple[int, pa.Schema]:
    """Number of rows and column types of a CSV file that suit all of its rows.

    PyArrow guesses from the first block; where a later cell is of another type, the column gets the next type of its
    row in `WIDER`, and the pass begins again.
    """
    types: dict[str, pa.DataType] = {}
    left: dict[str, list[pa.DataType]] = {}
    while True:
        reader = csv.open_csv(path, **csv_options(path, names, types, CSV_BLOCK))
        try:
            return sum(batch.num_rows for batch in reader), reader.schema
        except pa.ArrowInvalid as error:
            found = re.search(r"In CSV column #(\d+): ", str(error))
            if found is None:
                raise
            column = reader.schema.field(int(found[1]))
            left.setdefault(column.name, list(WIDER.get(column.type, _TEXT)))
            if not left[column.name]:
                raise
            types[column.name] = left[column.name].pop(0)


_DATES, _TEXT = (pa.date32(), pa.timestamp("s"), pa.timestamp("ns")), (pa.string(), pa.binary())
WIDER: dict[pa.DataType, tuple[pa.DataType, ...]] = {
    pa.null(): (pa.int64(), pa.bool_(), *_DATES, pa.float64(), *_TEXT),
    pa.int64(): (pa.float64(), *_TEXT),
    pa.date32(): (*_DATES[1:], *_TEXT),
    pa.timestamp("s"): (pa.timestamp("ns"), *_TEXT),
    pa.string(): (pa.binary(),),
}
"""What a column may be instead where the first guess does not fit all cells; text if nothing stands here."""


# Images ----------------------------------------------------------------------------------------------------------


def _images(folder: Path, modality: str, glob: str) -> Stream | None:
    files = sorted(p for p in folder.rglob(glob) if p.is_file())
    pictures = [p for p in files if p.suffix.lower() in IMAGES]
    videos = any(p.suffix.lower() in VIDEOS for p in files)
    if modality not in ("auto", "image") or not pictures:
        return None
    if modality == "auto" and (videos or looks_like_frames(pictures)):
        return None

    def chunks() -> Iterator[Samples]:
        n_decoded = 0
        for start in range(0, len(pictures), CHUNK_IMAGES):
            images, bad = decode_images(some := pictures[start : start + CHUNK_IMAGES])
            n_decoded += len(images)
            kept = [p.relative_to(folder).as_posix() for p in some if str(p) not in set(bad)]
            yield Samples(images, kept, "image", [Path(b).relative_to(folder).as_posix() for b in bad], files=True)
        if not n_decoded:
            raise DataError(f"none of the {len(pictures)} images can be decoded, the first is {pictures[0]}")

    return Stream(len(pictures), "image", chunks, len(pictures) * IMAGE_BYTES, files=True)
