"""Labels follow from marks: the last of a person holds, undo, disagreement, what a page may send."""

from dataclasses import replace

import pytest

from blemish.core.errors import LabelError
from blemish.review.marks import Mark, Opinions, Saved, to_mark

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
