"""The lines of a text file as the rows of a table: what delimits cells, where the heading is, the decimal mark.

Guesses, from the first lines; decisions.md 83 says why they are these.
"""

import re
from collections import Counter
from collections.abc import Sequence
from csv import Error as CsvError
from csv import reader as csv_rows
from dataclasses import dataclass, replace
from pathlib import Path

from blemish.core.errors import DataError
from blemish.data.dataset import Dialect

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
class Row:
    """Cells, and the numbers of the first line and of the one after the last."""

    cells: list[str]
    start: int
    end: int

    @property
    def is_comment(self) -> bool:
        """Whether the first cell begins with '#'."""
        return bool(self.cells) and self.cells[0].lstrip().startswith("#")


@dataclass(frozen=True)
class Cut:
    """Rows as one delimiter cuts them, comments and empty lines left out, and where the table begins in them."""

    delimiter: str
    rows: list[Row]
    comments: list[Row]
    empty: set[int]
    width: int
    first: int
    numeric: list[int]

    @property
    def body(self) -> list[Row]:
        """The rows of the table, with its heading, that have as many cells as it has."""
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


# Cells ----------------------------------------------------------------------------------------------------------------


def _rows(lines: Sequence[str], delimiter: str, start: int) -> list[Row]:
    """The rows of some lines; a row whose quotes hold line ends has several. The first line has number `start`."""
    blanks = delimiter == " "
    stripped = (line.strip() for line in lines) if blanks else lines
    reader = csv_rows(stripped, delimiter=delimiter, skipinitialspace=blanks)
    rows, line = [], 0
    for cells in reader:
        rows.append(Row(cells, start + line, start + reader.line_num))
        line = reader.line_num
    return rows


def hint_of(line: str) -> str | None:
    """The delimiter that a spreadsheet's first line names: 'sep=;'."""
    match = re.fullmatch(r'\ufeff?"?sep=(.)"?[;,\t]*', line.strip("\r\n "), re.IGNORECASE)
    return match[1] if match else "\t" if line.strip('\r\n"').lower() == "sep=\t" else None


def cut(path: Path, lines: list[str], names: Sequence[str] | None, said: Dialect) -> tuple[Cut, bool]:
    """The rows as the delimiter cuts them that was said, or that fits best; and whether the file names it."""
    start = said.skip_lines or 0
    lines = lines[start:]
    hint = hint_of(lines[0]) if lines else None
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


def _plain(lines: Sequence[str], delimiter: str, start: int) -> Cut:
    """The rows of a file that is not evenly cut, or has one column: the first is the heading."""
    try:
        rows = _rows(lines, delimiter, start)
    except CsvError as error:
        raise DataError(f"the lines cannot be cut into cells ({error}); give --delimiter") from None
    kept = [row for row in rows if row.cells and not row.is_comment]
    some = kept or [row for row in rows if row.cells][:1]
    return Cut(delimiter, some, [], set(), len(some[0].cells), 0, [])


def _found(lines: Sequence[str], delimiter: str, start: int, names: Sequence[str] | None, *, exact: bool) -> Cut | None:
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
    if width < 2 or first < 0 or widths[width] < MIN_ALIKE * (len(some) - max(first, int(exact))):
        return None
    body = [row for row in some[first:] if len(row.cells) == width]
    numeric = _numeric(body[-max(1, len(body) // 2) :], width)
    found = Cut(delimiter, some, comments, empty, width, first, numeric)
    if names is None and not exact and first > 0 and len(some[first - 1].cells) == width - 1:
        above = some[first - 1]
        at_end = all(not row.cells[-1].strip() for row in body)
        if not any(is_number(cell) for cell in above.cells) and (numeric or (first == 1 and at_end)):
            return replace(found, first=first - 1)
    # Lines before a table are left out only where numbers tell it from a text with delimiters in it.
    return found if first == 0 or (numeric and len(body) >= MIN_ROWS) else None


def _numeric(rows: Sequence[Row], width: int) -> list[int]:
    """Columns whose cells are numbers, nearly all of them."""
    columns = [[row.cells[at] for row in rows if not _is_missing(row.cells[at])] for at in range(width)]
    return [at for at, cells in enumerate(columns) if cells and sum(map(is_number, cells)) >= 0.8 * len(cells)]


# Heading -------------------------------------------------------------------------------------------------------------


def heading_of(found: Cut, said: Dialect) -> tuple[Row, Row | None]:
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


def _first_of_body(found: Cut, rows: Sequence[Row]) -> int:
    """The number of the first row with numbers where columns have them; 1 if there is none."""
    for at, row in enumerate(rows):
        cells = [row.cells[column] for column in found.numeric if column < len(row.cells)]
        there = [cell for cell in cells if not _is_missing(cell)]
        if 2 * len(there) > len(cells) and all(map(is_number, there)):
            return at
    return 1


def _is_full(row: Row, found: Cut) -> bool:
    """Whether a row can be a heading: different names, the first or last of which may be absent, and no number."""
    cells = [cell.strip() for cell in row.cells]
    inner = cells[1:-1] if len(cells) > 2 else cells
    names = [cell for cell in cells if cell]
    different = len(set(names)) == len(names) and not any(map(is_number, names))
    return len(cells) >= found.width - 1 and all(inner) and different


def _are_units(row: Row, found: Cut) -> bool:
    """Whether there are units where a column has numbers: none is a number, and half of them are known."""
    cells = [row.cells[at].strip() for at in found.numeric if at < len(row.cells)]
    some = [cell for cell in cells if cell]
    known = sum(UNIT.fullmatch(cell) is not None and cell != "-" for cell in some)
    return bool(some) and not any(map(is_number, some)) and 2 * known >= len(some)


def _commented_heading(found: Cut, first: Row) -> Row | None:
    """A comment just before the first row, which holds numbers, that has a name for each of its cells."""
    above = [row for row in found.comments if row.end <= first.start]
    if not above or not above[-1].cells:
        return None
    cells = [above[-1].cells[0].lstrip("# "), *above[-1].cells[1:]]
    cells = cells if cells[0] else cells[1:]
    fits = len(cells) == found.width and not any(map(is_number, cells))
    return above[-1] if fits else None


# Decimal mark --------------------------------------------------------------------------------------------------------


def decimal_mark(found: Cut) -> str:
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
