"""What a detector finds in pictures whose cracks are known: measures by hand, the poster and the page."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from blemish.datasets import Split
from blemish.report.found import NEAR, find, sentence

SIDE = 64


class Maps:
    """Stands for a detector whose map is the picture itself, and whose score is its brightest pixel."""

    threshold_ = 100.0
    smallest = 1e-5

    def __init__(self):
        self.notes_, self.fitted_, self.area_levels = {}, self, self

    def cut(self, area):
        return 10.0 if area == 0.5 else 60.0

    def heat(self, X):
        return [np.asarray(one[0], dtype=np.float32) for one in X]

    def defect_score(self, X):
        return np.array([float(one.max()) for one in X])


def picture(*lines):
    """Rows of pixels, each a value."""
    made = np.zeros((1, SIDE, SIDE), np.uint8)
    for row, value in lines:
        made[0, row, 8:40] = value
    return made


@pytest.fixture(scope="module")
def found():
    test = {
        "found, outlined": ("crack", picture((10, 200)), 10),
        "found elsewhere": ("crack", picture((50, 150)), 10),
        "outlined, not found": ("crack", picture((30, 90)), 30),
        "quiet": ("normal", picture(), None),
        "false": ("scratch", picture((20, 120)), None),
    }
    kinds, pictures, rows = (list(one) for one in zip(*test.values(), strict=True))
    masks = np.zeros((len(test), SIDE, SIDE), bool)
    for mask, row in zip(masks, rows, strict=True):
        if row is not None:
            mask[row, 8:40] = True
    groups = np.array([{"crack": "defect", "normal": "normal"}.get(kind, "other") for kind in kinds])
    train, stroke = np.stack([picture(), picture((5, 90))]), np.array([[8.0, 5.0], [39.0, 5.0]])
    y = np.array([None, "defect"], dtype=object)
    split = Split(train, y, np.stack(pictures), groups, np.array(kinds), [None, stroke], masks)
    return find(Maps(), split)


def test_measures_are_those_by_hand(found):
    measures = found.measures()
    assert measures["average_precision"] == pytest.approx((1 + 1 + 3 / 4) / 3, abs=1e-4)  # 200, 150, [120], 90
    assert {name: measures[name] for name in ("cracks", "found", "outlined", "false", "false_outlines")} == {
        "cracks": 3,
        "found": 2,
        "outlined": 2,
        "false": 1,
        "false_outlines": 2,
    }
    assert measures["pointing"] == pytest.approx(2 / 3, abs=1e-4)
    assert measures["auroc_crack_above"] == {"normal": 1.0, "scratch": pytest.approx(2 / 3, abs=1e-4)}
    assert sentence(measures) == "Found 2 of 3 cracks, outlined 2; 1 false"


def test_pixels_near_a_crack_belong_to_it(found):
    rows = np.flatnonzero(found.near[0].any(axis=1))
    assert rows.tolist() == list(range(10 - NEAR, 10 + NEAR + 1))
    assert not found.near[3].any()


def test_the_page_says_it_first_and_shows_every_crack(found):
    measures = found.measures()
    page = found.page(measures, seed=7, notes=["the cut <is> a guess"])
    lead = re.findall(r'<p class="lead">([^<]*)</p>', page)
    assert lead[0] == "Found 2 of 3 cracks, outlined 2; 1 false."
    assert "The cut &lt;is&gt; a guess." in lead[1]
    captions = re.findall(r"<figcaption>([^<]*)</figcaption>", page)
    assert captions == [
        "1. crack, score 200.00",
        "2. crack, score 150.00",
        "3. crack, score 90.00",
        "1. scratch, score 120.00",
        "2. normal, score 0.00",
    ]
    lines = re.findall(r'class="line" points="([^"]*)"', page)
    assert lines[0] == "8,5 39,5 39,5 8,5"  # the stroke, and back
    assert lines[1] == "8,10 40,10 40,11 8,11"
    assert "No place of this picture stands out" in page


def test_the_poster_has_the_stroke_and_three_outlined_cracks(found):
    poster = Image.open(io.BytesIO(found.poster()))
    assert poster.size == (1600, 1600)
    assert poster.format == "JPEG"
    colours = np.asarray(poster).astype(int)
    greenish = (colours[..., 1] > 120) & (colours[..., 0] < 60)
    assert greenish[:800, :800].any()
    assert not greenish[810:].any()
    orange = (colours[..., 0] > 180) & (colours[..., 2] < 90)
    assert all(
        orange[rows, columns].any() for rows, columns in (np.s_[:790, 810:], np.s_[810:, :790], np.s_[810:, 810:])
    )
