"""Data on disk, read a chunk at a time: tables and folders of images that are larger than memory."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
from pyarrow import csv, ipc, parquet

from blemish.core.errors import DataError, reason_of
from blemish.data.dataset import Dataset, HowToRead, PathLike, Reading, without
from blemish.data.dialect.layout import Layout, csv_source
from blemish.data.folders import look_into
from blemish.data.read import existing, from_table, holds_only_texts, is_lines, none_decoded
from blemish.data.tables import (
    clean_names,
    csv_options,
    dialect,
    empty_made_up,
    known_suffix,
    note_comments,
    unreadable,
    without_na,
    without_views,
)

CHUNK_ROWS, CHUNK_IMAGES = 65_536, 256
CSV_BLOCK = 2**23  # bytes
CELL_BYTES, IMAGE_BYTES = 8, 2**18  # of a number in memory, and about of an image as the network sees it

Batches = Callable[[], Iterable[pa.RecordBatch]]
"""Starts a pass over the rows of a table file."""


@dataclass(frozen=True)
class Stream:
    """Samples that can be read any number of times, a chunk at a time.

    Attributes:
        n_rows: Number of samples, including those that cannot be decoded.
        modality: 'tabular' or 'image'; any of a stream of one chunk.
        chunks: Starts a new pass.
        size: Approximate number of bytes that they would take in memory.
        types: The types of a table's columns by name, including those taken out.
        files: Whether the samples are files of a folder.
        reading: What was guessed when the data were opened; each chunk has its own record.
    """

    n_rows: int
    modality: str
    chunks: Callable[[], Iterator[Dataset]]
    size: int
    types: Mapping[str, pa.DataType] = field(default_factory=dict)
    files: bool = False
    reading: Reading = field(default_factory=Reading)


def open_stream(data: PathLike, how: HowToRead) -> Stream | None:
    """Data to be read a chunk at a time: a CSV (also compressed), Parquet or Arrow file, or a folder of images.

    None where they cannot be: texts, videos, NPZ files. The types of a CSV file's columns are settled by a pass over
    the whole file, so that each chunk has the same types as the whole has when read at once.

    Raises:
        DataError: If nothing is there, or it is empty or malformed.
    """
    path, reading = existing(data), Reading()
    if path.is_dir():
        return _images(path, how, reading)
    kind = known_suffix(path)
    if how.modality not in ("auto", "tabular") or kind == ".npz" or is_lines(path, how, reading):
        return None
    return _table(path, kind, how, reading)


def one_chunk(samples: Dataset) -> Stream:
    """Samples in memory as a stream of one chunk."""
    return Stream(
        len(samples), samples.modality, lambda: iter([samples]), 0, files=samples.files, reading=samples.reading
    )


@contextmanager
def naming_chunk(start: int) -> Iterator[None]:
    """Add to an error, which counts the rows of a chunk from 0, the row at which the chunk starts."""
    try:
        yield
    except DataError as error:
        raise DataError(f"in the chunk that starts at row {start}: {error}" if start else str(error)) from None


# Tables ----------------------------------------------------------------------------------------------------------


def _table(path: Path, kind: str, how: HowToRead, reading: Reading) -> Stream | None:
    try:
        n_rows, schema, batches = _facts(path, kind, how, reading)
        clean, plain = clean_names(path, schema.names), without_views(schema)
    except DataError:
        raise
    except Exception as error:  # PyArrow raises anything on a damaged file
        raise unreadable(path, error) from None
    if not n_rows:
        raise DataError(f"{path} has no rows")

    def chunks() -> Iterator[Dataset]:
        start = 0
        for batch in _to_the_end(path, batches):
            if batch.num_rows:
                table = pa.Table.from_batches([batch]).cast(plain).rename_columns(clean)
                table = without_na(table, how.dialect.na)
                yield from_table(table, replace(how, modality="tabular"), Reading(), start)
                start += batch.num_rows

    if how.modality == "auto" and holds_only_texts(next(chunks()).X, reading):
        return None
    reading.take_out(name for name in how.take_out if name in clean)
    types = dict(zip(clean, plain.types, strict=True))
    return Stream(n_rows, "tabular", chunks, n_rows * len(clean) * CELL_BYTES, types, reading=reading)


def _facts(path: Path, kind: str, how: HowToRead, reading: Reading) -> tuple[int, pa.Schema, Batches]:
    """Number of rows, columns, and how the rows are read."""
    if kind == ".parquet":
        with parquet.ParquetFile(path) as file:
            return file.metadata.num_rows, file.schema_arrow, lambda: _parquet_batches(path)
    if kind in (".arrow", ".feather"):
        with pa.OSFile(str(path)) as source:
            file = ipc.open_file(source)
            n_rows = sum(file.get_batch(i).num_rows for i in range(file.num_record_batches))
            return n_rows, file.schema, lambda: _arrow_batches(path)
    written = dialect(path, how.names, reading, how.dialect)
    comments: list[str] = []
    n_rows, schema = settle_types(path, written, how.as_text, comments)
    note_comments(path, comments, reading)
    types = {column.name: pa.string() if pa.types.is_temporal(column.type) else column.type for column in schema}
    gone = empty_made_up(schema, written)
    kept = pa.schema({name: kind for name, kind in types.items() if name not in gone})

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in csv.open_csv(csv_source(path, written), **csv_options(written, types, CSV_BLOCK)):
            yield batch.drop_columns(gone) if gone else batch

    return n_rows, kept, batches


def _to_the_end(path: Path, batches: Batches) -> Iterator[pa.RecordBatch]:
    """The batches; a damaged one is not found by the checks of the file's head and foot."""
    try:
        for batch in batches():
            batch.validate(full=True)  # before a cell is looked at: offsets in a damaged file lead anywhere
            yield batch
    except Exception as error:  # PyArrow raises anything on a damaged file
        raise DataError(f"{path} is damaged, a part of it cannot be read: {reason_of(error)}") from None


def _parquet_batches(path: Path) -> Iterator[pa.RecordBatch]:
    with parquet.ParquetFile(path, pre_buffer=False) as file:  # else PyArrow keeps all it has read until the end
        yield from file.iter_batches(batch_size=CHUNK_ROWS)


def _arrow_batches(path: Path) -> Iterator[pa.RecordBatch]:
    with pa.OSFile(str(path)) as source:
        file = ipc.open_file(source)
        for i in range(file.num_record_batches):
            batch = file.get_batch(i)
            yield from (batch.slice(start, CHUNK_ROWS) for start in range(0, batch.num_rows, CHUNK_ROWS))


def settle_types(
    path: Path, written: Layout, as_text: Sequence[str] = (), comments: list[str] | None = None
) -> tuple[int, pa.Schema]:
    """Number of rows of a CSV file, and column types that suit all of them; text for those in `as_text`.

    PyArrow guesses from the first block; where a later cell is of another type, the column gets the next type of its
    row in `WIDER`, and the pass begins again. Lines of comment between the rows are added to `comments`.
    """
    comments = [] if comments is None else comments
    types: dict[str, pa.DataType] = dict.fromkeys(as_text, pa.string())
    left: dict[str, list[pa.DataType]] = {}
    while True:
        comments.clear()
        reader = csv.open_csv(csv_source(path, written), **csv_options(written, types, CSV_BLOCK, comments))
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


_TEXT = (pa.string(), pa.binary())
WIDER: dict[pa.DataType, tuple[pa.DataType, ...]] = {
    pa.null(): (pa.int64(), pa.bool_(), pa.float64(), *_TEXT),
    pa.int64(): (pa.float64(), *_TEXT),
    pa.string(): (pa.binary(),),
}
"""What a column may be instead where the first guess does not fit all cells; text if nothing stands here."""


# Images ----------------------------------------------------------------------------------------------------------


def _images(folder: Path, how: HowToRead, reading: Reading) -> Stream | None:
    if how.modality not in ("auto", "image"):
        return None
    there = look_into(folder, how, reading)
    if there.modality != "image" or not there.pictures:
        return None
    files = there.on_demand(folder, how, reading)

    def chunks() -> Iterator[Dataset]:
        n_decoded = 0
        for start in range(0, len(files), CHUNK_IMAGES):
            rows, of_chunk = range(start, min(start + CHUNK_IMAGES, len(files))), Reading()
            images, left_out = files.take(rows, of_chunk)
            n_decoded += len(images)
            keys = without([files.keys[row] for row in rows], left_out)
            yield Dataset(images, keys, "image", files=True, reading=of_chunk)
        if not n_decoded:
            raise none_decoded(there.pictures)

    return Stream(len(files), "image", chunks, len(files) * IMAGE_BYTES, files=True, reading=reading)
