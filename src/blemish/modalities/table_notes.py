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

MAX_TEXTS = 20  # of one sort that are kept, those that are most frequent
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


def cells_of(column: Column, cells: np.ndarray) -> Counter[tuple[str, ...]]:
    """How many cells of new data are not read as they stand: (column, sort, text) → cells.

    Sorts are 'missing' where training had none, 'odd' for what is not a number, 'unseen' for categories that training
    lacked; 'rows' for all.
    """
    counts: Counter[str] = Counter()
    values = column.values(cells) if column.part in ("", *PARTS) else cells
    if values is cells and column.part:  # free text: its first feature speaks for all
        n_missing, sort = sum(map(is_missing, to_texts(cells).tolist())) if column.part == "topic 1" else 0, ""
    elif column.kind == "categorical":
        found, sort = Counter(to_categories(values, column.categories)), "unseen"
        n_missing = found.pop(MISSING, 0)
        counts.update({text: n for text, n in found.items() if text not in column.categories})
    else:
        missing, sort = np.isnan(values.astype(np.float64, copy=False)), "odd"
        n_missing = int(missing.sum())
        if n_missing and cells.dtype == object:
            counts.update(text for text in cells[missing].tolist() if not is_missing(text))
    some = dict(counts.most_common(MAX_TEXTS))
    tally: Counter[tuple[str, ...]] = Counter({(column.name, sort, str(text)): n for text, n in some.items()})
    tally[column.name, sort] = counts.total() - sum(some.values())  # an adding of many parts must not keep all texts
    tally[column.name, "missing"] = n_missing if column.absent else 0
    tally[column.name, "rows"] = len(cells)
    return +tally


def notes_on(column: Column, tally: Mapping[tuple[str, ...], int]) -> list[Note]:
    """What `cells_of` counted in a column: a line for each sort."""
    notes = []
    for sort, one, many in (("odd", "is not a number", "are not numbers"), ("unseen", "is", "are")):
        counts = {key[2]: n for key, n in tally.items() if key[:2] == (column.name, sort) and len(key) > 2}
        n = sum(counts.values()) + tally.get((column.name, sort), 0)
        after = ": read as missing" if sort == "odd" else " of no known category"
        if n:
            notes.append(Note(COLUMN, repr(column.of), f"{_cells(n, counts)} {many if n > 1 else one}{after}"))
    n_missing, n_rows = (tally.get((column.name, sort), 0) for sort in ("missing", "rows"))
    if n_missing:
        how = f"missing in {n_missing / n_rows:.0%} ({n_missing:,} of {n_rows:,} rows), never in training"
        notes.append(Note(COLUMN, repr(column.of), how))
    return notes


def _cells(n: int, counts: Mapping[str, int]) -> str:
    some = sorted(counts, key=lambda text: -counts[text])
    shown = ", ".join(repr(text if len(text) <= 20 else text[:19] + "…") for text in some[:3])
    return f"{n:,} cell{'s' * (n != 1)} ({shown}{', …' if len(some) > 3 else ''})"
