"""Pictures of the report with outlines: what is drawn and what is said."""

import re

import numpy as np
import pytest

from blemish.report.outlined import Outlines


class Maps:
    """Stands for a detector whose map is the picture itself, in [0, 1]."""

    def __init__(self, folder):
        self.notes_ = {"run": {"data": str(folder)}}
        self.fitted_ = self
        self.area_levels = self

    smallest = 1e-5

    def cut(self, area):
        return {0.5: 0.1, 1e-4: 0.9}.get(area, 0.6)

    def heat(self, X):
        return [np.asarray(one[0], dtype=np.float32) / 255 for one in X]


@pytest.fixture
def outlines(tmp_path):
    return Outlines(Maps(tmp_path))


def picture(*spots, height=30, width=60):
    made = np.full((1, height, width), 20, np.uint8)
    for (x, y), value in spots:
        made[0, y : y + 4, x : x + 6] = value
    return made


def test_regions_are_outlined_in_the_pictures_own_pixels(outlines):
    html = outlines.figure(picture(((2, 3), 200), ((50, 20), 250)), "1. a<b>.png")
    points = re.findall(r'class="line" points="([^"]*)"', html)
    assert points == ["50,20 56,20 56,24 50,24", "2,3 8,3 8,7 2,7"]
    assert html.count('viewBox="0 0 60 30"') == html.count("data:image/png") == 2
    assert "2 regions are outlined, the highest one lower right, 6 × 4 pixels at (50, 20)." in html
    assert "1. a&lt;b&gt;.png" in html
    assert "<b>" not in html


def test_a_picture_without_a_region_says_so(outlines):
    html = outlines.figure(picture(), "1")
    assert "polygon" not in html
    assert "No place of this picture stands out from normal pictures." in html


def test_regions_without_a_peak_are_left_out(tmp_path):
    outlines = Outlines(Maps(tmp_path), peak_area=1e-4)
    shown = outlines.figure(picture(((2, 3), 200), ((50, 20), 250)), "1")
    assert re.findall(r'class="line" points="([^"]*)"', shown) == ["50,20 56,20 56,24 50,24"]
    assert "One region is outlined:" in shown
    assert "higher than 99.9 % of the area of normal pictures, and somewhere higher than 99.99 %." in outlines.legend()
    assert "somewhere" not in Outlines(Maps(tmp_path)).legend()


def test_large_pictures_are_thinned_out_and_keep_their_coordinates(outlines):
    html = outlines.figure(picture(((1000, 900), 255), height=1500, width=3000), "1")
    assert "1000,900 1006,900" in html
    assert 'viewBox="0 0 3000 1500"' in html
    assert len(html) < 300_000


def test_the_nearest_defects_are_shown_with_their_place_boxed(outlines, tmp_path):
    from PIL import Image

    (tmp_path / "crack").mkdir()
    for name, spot in (("1", 250), ("2", 90)):  # the second lies below the cut
        Image.fromarray(picture(((10, 5), spot))[0]).save(tmp_path / "crack" / f"{name}.png")
    html = outlines.nearest(["crack/1.png", "crack/gone.png", 17, "crack/2.png"])
    assert re.findall(r'class="line" points="([^"]*)"', html) == ["10,5 16,5 16,9 10,9"]
    assert outlines.nearest(["crack/2.png"]).count('class="line" points="10,5 16,5 16,9 10,9"') == 1
    assert outlines.nearest([]) == outlines.nearest([3, "none.png"]) == ""


def test_the_legend_says_how_much_of_normal_pictures_lies_higher(outlines):
    assert "scores higher than 99.9 % of the area of normal pictures" in outlines.legend()
