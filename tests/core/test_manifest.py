"""JSON is of the declared types or refused in one line; nothing is converted."""

from typing import NotRequired

import pytest
from typing_extensions import TypedDict

from blemish.core.errors import ArtifactError
from blemish.core.manifest import Count, Fraction, Positive, Size, checked, declared, open_declared


@declared
class Facts(TypedDict):
    width: Size
    scale: Positive
    share: NotRequired[Fraction]
    rows: NotRequired[list[Count]]


@open_declared
class Open(TypedDict):
    width: Size


def test_what_is_declared_passes_as_values_or_as_text():
    assert checked(Facts, {"width": 3, "scale": 1}, "it") == checked(Facts, '{"width": 3, "scale": 1.0}', "it")
    assert checked(Open, {"width": 3, "more": "x"}, "it")["more"] == "x"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"scale": 1.0}, "it, 'width': Field required"),
        ({"width": True, "scale": 1.0}, "it, 'width': Input should be a valid integer, got True"),
        ({"width": "3", "scale": 1.0}, "it, 'width': Input should be a valid integer, got '3'"),
        ({"width": 10**39, "scale": 1.0}, "it, 'width': Input should be less than or equal to 1048576"),
        ({"width": 1, "scale": float("inf")}, "it, 'scale': Input should be a finite number, got inf"),
        ({"width": 1, "scale": 0.0}, "it, 'scale': Input should be greater than 0, got 0.0"),
        ({"width": 1, "scale": 1.0, "share": 1.5}, "it, 'share': Input should be less than or equal to 1"),
        (
            {"width": 1, "scale": 1.0, "rows": [1, -1]},
            "it, 'rows.1': Input should be greater than or equal to 0, got -1",
        ),
        ({"width": 1, "scale": 1.0, "more": 1}, "it, 'more': Extra inputs are not permitted, got 1"),
        ("[" * 10_000, "it: Invalid JSON: recursion limit exceeded"),
        ("", "it: Invalid JSON: EOF"),
        ("null", "it: Input should be "),
    ],
)
def test_anything_else_is_refused_in_one_line_that_names_the_place(value, message):
    with pytest.raises(ArtifactError, match=f"^{message}") as error:
        checked(Facts, value, "it")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 200
