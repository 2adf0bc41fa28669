"""How one text file that holds a table is written: what a person said counts, all else is guessed and noted.

docs/reading.md lists the guesses.
"""

import io
from collections.abc import Iterator, Sequence
from csv import reader as csv_rows
from csv import writer as csv_writer
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from blemish.core.errors import DataError
from blemish.data.dataset import Dialect, Reading
from blemish.data.dialect.encoding import encoding_of, head, unpacked
from blemish.data.dialect.rows import DELIMITERS, Cut, cut, decimal_mark, heading_of, hint_of, is_number


@dataclass(frozen=True)
class Layout:
    """How one file is written.

    Attributes:
        delimiter: Between cells; a blank stands for any number of them.
        decimal_point: ',' or '.'.
        encoding: As Python calls it.
        skip: Lines before the first row.
        names: One per column.
        made_up: Those of them that do not stand in the file; such a column without a value is left out.
        na: Cells that are missing, as said.
    """

    delimiter: str = ","
    decimal_point: str = "."
    encoding: str = "utf8"
    skip: int = 0
    names: tuple[str, ...] = ()
    made_up: tuple[str, ...] = ()
    na: tuple[str, ...] = ()


# The whole -----------------------------------------------------------------------------------------------------------


def layout(path: Path, names: Sequence[str] | None, reading: Reading, said: Dialect) -> Layout:
    """How a text file is written.

    Args:
        path: The file, compressed or not.
        names: Of the columns where it has no heading.
        reading: Where it is noted what differs from UTF-8 with commas and a heading in the first line.
        said: What a person said, which is not guessed.

    Raises:
        DataError: If the file holds nothing, cannot be decoded, or has two columns of one name.
    """
    encoding = encoding_of(path, said, reading)
    lines = head(path, encoding, said.skip_lines or 0)
    if not any(line.strip() for line in lines):
        raise DataError(f"{path} cannot be read as a table: Empty CSV file")
    found, hinted = cut(path, lines, names, said)
    if found.delimiter != "," and said.delimiter is None:
        how = ", as its first line says" if hinted else ""
        reading.note("delimiter", path, DELIMITERS.get(found.delimiter, repr(found.delimiter)) + how)
    decimal = said.decimal or decimal_mark(found)
    if decimal != "." and said.decimal is None:
        reading.note("decimal mark", path, "comma, because a number has one and none has a point")
    written = Layout(found.delimiter, decimal, encoding, na=said.na)
    if names is not None:
        start = found.rows[found.first].start if said.skip_lines is None else said.skip_lines
        _note_skipped(path, start, lines, said, reading)
        return replace(written, skip=start, names=tuple(names))
    return _with_heading(path, found, written, lines, said, reading)


def _with_heading(path: Path, found: Cut, written: Layout, lines: list[str], said: Dialect, reading: Reading) -> Layout:
    heading, units = heading_of(found, said)
    last = units or heading
    cells = [cell.strip() for cell in heading.cells]
    if heading.is_comment:
        cells[0] = cells[0].lstrip("#").strip()
        cells = cells[1:] if not cells[0] else cells
    width = max(len(cells), found.width)
    if len(cells) == width - 1:
        # A delimiter at the end of each row, or names of rows before the first column, as R writes them.
        at_end = all(not row.cells[-1].strip() for row in found.body if row.start >= last.end)
        cells = [*cells, ""] if at_end else ["", *cells]
    names = [name or f"Unnamed: {at}" for at, name in enumerate(cells)]  # as pandas calls them
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(
            f"{path} has two columns named {twice!r}; rename one, or if that line is a row, name the columns "
            "with --names"
        )
    _note_skipped(path, heading.start, lines, said, reading)
    if units is not None:
        some = ", ".join(units.cells)[:60].strip(" ,")
        reading.note("units", path, f"line {units.start + 1} holds units and is left out: {some}")
    made_up = tuple(name for name, cell in zip(names, cells, strict=True) if not cell)
    if made_up:
        how = f"{len(made_up)} column(s) without a name, called {', '.join(made_up[:3])}; left out if empty"
        places = [names.index(name) for name in made_up]
        filled = any(row.cells[at].strip() for row in found.body if row.start >= last.end for at in places)
        reading.note("heading", path, how, surprising=filled)
    odd = [cell for cell in cells if is_number(cell)]
    if odd:
        reading.note(
            "heading",
            path,
            f"line {heading.start + 1} is read as column names, though it holds numbers ({', '.join(odd[:3])}); if it "
            "is a row, name the columns with --names",
        )
    else:
        how = "the first line is read as column names, because no names were given"
        reading.note("header", path, how, surprising=False)
    return replace(written, skip=last.end, names=tuple(names), made_up=made_up)


def _note_skipped(path: Path, start: int, lines: list[str], said: Dialect, reading: Reading) -> None:
    skipped = [line for line in lines[:start] if line.strip() and not hint_of(line)]
    if skipped and said.skip_lines is None:
        first = skipped[0].strip()[:40]
        reading.note("heading", path, f"{len(skipped)} line(s) before it are left out, the first is {first!r}")


def holds_numbers(path: Path, lines: list[str], said: Dialect) -> bool:
    """Whether a delimiter cuts lines into a table with columns of numbers."""
    return any(line.strip() for line in lines) and bool(cut(path, lines, None, said)[0].numeric)


# For PyArrow ---------------------------------------------------------------------------------------------------------


def csv_source(path: Path, written: Layout) -> Any:
    """What PyArrow reads: the file; where any number of blanks delimits cells, a copy with tabs, made as it goes."""
    return str(path) if written.delimiter != " " else _Tabbed(path, written.encoding)


class _Tabbed(io.RawIOBase):
    """The lines of a file with tabs in place of blanks, as UTF-8."""

    def __init__(self, path: Path, encoding: str) -> None:
        self._file = unpacked(path)
        encoding = "utf-8-sig" if encoding == "utf8" else encoding
        lines = io.TextIOWrapper(self._file, encoding=encoding)  # pyright: ignore[reportArgumentType]
        rows = csv_rows((line.strip() for line in lines), delimiter=" ", skipinitialspace=True)
        self._parts, self._left = _as_tabs(rows), b""

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        while not self._left:
            part = next(self._parts, None)
            if part is None:
                return 0
            self._left = part
        n = min(len(into), len(self._left))
        into[:n], self._left = self._left[:n], self._left[n:]
        return n


def _as_tabs(rows: Iterator[list[str]]) -> Iterator[bytes]:
    while some := list(islice(rows, 2**14)):
        text = io.StringIO()
        csv_writer(text, delimiter="\t", lineterminator="\n").writerows(some)
        yield text.getvalue().encode()
