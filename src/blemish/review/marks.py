"""Marks: a person's judgement of a sample, and the labels that follow from all marks. Pure values, no database."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from jaxtyping import Int

from blemish.core.errors import LabelError
from blemish.core.labels import ONE_KIND
from blemish.review.viewer.strokes import Stroke, to_stroke

DISAGREEMENT = "conflict"
"""The word for samples that people label differently, as the page's JSON and exported tables have it."""
CODES = {None: 0, "normal": 1, "other": 2, "defect": 3, DISAGREEMENT: 4}
"""Label of a sample → its number; 'defect' stands for the first kind, further kinds follow, see `label_codes`."""
MAX_IN_BATCH = 1000
_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_SAMPLE = re.compile(r"[0-9a-f]{32}")


def label_codes(kinds: Sequence[str]) -> dict[str | None, int]:
    """The number of each label, with these kinds of defect.

    Example:
        >>> label_codes(("crack", "pinhole"))
        {None: 0, 'normal': 1, 'other': 2, 'crack': 3, 'conflict': 4, 'pinhole': 5}
    """
    first, *others = kinds
    codes = {first if word == "defect" else word: code for word, code in CODES.items()}
    return codes | {kind: code for code, kind in enumerate(others, start=len(CODES))}


def of_one_kind(codes: Int[np.ndarray, " row"]) -> Int[np.ndarray, " row"]:
    """Numbers of labels, all kinds of defect being one."""
    return np.where(codes > CODES[DISAGREEMENT], CODES["defect"], codes)


def is_defect_word(label: str | None) -> bool:
    """Whether a label is a kind of defect, one that this program does not know included."""
    return label not in (None, "normal", "other", DISAGREEMENT)


@dataclass(frozen=True)
class Mark:
    """One entry of the history; entries are never changed or deleted.

    Attributes:
        id: Made by the sender, so that sending an entry twice stores it once.
        sample: Content hash of the sample, 32 hexadecimal digits; labels follow the content, not the path.
        key: The sample's name when it was marked: path or row.
        label: A kind of defect, 'other' or 'normal'; None for an undo.
        undoes: The entry that this one takes back, or None.
        who: Name of the person.
        made: When, by that person's clock: ISO 8601 with a zone.
        model: The model whose ranking the person saw; None before the first.
        rank: The sample's rank there, from 1; None on the map.
        stroke: What was drawn on the picture, which marks it as the defect; None: nothing.
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
    stroke: Stroke | None = None


@dataclass(frozen=True)
class Saved:
    """A mark in the database.

    Attributes:
        place: Its number there; later entries have larger ones.
        mark: The mark.
        saved: When it was committed, by the server's clock.
    """

    place: int
    mark: Mark
    saved: str


def to_mark(values: Any, kinds: Sequence[str] = ONE_KIND) -> Mark:
    """Check a mark sent by a page.

    Args:
        values: An object with the fields of `Mark`.
        kinds: Words of the kinds of defect.

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
    _need(values.get("model") is None or _text(values, "model", 100), "model", values, "a model's name, or nothing")
    _need(rank is None or (type(rank) is int and 0 < rank < 2**31), "rank", values, "a rank from 1, or nothing")
    if undoes is None:
        words = [*map(repr, kinds), "'other'"]
        _need(label in (*kinds, "other", "normal"), "label", values, f"{', '.join(words)} or 'normal'")
    else:
        _need(_text(values, "undoes", 64) and _ID.fullmatch(undoes), "undoes", values, "the id of a mark")
        _need(label is None, "label", values, "no label in an undo")
    stroke = values.get("stroke")
    drawable = " or ".join(map(repr, kinds))
    _need(stroke is None or label in kinds, "label", values, f"{drawable} where something is drawn")
    drawn = {} if stroke is None else {"stroke": to_stroke(stroke)}
    return Mark(**{"label": None, "undoes": None, **values, **drawn})


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
    """Everyone's label of every sample, from the history so far; feed it the entries in the order of their places.

    An undo takes back the one entry that it names, and only if its author is the same; the author's previous mark of
    the sample is then valid again.

    Attributes:
        place: Place of the last entry taken in.
    """

    place: int = 0
    _standing: dict[str, dict[str, list[Mark]]] = field(default_factory=dict)  # sample → who → valid marks
    _undone: set[tuple[str, str]] = field(default_factory=set)  # id and who took it back

    def take(self, entries: Iterable[Saved]) -> set[str]:
        """Take in later entries; returns the samples that they are about."""
        touched = set()
        for entry in entries:
            mark = entry.mark
            self.place = max(self.place, entry.place)
            standing = self._standing.setdefault(mark.sample, {}).setdefault(mark.who, [])
            if mark.undoes is not None:
                self._undone.add((mark.undoes, mark.who))
                standing[:] = [m for m in standing if m.id != mark.undoes]
            elif (mark.id, mark.who) not in self._undone:  # a page's undo may overtake its mark
                standing.append(mark)
            touched.add(mark.sample)
        return touched

    def of(self, sample: str) -> dict[str, str]:
        """Each person's label of a sample."""
        people = self._standing.get(sample, {})
        return {who: str(marks[-1].label) for who, marks in people.items() if marks}

    def label(self, sample: str) -> str | None:
        """The label that everyone who marked a sample agrees on; `DISAGREEMENT` if they differ; None without marks."""
        words = set(self.of(sample).values())
        return None if not words else words.pop() if len(words) == 1 else DISAGREEMENT

    def strokes(self, sample: str) -> dict[str, list[Mark]]:
        """What each person drew on a sample, and did not undo, oldest first."""
        people = self._standing.get(sample, {})
        drawn = {who: [mark for mark in marks if mark.stroke is not None] for who, marks in people.items()}
        return {who: marks for who, marks in drawn.items() if marks}

    def drawings(self, sample: str) -> list[list[Stroke]]:
        """The strokes of each person."""
        return [[mark.stroke for mark in marks if mark.stroke] for marks in self.strokes(sample).values()]

    def standing(self) -> list[Mark]:
        """The last mark of each person on each sample, without undone ones."""
        return [marks[-1] for people in self._standing.values() for marks in people.values() if marks]


def in_time(marks: Iterable[Mark]) -> list[Mark]:
    """Marks in order of time, by the clocks of those who marked."""
    return sorted(marks, key=lambda mark: datetime.fromisoformat(mark.made))


def found_by_mark(marks: Sequence[Mark]) -> list[tuple[int, int]]:
    """Number of marks, and of defects among them, after each mark in order of time.

    Example:
        >>> def mark(label, made):
        ...     return Mark("m", "s", "k", label, None, "me", made)
        >>> found_by_mark([mark("defect", "2026-01-02T00:00:00Z"), mark("normal", "2026-01-01T00:00:00Z")])
        [(1, 0), (2, 1)]
    """
    found, points = 0, []
    for n, mark in enumerate(in_time(marks), start=1):
        found += is_defect_word(mark.label)
        points.append((n, found))
    return points
