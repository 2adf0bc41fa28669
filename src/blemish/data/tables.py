"""Table files: CSV, Parquet, Arrow and NPZ."""

import math
import os
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Mapping, Sequence
from csv import Error as CsvError
from csv import reader as csv_rows
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pyarrow as pa
from numpy.lib import format as npy
from pyarrow import csv, feather, parquet

from blemish.core.errors import DataError, reason_of
from blemish.data.dataset import LEFT_OUT, PathLike, Reading

TABLES = (".csv", ".tsv", ".txt", ".data", ".parquet", ".arrow", ".feather", ".npz")
COMPRESSED = (".gz", ".bz2", ".zst", ".lz4")
HEAD_LINES = 100  # of a .txt file, by which it is told whether they are rows of a table
HEAD_BYTES = 2**16  # of a CSV file, by which its dialect is guessed


def table_suffix(path: Path) -> str | None:
    """Which of `TABLES` a file is, compressed or not."""
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    return suffixes[-1] if suffixes and suffixes[-1] in TABLES else None


def known_suffix(path: Path) -> str:
    """`table_suffix`; DataError where there is none."""
    kind = table_suffix(path)
    if kind is None:
        raise DataError(f"{path} is of an unknown kind; expected a folder or one of {', '.join(TABLES)}")
    return kind


def looks_like_a_table(path: Path) -> bool:
    """Whether lines have equally many cells, at least two, or one number each below the heading."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            rows = [row for row in islice(csv_rows(file), HEAD_LINES) if row]
    except CsvError:
        return False  # a cell too long for a table
    widths = {len(row) for row in rows}
    if widths == {1}:
        return all(re.fullmatch(r"\s*[-+.\deE]+\s*", row[0]) for row in rows[1:])
    return len(widths) <= 1


def read_table(path: PathLike, names: Sequence[str] | None, reading: Reading) -> pa.Table:
    """A CSV (also compressed), Parquet or Arrow file, by its ending, as a table; `names` as in `dialect`.

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
            table = csv.read_csv(path, **csv_options(dialect(path, names, reading), names))
        table.validate(full=True)  # before a cell is looked at: offsets in a damaged file lead anywhere
        found = table.column_names
    except Exception as error:  # PyArrow raises anything on a damaged file
        raise unreadable(path, error) from None
    if table.num_rows == 0:
        raise DataError(f"{path} has no rows")
    return table.rename_columns(clean_names(path, found))


def unreadable(path: Path, error: Exception) -> DataError:
    """The error for a table file that PyArrow refuses, with the first line of its reason."""
    return DataError(f"{path} cannot be read as a table: {reason_of(error)}")


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


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written."""

    delimiter: str = ","
    decimal_point: str = "."
    encoding: str = "utf8"


def dialect(path: Path, names: Sequence[str] | None, reading: Reading) -> Dialect:
    """How a CSV file is written: spreadsheets in many countries use semicolons and decimal commas, some UTF-16.

    What is not a comma, a point or UTF-8 is noted, and, where no names of columns are given, that the first line is a
    header.
    """
    with pa.input_stream(str(path), compression="detect") as file:
        head = file.read(HEAD_BYTES)
    encoding = "utf16" if head[:2] in (BOM_UTF16_LE, BOM_UTF16_BE) else "utf8"
    lines = head.decode(encoding, errors="replace").splitlines()
    delimiter = _delimiter(path, lines)
    decimal = "," if delimiter == ";" and _has_decimal_commas(lines[1:]) else "."
    if encoding != "utf8":
        reading.note("encoding", path, "UTF-16, by its byte order mark")
    if delimiter != ",":
        reading.note("delimiter", path, "semicolon" if delimiter == ";" else "tab")
    if decimal != ".":
        reading.note("decimal mark", path, "comma, because a number has one and none has a point")
    if names is None:
        reading.note("header", path, "the first line is read as column names, because no names were given")
    return Dialect(delimiter, decimal, encoding)


def _delimiter(path: Path, lines: Sequence[str]) -> str:
    """Tab if the name says so; else what the heading, without a comma, and the next line have equally often."""
    if ".tsv" in [suffix.lower() for suffix in path.suffixes]:
        return "\t"
    first, second = ([line for line in lines if line.strip()] + ["", ""])[:2]
    if "," in first:
        return ","
    return next((mark for mark in ";\t" if 0 < first.count(mark) == (second or first).count(mark)), ",")


def _has_decimal_commas(lines: Sequence[str]) -> bool:
    cells = [cell.strip(' "') for line in lines for cell in line.split(";")]
    commas = any(re.fullmatch(r"[-+]?\d*,\d+", cell) for cell in cells)
    return commas and not any(re.fullmatch(r"[-+]?\d*\.\d+", cell) for cell in cells)


def csv_options(
    dialect: Dialect,
    names: Sequence[str] | None,
    types: Mapping[str, pa.DataType] | None = None,
    block: int | None = None,
) -> dict[str, Any]:
    """PyArrow's options for a CSV file; empty cells are missing.

    Args:
        dialect: How the file is written.
        names: Column names where it has no header.
        types: Of columns whose type is known.
        block: Bytes read at a time; None: PyArrow's default.
    """
    return {
        "read_options": csv.ReadOptions(
            column_names=list(names) if names else None, block_size=block, encoding=dialect.encoding
        ),
        "parse_options": csv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=True),
        "convert_options": csv.ConvertOptions(
            strings_can_be_null=True, column_types=dict(types or {}), decimal_point=dialect.decimal_point
        ),
    }


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
