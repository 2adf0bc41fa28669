"""The page around the pieces: one escaped file that makes no network requests."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from blemish.core.errors import DataError, missing_extra
from blemish.core.store import write_atomically

Cell = str | int | float | None
"""Text, a number or nothing (a dash)."""


@dataclass(frozen=True)
class Section:
    """A heading, plain text and a body.

    Attributes:
        title: Plain text; also the entry in the contents.
        text: Plain text; an empty line starts a new paragraph.
        body: HTML, inserted as it is and not escaped: only output of our own functions.
    """

    title: str
    text: str
    body: str


@dataclass(frozen=True)
class Table:
    """A captioned table.

    Attributes:
        title: Plain text.
        columns: Headings.
        rows: One cell per column; the first names the row. A column of numbers is right-aligned, and its floats have
            as many decimals as the largest needs for three digits.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


def render(
    title: str, lead: str, facts: Mapping[str, str], tables: Sequence[Table], sections: Sequence[Section]
) -> str:
    """The whole page.

    plotly.js (5 MB) is included once, and only if a section contains a chart. A content security policy in the page
    forbids every request, so it opens offline and no one learns that it was opened.

    Args:
        title: Plain text, like all strings except the sections' bodies.
        lead: What the reader should know first; an empty line starts a new paragraph.
        facts: Short labels and values, shown in order.
        tables: Shown before the sections.
        sections: Shown in order.

    Returns:
        HTML.

    Raises:
        DataError: If a table's row does not have one cell per column.
        MissingExtraError: Without jinja2 or plotly.
    """
    charts = any("plotly-graph-div" in section.body for section in sections)
    return _template().render(
        title=title,
        lead=lead,
        facts=facts,
        tables=[_laid_out(table) for table in tables],
        sections=sections,
        script=_plotly_js() if charts else "",
    )


def table_html(table: Table) -> str:
    """One table as HTML for a section's body, everything escaped.

    Raises:
        DataError: If a row does not have one cell per column.
        MissingExtraError: Without jinja2.
    """
    return str(_template("table.html.j2").module.table_of(_laid_out(table)))


def check_extras() -> None:
    """Raise MissingExtraError if a page could not be rendered: to be known before the work, not after it."""
    _template()
    _plotly_js()


def write_page(path: str | os.PathLike[str], html: str) -> None:
    """Write a page from `render` whole or not at all, as UTF-8.

    Raises:
        ArtifactError: If the folder does not exist or cannot be written.
    """
    write_atomically(path, html.encode("utf-8", errors="replace"))


def _template(name: str = "page.html.j2") -> Any:
    try:
        import jinja2
    except ImportError:
        raise missing_extra("jinja2", "report") from None
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("blemish.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["paragraphs"] = _paragraphs
    return environment.get_template(name)


def _plotly_js() -> str:
    try:
        import plotly.offline
    except ImportError:
        raise missing_extra("plotly", "report") from None
    return plotly.offline.get_plotlyjs()


def _paragraphs(text: str) -> list[str]:
    return [part.strip() for part in text.split("\n\n") if part.strip()]


def _laid_out(table: Table) -> dict[str, Any]:
    """Title, headings and rows as text, and for each column whether it contains numbers."""
    if any(len(row) != len(table.columns) for row in table.rows):
        raise DataError(
            f"a row of table {table.title!r} does not have {len(table.columns)} cells; give one value per column"
        )
    columns = [[row[at] for row in table.rows] for at in range(len(table.columns))]
    numeric = [_is_numeric(column) for column in columns]
    texts = [_as_text(column) for column in columns]
    rows = [list(zip(row, numeric, strict=True)) for row in zip(*texts, strict=True)]
    return {"title": table.title, "heads": list(zip(table.columns, numeric, strict=True)), "rows": rows}


def _is_numeric(column: Sequence[Cell]) -> bool:
    present = [cell for cell in column if cell is not None]
    return bool(present) and all(isinstance(cell, int | float) for cell in present)


def _as_text(column: Sequence[Cell]) -> list[str]:
    floats = [abs(cell) for cell in column if isinstance(cell, float) and math.isfinite(cell)]
    largest = max(floats, default=0.0) or 1.0
    decimals = min(max(2 - math.floor(math.log10(largest)), 0), 8)
    return [
        "–" if cell is None else f"{cell:.{decimals}f}" if isinstance(cell, float) else str(cell) for cell in column
    ]
