"""What a person is told about the columns of a table: their kinds, and cells that are not read as they stand."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from typing_extensions import TypedDict

from blemish.core.manifest import declared
from blemish.data.columns import MISSING, PARTS, PLAIN, is_missing, to_categories, to_texts
from blemish.data.dataset import COLUMN, READ, Note
from blemish.modalities.column import Column

KINDS = {
    "numeric": ("number", "numbers"),
    "binary": ("yes/no", "yes/no"),
    "categorical": ("category", "categories"),
    "time": ("time of day and week", "times of day and week"),
    "text": ("text", "texts"),
}
"""What a person reads for a kind: one, and several."""


@declared
class LeftOutFacts(TypedDict):
    """See `LeftOut`."""

    name: str
    kind: str
    why: str


@dataclass(frozen=True)
class LeftOut:
    """A column that a model does not use: its name, its kind (see `blemish.modalities.kinds.Kind`), and why."""

    name: str
    kind: str
    why: str


def facts_of(columns: Sequence[Column], texts: Sequence[str], left_out: Sequence[LeftOut]) -> list[dict[str, Any]]:
    """Name and kind of each of the user's columns, as JSON values; `texts` are those that are read as free text."""
    found: dict[str, dict[str, Any]] = {}
    for column in columns:
        kind = "text" if column.of in texts else "time" if column.part in PARTS else column.kind
        facts = found.setdefault(column.of, {"name": column.of, "kind": kind})
        if column.part:
            facts.setdefault("read_as", []).append(column.part)
        elif column.kind == "categorical":
            facts["categories"] = len(column.categories)
        if column.style != PLAIN:
            facts["style"] = column.style._asdict()
    return [*found.values(), *({"name": one.name, "kind": one.kind, "left_out": one.why} for one in left_out)]


def kinds_line(n_columns: int, facts: Sequence[Mapping[str, Any]]) -> Note:
    """'44 columns: 38 numbers, 4 categories; left out: booked_at (a date), memo (17,843 different texts)'."""
    counts = Counter(one["kind"] for one in facts if "left_out" not in one)
    said = [f"{counts[kind]} {names[counts[kind] > 1]}" for kind, names in KINDS.items() if counts[kind]]
    apart = [f"{one['name']} ({one['left_out']})" for one in facts if "left_out" in one]
    how = ", ".join(said) + (f"; left out: {', '.join(apart)}" if apart else "")
    return Note(READ, f"{n_columns} column{'s' * (n_columns != 1)}", how)


def is_styled(column: Column) -> bool:
    """Whether the numbers of a column are not written plainly."""
    return column.style != PLAIN


def style_note(column: Column) -> Note:
    """How the numbers of a column are written."""
    style = column.style
    marks = {
        "a decimal comma": style.decimal == ",",
        f"{style.groups!r} between thousands": style.groups,
        f"the unit {style.unit!r}": style.unit,
    }
    return Note(COLUMN, repr(column.of), f"numbers with {' and '.join(mark for mark, there in marks.items() if there)}")


def notes_on(column: Column, cells: np.ndarray) -> list[Note]:
    """Cells of new data that are missing where training had none, are not numbers, or are unseen categories."""
    if column.part not in ("", *PARTS):  # free text: its first feature speaks for all
        blank = sum(map(is_missing, to_texts(cells).tolist())) if column.part == "topic 1" else 0
        return [_never_missing(column.of, blank, len(cells))] if blank and column.absent else []
    values, notes = column.values(cells), []
    if column.kind == "categorical":
        counts = Counter(to_categories(values, column.categories))
        unseen = {text: n for text, n in counts.items() if text not in column.categories and text != MISSING}
        if unseen:
            verb = "are" if _many(unseen) else "is"
            notes.append(Note(COLUMN, repr(column.of), f"{_cells(unseen)} {verb} of no known category"))
        n_missing = counts[MISSING] if column.absent else 0
        return [*notes, _never_missing(column.of, n_missing, len(cells))] if n_missing else notes
    missing = np.isnan(values.astype(np.float64, copy=False))
    if missing.any() and cells.dtype == object:
        odd = Counter(text for text in cells[missing].tolist() if not is_missing(text))
        if odd:
            verb = "are not numbers" if _many(odd) else "is not a number"
            notes.append(Note(COLUMN, repr(column.of), f"{_cells(odd)} {verb}: read as missing"))
    if missing.any() and column.absent:
        notes.append(_never_missing(column.of, int(missing.sum()), len(cells)))
    return notes


def _never_missing(name: str, n: int, n_rows: int) -> Note:
    return Note(COLUMN, repr(name), f"missing in {n / n_rows:.0%} ({n:,} of {n_rows:,} rows), never in training")


def _cells(counts: Mapping[str, int]) -> str:
    n, some = sum(counts.values()), sorted(counts, key=lambda text: -counts[text])
    shown = ", ".join(repr(text if len(text) <= 20 else text[:19] + "…") for text in some[:3])
    return f"{n:,} cell{'s' * (n != 1)} ({shown}{', …' if len(some) > 3 else ''})"


def _many(counts: Mapping[str, int]) -> bool:
    return sum(counts.values()) > 1
