"""Connected regions of a map above a cut."""

import numpy as np
import pytest

from blemish.data.regions.outlines import PLACES, place_name, regions_above


def test_regions_are_connected_also_by_corners_and_the_highest_comes_first():
    heat = np.zeros((6, 8), np.float32)
    heat[0, 0] = heat[1, 1] = 2.0
    heat[3:6, 4:8] = 5.0
    heat[4, 5] = 9.0
    high, low = regions_above(heat, 1.0)
    assert high.facts() == {"x": 4, "y": 3, "width": 4, "height": 3, "area": 12, "score": 9.0}
    assert low.facts() == {"x": 0, "y": 0, "width": 2, "height": 2, "area": 2, "score": 2.0}
    assert low.border == [(0, 0), (1, 0), (1, 1), (2, 1), (2, 2), (1, 2), (1, 1), (0, 1)]
    assert (high.place(6, 8), low.place(6, 8)) == ("lower right", "upper left")
    assert regions_above(heat, 9.0) == []


@pytest.mark.parametrize(("row", "column"), [(row, column) for row in range(3) for column in range(3)])
def test_each_ninth_of_a_picture_has_its_words(row, column):
    assert place_name((column + 0.5) / 3, (row + 0.5) / 3) == PLACES[row][column]
    assert place_name(1.0, 0.0) == "upper right"
