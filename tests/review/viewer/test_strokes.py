"""What is drawn on a picture, as masks."""

import json

import numpy as np
import pytest

from blemish.core.errors import LabelError
from blemish.data.regions.masks import to_mask
from blemish.review.viewer.strokes import MAX_POINTS, drawn_mask, spot, stroke_from_text, to_stroke

BRUSH = {"tool": "brush", "points": [[10, 10], [30, 10]], "thickness": 6, "picture": [40, 20]}


def stroke(tool, points, thickness, picture):
    return to_stroke({"tool": tool, "points": [*map(list, points)], "thickness": thickness, "picture": [*picture]})


def test_a_stroke_survives_the_database_to_the_bit():
    one = to_stroke({**BRUSH, "points": [[0.1, 0.2], [39.9, 20]]})
    assert stroke_from_text(one.text()) == one
    assert one.points == ((0.1, 0.2), (39.9, 20.0))


@pytest.mark.parametrize(
    "wrong",
    [
        {"tool": "pencil"}, {"tool": None}, {"tool": ["brush"]}, {"points": []}, {"points": None}, {"points": [[1]]}, {"points": [[1, 2, 3]]},
        {"points": [[-1, 5]]}, {"points": [[41, 5]]}, {"points": [[5, 20.5]]}, {"points": [["1", 2]]}, {"points": [[True, 2]]},
        {"points": [[float("nan"), 2]]}, {"points": [[10**400, 2]]}, {"points": [[1, 1]] * (MAX_POINTS + 1)}, {"thickness": 0}, {"thickness": -1},
        {"thickness": 1e9}, {"thickness": "6"}, {"thickness": float("inf")}, {"picture": [0, 20]}, {"picture": [40]}, {"picture": [40.0, 20]},
        {"picture": [10**400, 20]}, {"picture": {}}, {"more": 1}, {"tool": "box"}, {"tool": "box", "thickness": 0, "points": [[1, 1]]},
    ],
)  # fmt: skip
def test_what_is_not_a_stroke_is_refused_in_one_line(wrong):
    with pytest.raises(LabelError) as error:
        to_stroke({**BRUSH, **wrong})
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("value", [None, [], "brush", 3, {}, {"tool": "brush"}])
def test_what_is_no_object_of_a_stroke_is_refused(value):
    with pytest.raises(LabelError, match="a stroke is an object"):
        to_stroke(value)


def test_a_brush_has_its_thickness_and_round_ends():
    mask = drawn_mask([[to_stroke(BRUSH)]], 20, 40)
    assert mask is not None
    rows, columns = np.nonzero(mask)
    assert (rows.min(), rows.max()) in ((7, 12), (7, 13))
    assert columns.min() == 7
    assert columns.max() in (32, 33)
    assert not mask[7, 7]  # a round end
    assert mask[9, 7:32].all()


def test_a_point_is_a_disc_and_the_thinnest_brush_still_marks_a_pixel():
    disc = drawn_mask([[stroke("brush", ((20, 10),), 8, (40, 20))]], 20, 40)
    assert disc is not None
    assert 40 <= disc.sum() <= 62  # pi 16 = 50
    thin = drawn_mask([[stroke("brush", ((399, 199),), 0.1, (400, 200))]], 20, 40)
    assert thin is not None
    assert np.argwhere(thin).tolist() == [[19, 39]]


def test_a_box_is_the_box_that_fit_takes():
    mask = drawn_mask([[stroke("box", ((30, 15), (10.2, 5.5)), 0, (40, 20))]], 20, 40)
    assert mask is not None
    assert np.array_equal(mask, to_mask([(10.2, 5.5, 19.8, 9.5)], 20, 40))


def test_an_eraser_takes_away_what_the_same_person_drew_before_and_no_more():
    box, other = stroke("box", ((0, 0), (20, 20)), 0, (40, 20)), stroke("box", ((20, 0), (40, 20)), 0, (40, 20))
    rubber = stroke("eraser", ((10, 10),), 60, (40, 20))
    assert drawn_mask([[box, rubber]], 20, 40) is None
    both = drawn_mask([[box, rubber], [other]], 20, 40)
    assert both is not None
    assert both[:, 20:].all()
    assert not both[:, :20].any()
    again = drawn_mask([[box, rubber, box]], 20, 40)
    assert again is not None
    assert again[:, :20].all()


def test_a_model_that_reads_the_picture_reduced_gets_the_same_place():
    box = stroke("box", ((6000, 2000), (9000, 4000)), 0, (12000, 8000))
    mask = drawn_mask([[box]], 728, 1091)
    assert mask is not None
    rows, columns = np.nonzero(mask)
    assert [rows.min() / 728, columns.min() / 1091] == pytest.approx([0.25, 0.5], abs=0.002)
    assert [rows.max() / 728, columns.max() / 1091] == pytest.approx([0.5, 0.75], abs=0.002)


def test_the_spot_is_around_all_that_is_left():
    strokes = [
        stroke("box", ((1000, 500), (2000, 1000)), 0, (4000, 2000)),
        stroke("box", ((3000, 0), (3500, 500)), 0, (4000, 2000)),
    ]
    assert spot([strokes]) == pytest.approx([0.25, 0, 0.625, 0.5], abs=0.005)
    assert spot([[*strokes, stroke("eraser", ((3200, 200),), 1500, (4000, 2000))]]) == pytest.approx(
        [0.25, 0.25, 0.25, 0.25], abs=0.05
    )
    assert spot([]) is None
    assert spot([[stroke("eraser", ((1, 1),), 5, (40, 20))]]) is None


def test_the_text_is_json_of_plain_fields():
    assert set(json.loads(to_stroke(BRUSH).text())) == {"tool", "points", "thickness", "picture"}
