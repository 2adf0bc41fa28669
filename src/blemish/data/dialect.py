"""How a text file that holds a table is written: its encoding, delimiter and decimal mark, and where its heading is.

What a person says counts; all else is guessed from the first lines, and each guess is noted. docs/reading.md lists the
guesses, decisions.md 83 says why they are these.
"""

import codecs
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from csv import Error as CsvError
from csv import reader as csv_rows
from csv import writer as csv_writer
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from blemish.core.errors import DataError
from blemish.data.dataset import Dialect, Reading

HEAD_BYTES, HEAD_LINES = 2**16, 200  # by which the layout is guessed; more bytes where these hold few lines
BLOCK = 2**22
BOMS = {
    codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
"""Byte order marks; UTF-32 stands before UTF-16, with which it begins."""
DELIMITERS = {";": "semicolon", "\t": "tab", "|": "pipe", ",": "comma", " ": "blanks"}
"""Those that are guessed, in the order in which a tie is settled, and their names."""
MIN_ROWS = 3  # of a table that has other lines before it, with its heading
MIN_ALIKE = 0.9  # of the rows below the heading have as many cells as it has
NUMBER = re.compile(r"[-+]?(\d{1,3}([.,'’\u00a0\u202f ]\d{3})+([.,]\d+)?|\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?\s*%?")
NO_VALUE = re.compile(r"|-+|\?|\.|#?n/?a|nan|null|none|missing", re.IGNORECASE)
UNIT = re.compile(
    r"[\[(<].*[\])>]|[munkM]?(s|m|V|A|W|Hz|bar|Pa|N|Nm|g|J|K|l|L)|min|h|d|°|(°|deg ?)[CFK]?|C|F|%|ppm|dB|rpm|1/min|-|"
    r"(k|c|m|µ|u|n)?m|[kmµ]?[gmNlL]/\w+\^?[\d²³]?|cm|mm\^?[²³23]?|m[²³23]|kWh?|psi|counts?|mV/V|inch(es)?|text|string"
)
WITH_COMMA, WITH_POINT = re.compile(r"[-+]?\d*,\d+"), re.compile(r"[-+]?\d*\.\d+")
THOUSANDS_COMMA, THOUSANDS_POINT = re.compile(r"[-+]?\d{1,3}(,\d{3})+"), re.compile(r"[-+]?\d{1,3}(\.\d{3})+")
POINT_COMMA = re.compile(r"[-+]?\d{1,3}(\.\d{3})+,\d+")


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


@dataclass(frozen=True)
class _Row:
    """Cells, and the numbers of the first line and of the one after the last."""

    cells: list[str]
    start: int
    end: int

    @property
    def is_comment(self) -> bool:
        return bool(self.cells) and self.cells[0].lstrip().startswith("#")


@dataclass(frozen=True)
class _Found:
    """Rows as one delimiter cuts them, comments and empty lines left out, and where the table begins in them."""

    delimiter: str
    rows: list[_Row]
    comments: list[_Row]
    empty: set[int]
    width: int
    first: int
    numeric: list[int]

    @property
    def body(self) -> list[_Row]:
        return [row for row in self.rows[self.first :] if len(row.cells) == self.width]

    def numbers(self) -> float:
        """Mean number of cells of a row that are numbers."""
        found = [sum(is_number(cell) for cell in row.cells) for row in self.body[1:] or self.body]
        return sum(found) / len(found) if found else 0.0


def is_number(cell: str) -> bool:
    """Whether a cell is a number, whatever its decimal mark.

    Example:
        >>> [is_number(cell) for cell in ("1.234,5", "5 %", "-.5e3", "01.03.2024", "")]
        [True, True, True, False, False]
    """
    return NUMBER.fullmatch(cell.strip()) is not None


def _is_missing(cell: str) -> bool:
    return NO_VALUE.fullmatch(cell.strip()) is not None


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
    lines = _head(path, encoding, said.skip_lines or 0)
    if not any(line.strip() for line in lines):
        raise DataError(f"{path} cannot be read as a table: Empty CSV file")
    found, hinted = _cut(path, lines, names, said)
    if found.delimiter != "," and said.delimiter is None:
        how = ", as its first line says" if hinted else ""
        reading.note("delimiter", path, DELIMITERS.get(found.delimiter, repr(found.delimiter)) + how)
    decimal = said.decimal or _decimal(found)
    if decimal != "." and said.decimal is None:
        reading.note("decimal mark", path, "comma, because a number has one and none has a point")
    written = Layout(found.delimiter, decimal, encoding, na=said.na)
    if names is not None:
        start = found.rows[found.first].start if said.skip_lines is None else said.skip_lines
        _note_skipped(path, start, lines, said, reading)
        return replace(written, skip=start, names=tuple(names))
    return _with_heading(path, found, written, lines, said, reading)


def _with_heading(
    path: Path, found: _Found, written: Layout, lines: list[str], said: Dialect, reading: Reading
) -> Layout:
    heading, units = _heading(found, said)
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
            f"{path} has two columns named {twice!r}; rename one, or if that line is no heading, name the columns "
            "with --names"
        )
    _note_skipped(path, heading.start, lines, said, reading)
    if units is not None:
        some = ", ".join(units.cells)[:60]
        reading.note("units", path, f"line {units.start + 1} holds units and is left out: {some}")
    made_up = tuple(name for name, cell in zip(names, cells, strict=True) if not cell)
    if made_up:
        how = f"{len(made_up)} column(s) without a name, called {', '.join(made_up[:3])}; left out if there is no value"
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
    skipped = [line for line in lines[:start] if line.strip() and not _hint(line)]
    if skipped and said.skip_lines is None:
        first = skipped[0].strip()[:40]
        reading.note("heading", path, f"{len(skipped)} line(s) before it are left out, the first is {first!r}")


def first_lines(path: Path, said: Dialect) -> list[str]:
    """The first lines of a file, as `layout` looks at them."""
    return _head(path, encoding_of(path, said, Reading()), said.skip_lines or 0)


def holds_numbers(path: Path, lines: list[str], said: Dialect) -> bool:
    """Whether a delimiter cuts lines into a table with columns of numbers."""
    return any(line.strip() for line in lines) and bool(_cut(path, lines, None, said)[0].numeric)


# Encoding ------------------------------------------------------------------------------------------------------------


def encoding_of(path: Path, said: Dialect, reading: Reading) -> str:
    """As said; else by the byte order mark, or UTF-8 where the whole file is; else Windows-1252 or Latin-1.

    Raises:
        DataError: If the file is not in the encoding that was said.
    """
    if said.encoding is not None and not said.assumed:
        wrong = _undecodable(path, said.encoding)
        if wrong is not None:
            raise DataError(f"{path}: byte {wrong} is not {said.encoding}; give another --encoding, or none")
        return said.encoding
    with pa.input_stream(str(path), compression="detect") as file:
        head = bytes(file.read(64))
    mark = next((name for bom, name in BOMS.items() if head.startswith(bom)), None)
    if mark is None and len(head) > 8 and any(head[1::2]) == (not any(head[::2])):
        mark = "utf-16-le" if not any(head[1::2]) else "utf-16-be"
        reading.note("encoding", path, f"{mark.upper()}, because every other byte is 0")
        return mark
    if mark in ("utf-16", "utf-32"):
        reading.note("encoding", path, f"{mark.upper()}, by its byte order mark")
        return mark
    wrong = _undecodable(path, "utf-8")
    if wrong is None:
        return "utf8"
    likely = [said.encoding] if said.encoding is not None else []
    found = next((name for name in (*likely, "cp1252") if _undecodable(path, name) is None), "latin-1")
    name = {"cp1252": "Windows-1252", "latin-1": "Latin-1"}.get(found, found)
    reading.note("encoding", path, f"{name}, because byte {wrong} is not UTF-8; if letters look wrong, give --encoding")
    return found


def _undecodable(path: Path, encoding: str) -> int | None:
    """Where the first byte stands that the encoding does not have; None: nowhere."""
    decoder, done = codecs.getincrementaldecoder(encoding)(), 0
    plain = encoding in ("utf-8", "cp1252")
    with pa.input_stream(str(path), compression="detect") as file:
        while block := bytes(file.read(BLOCK)):
            pending = len(decoder.getstate()[0])
            try:
                if not (plain and not pending and block.isascii()):
                    decoder.decode(block)
            except UnicodeError as error:
                return done - pending + (error.start if isinstance(error, UnicodeDecodeError) else 0)
            done += len(block)
    try:
        decoder.decode(b"", final=True)
    except UnicodeError:
        return done
    return None


# Rows ----------------------------------------------------------------------------------------------------------------


def _head(path: Path, encoding: str, skipped: int) -> list[str]:
    """The first lines with their ends, whole ones: as many as 64 KB hold, more where these are few."""
    with pa.input_stream(str(path), compression="detect") as file:
        content, more = b"", HEAD_BYTES
        while True:
            block = bytes(file.read(more))
            content, more = content + block, len(content) + HEAD_BYTES
            text = codecs.getincrementaldecoder(encoding)(errors="replace").decode(content)
            lines = list(io.StringIO(text.removeprefix("\ufeff"), newline=""))
            if not block or len(lines) > skipped + HEAD_LINES or (len(lines) > skipped + 20 and len(content) > BLOCK):
                return lines if not block else lines[:-1]


def _rows(lines: Sequence[str], delimiter: str, start: int) -> list[_Row]:
    """The rows of some lines; a row whose quotes hold line ends has several. The first line has number `start`."""
    blanks = delimiter == " "
    stripped = (line.strip() for line in lines) if blanks else lines
    reader = csv_rows(stripped, delimiter=delimiter, skipinitialspace=blanks)
    rows, line = [], 0
    for cells in reader:
        rows.append(_Row(cells, start + line, start + reader.line_num))
        line = reader.line_num
    return rows


def _hint(line: str) -> str | None:
    """The delimiter that a spreadsheet's first line names: 'sep=;'."""
    match = re.fullmatch(r'\ufeff?"?sep=(.)"?[;,\t]*', line.strip("\r\n "), re.IGNORECASE)
    return match[1] if match else "\t" if line.strip('\r\n"').lower() == "sep=\t" else None


def _cut(path: Path, lines: list[str], names: Sequence[str] | None, said: Dialect) -> tuple[_Found, bool]:
    """The rows as the delimiter cuts them that was said, or that fits best; and whether the file names it."""
    start = said.skip_lines or 0
    lines = lines[start:]
    hint = _hint(lines[0]) if lines else None
    if hint is not None:
        lines, start = lines[1:], start + 1
    if not lines:
        raise DataError(f"{path} has no line left after {start}; skip fewer with --skip-lines")
    one = said.delimiter or hint or ("\t" if {".tsv", ".tab"} & {s.lower() for s in path.suffixes} else None)
    exact = said.skip_lines is not None
    if one is not None and not (said.assumed and said.delimiter and not hint):
        return _found(lines, one, start, names, exact=exact) or _plain(lines, one, start), hint is not None
    marks = dict.fromkeys([*(one or ""), *DELIMITERS])
    tried = [_found(lines, mark, start, names, exact=exact) for mark in marks]
    fitting = [found for found in tried if found is not None]
    # Blanks stand between words too: they count where nothing else does, and most columns hold numbers.
    apart = [found for found in fitting if found.delimiter != " "]
    apart = apart or [found for found in fitting if 2 * len(found.numeric) > found.width]
    if apart:
        # Of equals the first: `max` keeps it.
        return max(apart, key=lambda found: (found.delimiter == one, found.first == 0, found.numbers())), False
    return _plain(lines, _by_heading(lines), start), False


def _by_heading(lines: Sequence[str]) -> str:
    """A comma if the heading has one; else what it and the next line have equally often."""
    first, second = ([line for line in lines if line.strip() and not line.startswith("#")] + ["", ""])[:2]
    if "," in first:
        return ","
    return next((mark for mark in ";\t|" if 0 < first.count(mark) == (second or first).count(mark)), ",")


def _plain(lines: Sequence[str], delimiter: str, start: int) -> _Found:
    """The rows of a file that is not evenly cut, or has one column: the first is the heading."""
    try:
        rows = _rows(lines, delimiter, start)
    except CsvError as error:
        raise DataError(f"the lines cannot be cut into cells ({error}); give --delimiter") from None
    kept = [row for row in rows if row.cells and not row.is_comment]
    some = kept or [row for row in rows if row.cells][:1]
    return _Found(delimiter, some, [], set(), len(some[0].cells), 0, [])


def _found(
    lines: Sequence[str], delimiter: str, start: int, names: Sequence[str] | None, *, exact: bool
) -> _Found | None:
    """The rows as a delimiter cuts them; None if that does not make a table of them.

    `exact`: the first row is the heading.
    """
    try:
        rows = _rows(lines, delimiter, start)
    except CsvError:  # a cell too long for a table
        return None
    some = [row for row in rows if row.cells and not row.is_comment]
    comments = [row for row in rows if row.is_comment]
    empty = {row.start for row in rows if not any(cell.strip() for cell in row.cells)}
    if not some or (names is not None and len(names) == 1):
        return None
    widths = Counter(len(row.cells) for row in some)
    width = len(names) if names else max((w for w in widths if w > 1), key=lambda w: (widths[w], w), default=1)
    first = 0 if exact else next((at for at, row in enumerate(some) if len(row.cells) == width), -1)
    if width < 2 or first < 0 or (widths[width] < MIN_ALIKE * (len(some) - first) and not exact):
        return None
    body = [row for row in some[first:] if len(row.cells) == width]
    numeric = _numeric(body[len(body) // 2 :], width)
    found = _Found(delimiter, some, comments, empty, width, first, numeric)
    if names is None and not exact and first > 0 and len(some[first - 1].cells) == width - 1:
        above = some[first - 1]
        at_end = all(not row.cells[-1].strip() for row in body)
        if not any(is_number(cell) for cell in above.cells) and (numeric or (first == 1 and at_end)):
            return replace(found, first=first - 1)
    # Lines before a table are left out only where numbers tell it from a text with delimiters in it.
    return found if first == 0 or (numeric and len(body) >= MIN_ROWS) else None


def _numeric(rows: Sequence[_Row], width: int) -> list[int]:
    """Columns whose cells are numbers, nearly all of them."""
    columns = [[row.cells[at] for row in rows if not _is_missing(row.cells[at])] for at in range(width)]
    return [at for at, cells in enumerate(columns) if cells and sum(map(is_number, cells)) >= 0.8 * len(cells)]


# Heading -------------------------------------------------------------------------------------------------------------


def _heading(found: _Found, said: Dialect) -> tuple[_Row, _Row | None]:
    """The row of names, and the row of units below it, if there is one."""
    rows = found.rows[found.first :]
    lead = list(rows[: _first_of_body(found, rows)])
    if not lead:
        return _commented_heading(found, rows[0]) or rows[0], None
    units = lead.pop() if len(lead) > 1 and _are_units(lead[-1], found) else None
    if said.skip_lines is not None:
        return lead[0], units
    after = max((line for line in found.empty if lead[0].end <= line < lead[-1].start), default=-1)
    full = [row for row in lead if row.start > after and _is_full(row, found)] if after >= 0 else []
    return next(iter(full or [row for row in lead if _is_full(row, found)]), lead[0]), units


def _first_of_body(found: _Found, rows: Sequence[_Row]) -> int:
    """Of the first row that has numbers where a column has numbers; 1 where no column has, or no such row is found."""
    for at, row in enumerate(rows):
        cells = [row.cells[column] for column in found.numeric if column < len(row.cells)]
        there = [cell for cell in cells if not _is_missing(cell)]
        if 2 * len(there) > len(cells) and all(map(is_number, there)):
            return at
    return 1


def _is_full(row: _Row, found: _Found) -> bool:
    """Whether a row can be a heading: different names, the first or last of which may be absent, and no number."""
    cells = [cell.strip() for cell in row.cells]
    inner = cells[1:-1] if len(cells) > 2 else cells
    names = [cell for cell in cells if cell]
    different = len(set(names)) == len(names) and not any(map(is_number, names))
    return len(cells) >= found.width - 1 and all(inner) and different


def _are_units(row: _Row, found: _Found) -> bool:
    """Whether there are units where a column has numbers: none is a number, and half of them are known."""
    cells = [row.cells[at].strip() for at in found.numeric if at < len(row.cells)]
    some = [cell for cell in cells if cell]
    known = sum(UNIT.fullmatch(cell) is not None and cell != "-" for cell in some)
    return bool(some) and not any(map(is_number, some)) and 2 * known >= len(some)


def _commented_heading(found: _Found, first: _Row) -> _Row | None:
    """A comment just before the first row, which holds numbers, that has a name for each of its cells."""
    above = [row for row in found.comments if row.end <= first.start]
    if not above or not above[-1].cells:
        return None
    cells = [above[-1].cells[0].lstrip("# "), *above[-1].cells[1:]]
    cells = cells if cells[0] else cells[1:]
    fits = len(cells) == found.width and not any(map(is_number, cells))
    return above[-1] if fits else None


# Decimal mark --------------------------------------------------------------------------------------------------------


def _decimal(found: _Found) -> str:
    """A comma if numbers have one and none has a point; points between thousands do not count."""
    cells = {cell.strip() for row in found.body[1:] for cell in row.cells}
    thousands = any(POINT_COMMA.fullmatch(cell) for cell in cells)
    commas = [cell for cell in cells if WITH_COMMA.fullmatch(cell)]
    points = [cell for cell in cells if WITH_POINT.fullmatch(cell)]
    sure_comma = thousands or any(not THOUSANDS_COMMA.fullmatch(cell) for cell in commas)
    sure_point = any(not THOUSANDS_POINT.fullmatch(cell) for cell in points)
    if sure_comma:
        return "." if sure_point else ","
    return "," if commas and not points and found.delimiter == ";" else "."


# For PyArrow ---------------------------------------------------------------------------------------------------------


def csv_source(path: Path, written: Layout) -> Any:
    """What PyArrow reads: the file; where any number of blanks delimits cells, a copy with tabs, made as it goes."""
    return str(path) if written.delimiter != " " else _Tabbed(path, written.encoding)


class _Tabbed(io.RawIOBase):
    """The lines of a file with tabs in place of blanks, as UTF-8."""

    def __init__(self, path: Path, encoding: str) -> None:
        self._file = pa.input_stream(str(path), compression="detect")
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
