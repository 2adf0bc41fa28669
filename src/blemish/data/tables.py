"""Table files: CSV, Parquet, Arrow and NPZ."""

import math
import os
import re
import sys
from collections.abc import Mapping, Sequence
from csv import Error as CsvError
from csv import reader as csv_rows
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pyarrow as pa
from numpy.lib import format as npy
from pyarrow import csv, feather, parquet

from blemish.core.errors import DataError, reason_of
from blemish.data.dataset import LEFT_OUT, Dialect, PathLike, Reading
from blemish.data.dialect.encoding import PACKED, first_lines
from blemish.data.dialect.layout import Layout, csv_source, holds_numbers, layout

TABLES = (".csv", ".tsv", ".txt", ".data", ".parquet", ".arrow", ".feather", ".npz", ".tab", ".dat", ".log", ".asc")
HEAD_LINES = 100  # of a .txt file, by which it is told whether they are rows of a table


def table_suffix(path: Path) -> str | None:
    """Which of `TABLES` a file is, compressed or not."""
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
    return suffixes[-1] if suffixes and suffixes[-1] in TABLES else None


def known_suffix(path: Path) -> str:
    """`table_suffix`; DataError where there is none."""
    kind = table_suffix(path)
    if kind is None:
        raise DataError(f"{path} is of an unknown kind; expected a folder or one of {', '.join(TABLES)}")
    return kind


def looks_like_a_table(path: Path, said: Dialect) -> bool:
    """Whether the first lines have equally many cells, at least two, or one number each below the heading.

    Cells between commas; also between others where some columns hold numbers.
    """
    lines = first_lines(path, said)[:HEAD_LINES]
    try:
        rows = [row for row in csv_rows(lines) if row]
    except CsvError:
        return False  # a cell too long for a table
    widths = {len(row) for row in rows}
    if widths == {1} and all(re.fullmatch(r"\s*[-+.\deE]+\s*", row[0]) for row in rows[1:]):
        return True
    return (len(widths) <= 1 and widths != {1}) or holds_numbers(path, lines, said)


def read_table(
    path: PathLike,
    names: Sequence[str] | None,
    reading: Reading,
    said: Dialect | None = None,
    *,
    typed: bool = True,
    as_text: Sequence[str] = (),
) -> pa.Table:
    """A CSV (also compressed), Parquet or Arrow file, by its ending, as a table.

    Args:
        path: The file.
        names: Of the columns of a CSV file without a heading.
        reading: Where guesses are noted.
        said: How a CSV file is written, where it was said.
        typed: Whether the cells of a CSV file become numbers where they can; else they are text, as times always are.
        as_text: Columns of a CSV file that are text in any case.

    Raises:
        DataError: If it is not there, empty or malformed.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"there is no file {str(path)!r}")
    kind = table_suffix(path)
    try:
        if kind == ".parquet":
            table = parquet.read_table(path)
        elif kind in (".arrow", ".feather"):
            table = feather.read_table(path, memory_map=False)
        else:
            written = dialect(path, names, reading, said)
            types = dict.fromkeys(as_text if typed else written.names, pa.string())
            comments: list[str] = []
            table = csv.read_csv(csv_source(path, written), **csv_options(written, types, comments=comments))
            note_comments(path, comments, reading)
            table = times_as_text(table.drop_columns(empty_made_up(table.schema, written)))
        table.validate(full=True)  # before a cell is looked at: offsets in a damaged file lead anywhere
        table, found = table.cast(without_views(table.schema)), table.column_names
    except DataError:
        raise
    except Exception as error:  # PyArrow raises anything on a damaged file
        raise unreadable(path, error) from None
    if table.num_rows == 0:
        raise DataError(f"{path} has no rows")
    return without_na(table.rename_columns(clean_names(path, found)), said.na if said else ())


def without_views(schema: pa.Schema) -> pa.Schema:
    """A schema with string and bytes in place of Arrow's views of them, for which it has few functions."""
    plain = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
    return pa.schema([field.with_type(plain.get(field.type, field.type)) for field in schema])


def times_as_text(table: pa.Table) -> pa.Table:
    """A table from a CSV file with dates and times as they were written: types must not depend on the other cells."""
    times = [field.name for field in table.schema if pa.types.is_temporal(field.type)]
    schema = pa.schema([field.with_type(pa.string()) if field.name in times else field for field in table.schema])
    return table.cast(schema) if times else table


def unreadable(path: Path, error: Exception) -> DataError:
    """The error for a table file that PyArrow refuses, with the first line of its reason."""
    reason = reason_of(error)
    if reason.startswith(("Empty CSV file", "Could not skip")):
        return DataError(f"{path} has no rows")
    hint = "; if it is written otherwise, say so with --delimiter, --skip-lines or --encoding"
    return DataError(f"{path} cannot be read as a table: {reason}{hint if 'CSV' in reason else ''}")


def clean_names(path: PathLike, names: Sequence[str]) -> list[str]:
    """Column names without the byte order mark and blanks that spreadsheets leave around them.

    Raises:
        DataError: If two are the same.
    """
    clean = [name.lstrip("\ufeff").strip() for name in names]
    if len(set(clean)) < len(clean):
        twice = next(name for name in clean if clean.count(name) > 1)
        raise DataError(f"{path} has two columns named {twice!r}; rename one")
    return clean


# CSV -----------------------------------------------------------------------------------------------------------------


def dialect(path: Path, names: Sequence[str] | None, reading: Reading, said: Dialect | None = None) -> Layout:
    """How a CSV file is written, see `layout`; DataError where its heading has no row below it."""
    return layout(path, names, reading, said or Dialect())


def csv_options(
    written: Layout,
    types: Mapping[str, pa.DataType] | None = None,
    block: int | None = None,
    comments: list[str] | None = None,
) -> dict[str, Any]:
    """PyArrow's options for a CSV file; empty cells are missing, lines of comment are left out.

    Args:
        written: How the file is written.
        types: Of columns whose type is known.
        block: Bytes read at a time; None: PyArrow's default.
        comments: Where the lines of comment between rows go.
    """
    blanks = written.delimiter == " "

    def handle(row: csv.InvalidRow) -> str:
        comment = row.text.lstrip().startswith("#")
        if comment and comments is not None:
            comments.append(row.text)
        return "skip" if comment or not row.text.strip(f'{written.delimiter} \t"') else "error"

    return {
        "read_options": csv.ReadOptions(
            column_names=list(written.names),
            skip_rows=written.skip,
            block_size=block,
            encoding="utf8" if blanks else written.encoding,
        ),
        "parse_options": csv.ParseOptions(
            delimiter="\t" if blanks else written.delimiter, newlines_in_values=True, invalid_row_handler=handle
        ),
        "convert_options": csv.ConvertOptions(
            strings_can_be_null=True,
            column_types=dict(types or {}),
            decimal_point=written.decimal_point,
            timestamp_parsers=["-"],  # nothing is written so: times stay text, see `times_as_text`
            null_values=[*csv.ConvertOptions().null_values, *written.na],
        ),
    }


def note_comments(path: Path, comments: Sequence[str], reading: Reading) -> None:
    """Say how many lines between the rows are left out."""
    if comments:
        how = f"{len(comments):,} line(s) of comment between the rows are left out, the first is {comments[0][:40]!r}"
        reading.note("comments", path, how)


def without_na(table: pa.Table, na: Sequence[str]) -> pa.Table:
    """A table in which cells that were said to be missing are: numbers of that value, and texts of that word."""
    numbers = [float(word) for word in na if re.fullmatch(r"[-+]?\d+([.,]\d*)?", word.replace(",", "."))]
    for at, column in enumerate(table.columns) if na else ():
        kind = column.type
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            hit = np.isin(column.cast(pa.float64(), safe=False).to_numpy(), numbers)
        elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
            hit = np.isin(column.to_numpy(), na)
        else:
            continue
        values = [None if missing else value for missing, value in zip(hit, column.to_pylist(), strict=True)]
        table = table.set_column(at, table.column_names[at], pa.array(values, kind)) if hit.any() else table
    return table


def empty_made_up(schema: pa.Schema, written: Layout) -> list[str]:
    """Columns without a name and without a value: a delimiter stands at the end of each line."""
    return [name for name in written.made_up if pa.types.is_null(schema.field(name).type)]


# NPZ -----------------------------------------------------------------------------------------------------------------


def read_npz(path: Path, take_out: Sequence[str], reading: Reading) -> tuple[np.ndarray, dict[str, list[Any]]]:
    """The array 'X' of an NPZ file, and its other arrays with one value per sample, which those taken out must have.

    Raises:
        DataError: If it has no 'X' with samples, would need code to be run, or an array has another length.
    """
    _check_sizes(path)
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            arrays = {name: array for name in file.files if isinstance(array := file[name], np.ndarray)}
        for name, array in arrays.items():
            if array.dtype.kind == "U" and array.nbytes:
                points = array.ravel().view(f"{array.dtype.byteorder}u4")
                if points.max() > sys.maxunicode:  # NumPy makes a text of it that nothing can write
                    raise ValueError(f"{name!r} holds what is not a character")
    except Exception as error:  # zipfile, zlib and NumPy raise anything on a damaged file
        raise DataError(
            f"{path} cannot be read without running code in it ({reason_of(error)}); save plain arrays"
        ) from None
    X = arrays.pop("X", None)
    if X is None or not X.ndim or not len(X):
        raise DataError(f"{path} has no array 'X' with samples; it has {', '.join(arrays) or 'nothing'}")
    fitting = {name: array.tolist() for name, array in arrays.items() if array.shape == (len(X),)}
    wrong = next((name for name in take_out if name in arrays and name not in fitting), None)
    if wrong is not None:
        raise DataError(f"{path}: array {wrong!r} has shape {arrays[wrong].shape}, but there are {len(X)} samples")
    reading.take_out(fitting)
    for name in [name for name in arrays if name not in fitting]:
        reading.note(LEFT_OUT, name, f"the shape {arrays[name].shape} is not one value per sample")
    return X, fitting


def _check_sizes(path: Path) -> None:
    """Refuse an NPZ file that would unpack to more than the machine's memory, or whose arrays claim more than it holds.

    Raises:
        DataError: In these cases, or if it is not an archive.
    """
    try:
        with path.open("rb") as handle, ZipFile(handle) as archive:
            sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
            claims = {name: _claimed(archive, name) for name in sizes}
    except Exception as error:
        raise DataError(f"{path} cannot be read as an NPZ file ({reason_of(error)}); save it again") from None
    short = next((name for name in sizes if claims[name] > sizes[name]), None)
    if short is not None:
        raise DataError(f"{path} is damaged: {short} claims {claims[short]:,} bytes and has {sizes[short]:,}")
    if sum(sizes.values()) > _memory():
        raise DataError(
            f"{path} holds {sum(sizes.values()) / 1e9:.1f} GB when unpacked, this machine has {_memory() / 1e9:.1f} GB "
            "of memory; save the rows as Parquet, which is read in parts"
        )


def _claimed(archive: ZipFile, name: str) -> int:
    """Bytes of an array by its own header, with the header; 0: it is none, which is for NumPy to say."""
    with archive.open(name) as file:
        if file.read(len(npy.MAGIC_PREFIX)) != npy.MAGIC_PREFIX:
            return 0
        read_header = npy.read_array_header_1_0 if file.read(2)[0] == 1 else npy.read_array_header_2_0
        shape, _, dtype = read_header(file)
        return file.tell() + math.prod(shape) * dtype.itemsize


def _memory() -> int:
    """Bytes of memory of this machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 2**40
