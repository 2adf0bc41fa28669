"""What spreadsheets make of a CSV file."""

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa


@dataclass(frozen=True)
class Dialect:
    """What a CSV file calls its parts."""

    delimiter: str = ","
    decimal_point: str = "."
    encoding: str = "utf8"


def dialect(path: Path) -> Dialect:
    """What spreadsheets make of a CSV file: semicolons or tabs between cells, decimal commas, UTF-16.

    Tabs where the name says so; else semicolons or tabs, where the heading has as many of them as the line that follows
    and no comma. Decimal commas only between semicolons, where a number has one and none has a point.
    """
    with pa.input_stream(str(path), compression="detect") as file:
        head = file.read(2**16)
    encoding = "utf16" if head[:2] in (BOM_UTF16_LE, BOM_UTF16_BE) else "utf8"
    lines = head.decode(encoding, errors="replace").splitlines()
    first, second = ([line for line in lines if line.strip()] + ["", ""])[:2]
    delimiter = "\t" if ".tsv" in [suffix.lower() for suffix in path.suffixes] else ","
    if delimiter == "," and "," not in first:
        delimiter = next((mark for mark in ";\t" if 0 < first.count(mark) == (second or first).count(mark)), ",")
    cells = [cell.strip(' "') for line in lines[1:] for cell in line.split(";")] if delimiter == ";" else []
    decimal_comma = any(re.fullmatch(r"[-+]?\d*,\d+", cell) for cell in cells)
    decimal_point = any(re.fullmatch(r"[-+]?\d*\.\d+", cell) for cell in cells)
    return Dialect(delimiter, "," if decimal_comma and not decimal_point else ".", encoding)
