"""Labels follow from marks: the last of a person holds, undo, disagreement, what a page may send."""

from dataclasses import replace

import pytest

from blemish.core.errors import LabelError
from blemish.review.marks import Mark, Opinions, Saved, to_mark
from blemish.review.viewer.strokes import to_stroke

SAMPLE = "0123456789abcdef" * 2
NOW = "2026-11-24T12:00:00+00:00"


def mark(number, label: str | None = "defect", who="ann", sample=SAMPLE, undoes=None):
    return Mark(f"mark-{number:06d}", sample, "a.png", label, undoes, who, NOW, "fit 3", 7)


def opinions(*marks):
    found = Opinions()
    found.take([Saved(place, one, NOW) for place, one in enumerate(marks, start=1)])
    return found


def test_the_last_mark_of_a_person_holds():
    assert opinions(mark(1), mark(2, "normal")).label(SAMPLE) == "normal"


def test_undo_brings_back_what_was_said_before():
    undo = mark(3, None, undoes="mark-000002")
    assert opinions(mark(1), mark(2, "normal"), undo).label(SAMPLE) == "defect"
    assert opinions(mark(1), replace(undo, undoes="mark-000001")).label(SAMPLE) is None


def test_an_undo_that_overtakes_its_mark_counts():
    assert opinions(mark(2, None, undoes="mark-000001"), mark(1)).label(SAMPLE) is None


def test_nobody_undoes_what_another_said():
    assert opinions(mark(1), mark(2, None, who="bob", undoes="mark-000001")).label(SAMPLE) == "defect"


def test_two_who_disagree_are_a_conflict_until_one_gives_in():
    held = [mark(1, "defect", "ann"), mark(2, "normal", "bob")]
    assert opinions(*held).label(SAMPLE) == "conflict"
    assert opinions(*held).of(SAMPLE) == {"ann": "defect", "bob": "normal"}
    assert opinions(*held, mark(3, "defect", "bob")).label(SAMPLE) == "defect"
    assert opinions(*held, mark(3, None, "bob", undoes="mark-000002")).label(SAMPLE) == "defect"


GOOD = {"id": "abcdefgh", "sample": SAMPLE, "key": "a.png", "label": "defect", "who": "ann", "made": NOW}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "a b"}, "id = 'a b'"),
        ({"id": None}, "id = 'None'"),
        ({"sample": "../../etc/passwd"}, "content hash"),
        ({"label": "crack"}, "'defect', 'other' or 'normal'"),
        ({"label": None}, "'defect', 'other' or 'normal'"),
        ({"undoes": "abcdefgi"}, "no label in an undo"),
        ({"rank": "7"}, "a rank from 1"),
        ({"rank": True}, "a rank from 1"),
        ({"who": "a\nb"}, "name of at most 100"),
        ({"key": "k" * 5000}, "4,096 characters"),
        ({"made": "yesterday"}, "a time like"),
        ({"made": "2026-11-24T12:00:00"}, "a time like"),
        ({"place": 5}, "an object with the fields"),
    ],
)
def test_marks_that_are_none_are_refused(change, message):
    assert to_mark(GOOD).rank is None
    with pytest.raises(LabelError, match=message):
        to_mark({**GOOD, **change})


BOX = {"tool": "box", "points": [[1, 2], [5, 6]], "thickness": 0, "picture": [20, 10]}


def as_sent(number, **more):
    fields = {name: getattr(mark(number), name) for name in ("id", "sample", "key", "label", "who", "made")}
    return {**fields, **more}


def test_a_stroke_marks_the_defect_and_nothing_else():
    assert to_mark(as_sent(1, label="defect", stroke=BOX)).stroke == to_stroke(BOX)
    assert to_mark(as_sent(1, label="defect", stroke=None)).stroke is None
    for wrong in ({"label": "normal"}, {"label": None, "undoes": "mark-000001"}):
        with pytest.raises(LabelError, match="where something is drawn"):
            to_mark(as_sent(2, stroke=BOX, **wrong))
    with pytest.raises(LabelError, match="not in its picture"):
        to_mark(as_sent(1, label="defect", stroke={**BOX, "points": [[1, 2], [21, 6]]}))


def test_strokes_are_each_persons_own_and_an_undo_takes_back_one():
    first, second, other = (
        to_mark(as_sent(number, label="defect", stroke={**BOX, "points": [[number, 0], [9, 9]]}, who=who))
        for number, who in ((1, "ann"), (2, "ann"), (3, "bob"))
    )
    undo = to_mark(as_sent(4, label=None, undoes=first.id, who="ann"))
    opinions = Opinions()
    opinions.take([Saved(place, one, "") for place, one in enumerate([first, second, other], start=1)])
    assert opinions.strokes(first.sample) == {"ann": [first, second], "bob": [other]}
    opinions.take([Saved(4, undo, "")])
    assert opinions.drawings(first.sample) == [[second.stroke], [other.stroke]]
    assert opinions.label(first.sample) == "defect"
    assert opinions.strokes("f" * 32) == {}
