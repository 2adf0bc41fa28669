"""Masks, boxes and strokes."""

import numpy as np
import pytest

from blemish.core.errors import DataError, LabelError
from blemish.core.labels import DEFECT, NORMAL, UNLABELLED
from blemish.data.regions.masks import regions_to_masks, to_mask

PICTURES = [np.zeros((1, 6, 8), np.uint8), np.zeros((1, 5, 5), np.uint8), np.zeros((3, 6, 8), np.uint8)]
KEPT = np.ones(3, dtype=bool)
MASK = np.zeros((6, 8), dtype=np.uint8)
MASK[2, 3] = 255


def places(mask):
    return [tuple(place) for place in np.argwhere(mask).tolist()]


@pytest.mark.parametrize("mask", [MASK, MASK > 0, MASK / 255, MASK[None], MASK[..., None], (MASK > 0).tolist()])
def test_a_mask_of_any_type_is_what_is_not_zero(mask):
    assert places(to_mask(mask, 6, 8)) == [(2, 3)]


@pytest.mark.parametrize("boxes", [(6, 4, 2, 1), [(6, 4, 2, 1)], np.array([6, 4, 2, 1]), [(6.2, 4.3, 1.5, 0.2)]])
def test_one_box_or_several(boxes):
    assert places(to_mask(boxes, 6, 8)) == [(4, 6), (4, 7)]
    both = to_mask([(0, 0, 1, 1), (7, 5, 9, 9)], 6, 8)
    assert places(both) == [(0, 0), (5, 7)], "what lies outside is cut off"


def test_a_stroke_is_the_line_through_its_points():
    assert places(to_mask([(1, 1), (4, 1), (4, 3)], 6, 8)) == [(1, 1), (1, 2), (1, 3), (1, 4), (2, 4), (3, 4)]
    assert places(to_mask([(-9, 2), (1.4, 2.4)], 6, 8)) == [(2, 0), (2, 1)]


def test_boxes_of_a_picture_of_their_own_shape_are_boxes_and_a_mask_there_is_one():
    assert to_mask([(0, 0, 1, 1), (1, 0, 1, 1)], 2, 4).sum() == 2
    assert to_mask(np.array([[0, 0, 1, 1], [1, 0, 1, 1]], bool), 2, 4).sum() == 5
    assert to_mask(np.array([[0, 0, 1, 1], [1, 0, 1, 1]]), 2, 4).sum() == 5, "an array of the picture's shape is a mask"


@pytest.mark.parametrize(
    ("region", "message"),
    [
        (np.ones((5, 8), bool), r"the region has shape \(5, 8\), its picture is 6 x 8 pixels; give a mask"),
        (np.ones((8, 4), bool), r"has shape \(8, 4\), its picture is 6 x 8"),
        (np.zeros((6, 8)), "marks no pixel of its picture, 6 x 8; mark the defect, or give None"),
        ([(20, 20, 3, 3)], "marks no pixel"),
        ([(-5, 0), (-2, 3)], "marks no pixel"),
        ([(1, 1, 0, 3)], "has a box without width or height"),
        ([(1, 1, -2, 3)], "has a box without width or height"),
        ([(1, 1)], r"has shape \(1, 2\)"),
        ([(1, 1, 2), (2, 2, 3)], r"has shape \(2, 3\)"),
        ([(1, np.nan), (2, 2)], "is not one"),
        ([(1, 1), (2, 2, 3)], "is not one"),
        ("crack.png", "is not one .str of shape"),
        ({"x": 1}, "is not one .dict"),
    ],
)
def test_what_is_not_a_region_says_what_one_is(region, message):
    with pytest.raises(DataError, match=message):
        to_mask(region, 6, 8)


def test_one_mask_or_none_per_sample():
    masks = regions_to_masks([MASK, None, []], KEPT, np.array([DEFECT, UNLABELLED, DEFECT]), PICTURES)
    assert [mask is None for mask in masks] == [False, True, True]
    assert np.asarray(masks[0]).dtype == bool


@pytest.mark.parametrize("code", [NORMAL, UNLABELLED])
def test_a_region_where_no_defect_is_labelled_is_refused(code):
    with pytest.raises(LabelError, match="sample 1 has a region and is not labelled as the defect"):
        regions_to_masks([None, [(0, 0, 1, 1)], None], KEPT, np.array([DEFECT, code, DEFECT]), PICTURES)


def test_regions_go_with_the_samples_that_were_given():
    kept = np.array([True, False, True, True])
    masks = regions_to_masks([None, "not read", None, MASK], kept, np.full(3, DEFECT), PICTURES)
    assert places(masks[2]) == [(2, 3)]
    with pytest.raises(DataError, match="3 regions, 4 samples; give one per sample"):
        regions_to_masks([None] * 3, kept, np.full(3, DEFECT), PICTURES)
    with pytest.raises(DataError, match="the region of sample 3 has shape"):
        regions_to_masks([None, None, None, MASK[1:]], kept, np.full(3, DEFECT), PICTURES)
