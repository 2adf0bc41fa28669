"""Polygons and COCO's run lengths as masks, and the outline of a mask."""

from typing import Any

import numpy as np
import pytest
from scipy.ndimage import binary_fill_holes, label

from blemish.core.errors import DataError
from blemish.data.regions.shapes import fill_polygon, mask_of_runs, outline

COMPRESSED = "m8j0>00000000000000000000000000000000000000000000000000000000000000000R;WO"


def blobs(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random(rng.integers(1, 30, 2)) < rng.random()
    place: Any
    place, n = label(mask, np.ones((3, 3)))  # pyright: ignore[reportGeneralTypeIssues, reportAssignmentType]
    return [place == number for number in range(1, n + 1)]


@pytest.mark.parametrize("seed", range(12))
def test_an_outline_filled_is_the_region_without_holes(seed):
    for region in blobs(seed):
        points = outline(region)
        assert len(points) >= 4
        assert len(set(zip(points, [*points[1:], points[0]], strict=True))) == len(points)  # no side twice
        assert (fill_polygon(np.array(points, dtype=float), *region.shape) == binary_fill_holes(region)).all()


def winding(x, y, points):
    """How often a polygon crosses the ray to the left, one side at a time."""
    crossings = 0
    for (ax, ay), (bx, by) in zip(points, [*points[1:], points[0]], strict=True):
        if (ay > y) != (by > y):
            crossings += ax + (y - ay) * (bx - ax) / (by - ay) < x
    return crossings % 2 == 1


@pytest.mark.parametrize("seed", range(8))
def test_a_polygon_holds_the_pixels_whose_middle_it_holds(seed):
    rng = np.random.default_rng(seed)
    points = rng.uniform(-6, 22, (rng.integers(3, 8), 2))
    found = fill_polygon(points, 12, 17)
    expected = [[winding(x + 0.5, y + 0.5, points.tolist()) for x in range(17)] for y in range(12)]
    assert (found == np.array(expected)).all()


def test_a_polygon_of_any_size_costs_no_more_than_the_picture():
    huge = np.array([[-1e9, -1e9], [1e9, -1e9], [1e9, 1e9], [-1e9, 1e9]])
    assert fill_polygon(huge, 5, 7).all()
    assert not fill_polygon(huge + 4e9, 5, 7).any()
    assert fill_polygon(np.zeros((3, 2)), 0, 0).shape == (0, 0)


def test_runs_go_down_the_columns():
    mask = np.array([[0, 1, 0], [0, 1, 1]], dtype=bool)
    assert (mask_of_runs([2, 2, 1, 1], 2, 3) == mask).all()
    assert (mask_of_runs("221O", 2, 3) == mask).all()
    assert (mask_of_runs([0, 6], 2, 3)).all()


def test_compressed_runs_as_the_coco_api_writes_them():
    # pycocotools 2.0.11: encode of a 40 x 50 picture with a rectangle of rows 5 to 30 and columns 7 to 40, and a pixel
    mask = np.zeros((40, 50), dtype=bool)
    mask[5:31, 7:41] = True
    mask[39, 49] = True
    assert (mask_of_runs(COMPRESSED, 40, 50) == mask).all()


@pytest.mark.parametrize(
    ("counts", "says"),
    [
        ([1, 2], "run lengths for 3 pixels, its picture has 6"),
        ([7, -1], "run lengths for 6 pixels"),
        ([10**30], "its picture has 6"),
        ([], "for 0 pixels"),
        ("", "for 0 pixels"),
        ("22\n", "not COCO's"),
        ("é", "not COCO's"),
        ("o" * 100, "not COCO's"),
        ("o", "cut off"),
        ("oooooo0" * 9, "run lengths for"),
    ],
)
def test_runs_that_are_not_those_of_the_picture_are_refused(counts, says):
    with pytest.raises(DataError, match=says):
        mask_of_runs(counts, 2, 3)
