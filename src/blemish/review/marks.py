"""What a person said about a sample, and what follows from all that was said: pure values, no database."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from blemish.core.errors import LabelError

WORDS = ("defect", "other", "normal")
CODES = {None: 0, "normal": 1, "other": 2, "defect": 3, "conflict": 4}
"""What is held of a sample, as a number."""
MOST_IN_BATCH = 1000
_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_SAMPLE = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Mark:
    """One entry of the history; entries are never changed or deleted.

    Attributes:
        id: Made by who marked, so that sending an entry twice stores it once.
        sample: Content hash of the sample, 32 hexadecimal digits; labels follow the content, not the path.
        key: The sample's name when it was marked: path or row.
        label: 'defect', 'other' or 'normal'; None for an undo.
        undoes: The entry that this one takes back, or None.
        who: Who marked.
        made: When, by the clock of who marked: ISO 8601 with a zone.
        model: Which model's ranking they looked at; None before the first.
        rank: Place of the sample in that ranking, from 1; None on the map.
    """

    id: str
    sample: str
    key: str
    label: str | None
    undoes: str | None
    who: str
    made: str
    model: str | None = None
    rank: int | None = None


@dataclass(frozen=True)
class Saved:
    """A mark in the database.

    Attributes:
        place: Its number there; later entries have larger ones.
        mark: What was said.
        saved: When it was committed, by the server's clock.
    """

    place: int
    mark: Mark
    saved: str


def to_mark(values: Any) -> Mark:
    """Check what a page sent.

    Args:
        values: An object with the fields of `Mark`.

    Raises:
        LabelError: If a field is missing, unknown, or not as `Mark` describes it.
    """
    fields = Mark.__dataclass_fields__
    if not isinstance(values, dict) or set(values) - set(fields):
        raise LabelError(f"a mark is an object with the fields {', '.join(fields)}, got {str(values)[:80]!r}")
    label, undoes, rank = values.get("label"), values.get("undoes"), values.get("rank")
    _need(_text(values, "id", 64) and _ID.fullmatch(values["id"]), "id", values, "8 to 64 letters or digits")
    _need(_text(values, "sample", 32) and _SAMPLE.fullmatch(values["sample"]), "sample", values, "a content hash")
    _need(_text(values, "key", 4096), "key", values, "a name of at most 4,096 characters")
    _need(_text(values, "who", 100) and values["who"].isprintable(), "who", values, "a name of at most 100 characters")
    _need(_is_time(values.get("made")), "made", values, "a time like 2026-11-24T12:00:00Z")
    _need(values.get("model") is None or _text(values, "model", 100), "model", values, "a model's name or nothing")
    _need(rank is None or (type(rank) is int and 0 < rank < 2**31), "rank", values, "a place from 1 or nothing")
    if undoes is None:
        _need(label in WORDS, "label", values, "'defect', 'other' or 'normal'")
    else:
        _need(_text(values, "undoes", 64) and _ID.fullmatch(undoes), "undoes", values, "the id of a mark")
        _need(label is None, "label", values, "nothing in an undo")
    return Mark(**{"label": None, "undoes": None, **values})


def _text(values: dict[str, Any], name: str, most: int) -> bool:
    return isinstance(values.get(name), str) and 0 < len(values[name]) <= most and "\0" not in values[name]


def _is_time(value: Any) -> bool:
    try:
        return isinstance(value, str) and len(value) <= 40 and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _need(kept: Any, name: str, values: dict[str, Any], expected: str) -> None:
    if not kept:
        raise LabelError(f"mark with {name} = {str(values.get(name))[:80]!r}: expected {expected}")


@dataclass
class Opinions:
    """What everyone holds of every sample, from the history so far; feed it the entries in the order of their places.

    An undo takes back the one entry that it names, and only if its author is the same; what the author had said of the
    sample before then holds again.

    Attributes:
        place: Place of the last entry that was taken in.
    """

    place: int = 0
    _said: dict[str, dict[str, list[Mark]]] = field(default_factory=dict)  # sample → who → marks that stand
    _undone: set[tuple[str, str]] = field(default_factory=set)  # id and who took it back

    def take(self, entries: Iterable[Saved]) -> set[str]:
        """Take in later entries, and say which samples they are about."""
        touched = set()
        for entry in entries:
            mark = entry.mark
            self.place = max(self.place, entry.place)
            standing = self._said.setdefault(mark.sample, {}).setdefault(mark.who, [])
            if mark.undoes is not None:
                self._undone.add((mark.undoes, mark.who))
                standing[:] = [m for m in standing if m.id != mark.undoes]
            elif (mark.id, mark.who) not in self._undone:  # a page's undo may overtake its mark
                standing.append(mark)
            touched.add(mark.sample)
        return touched

    def of(self, sample: str) -> dict[str, str]:
        """Who holds a sample to be what."""
        said = self._said.get(sample, {})
        return {who: str(marks[-1].label) for who, marks in said.items() if marks}

    def label(self, sample: str) -> str | None:
        """The label that all who marked a sample agree on; 'conflict' where they do not; None without marks."""
        words = set(self.of(sample).values())
        return None if not words else words.pop() if len(words) == 1 else "conflict"

    def standing(self) -> list[Mark]:
        """The last mark of each person on each sample, undone ones left out."""
        return [marks[-1] for people in self._said.values() for marks in people.values() if marks]


def in_time(marks: Iterable[Mark]) -> list[Mark]:
    """By the clock of who marked."""
    return sorted(marks, key=lambda mark: datetime.fromisoformat(mark.made))


def found_by_mark(marks: Sequence[Mark]) -> list[tuple[int, int]]:
    """Marks made and defects among them, after each mark, by the clock of who marked.

    Example:
        >>> def said(label, made):
        ...     return Mark("m", "s", "k", label, None, "me", made)
        >>> found_by_mark([said("defect", "2026-01-02T00:00:00Z"), said("normal", "2026-01-01T00:00:00Z")])
        [(1, 0), (2, 1)]
    """
    found, points = 0, []
    for n, mark in enumerate(in_time(marks), start=1):
        found += mark.label == "defect"
        points.append((n, found))
    return points
