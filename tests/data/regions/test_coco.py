"""COCO files: what is read becomes masks, what is written is read again, hostile ones are refused."""

import json

import numpy as np
import pytest

from blemish.core.errors import DataError
from blemish.data.regions.coco import read_coco, write_coco
from blemish.data.regions.outlines import Region

SQUARE = [1, 1, 4, 1, 4, 3, 1, 3]  # x, y of its corners
HEIGHT, WIDTH = 5, 6


def coco(path, *regions, images=None, **more):
    images = images or [{"id": 1, "file_name": "a.png", "height": HEIGHT, "width": WIDTH}]
    path.write_text(json.dumps({"images": images, "annotations": [{"image_id": 1, **one} for one in regions], **more}))
    return path


def mask_of(path, *regions):
    return read_coco(coco(path, *regions))["a.png"].mask(HEIGHT, WIDTH, "a region of a.png")


@pytest.fixture
def square():
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[1:3, 1:4] = True
    return mask


@pytest.mark.parametrize(
    "region",
    [
        {"bbox": [1, 1, 3, 2], "segmentation": []},
        {"bbox": [1.0, 1.0, 3.0, 2.0]},
        {"segmentation": [SQUARE], "bbox": [0, 0, 6, 5]},
        {"segmentation": [SQUARE[:], [1.0, 1.0, 2.0, 1.0, 2.0, 2.0]]},
        {"segmentation": {"size": [5, 6], "counts": [6, 2, 3, 2, 3, 2, 12]}, "iscrowd": 1},
        {"segmentation": {"size": [5, 6], "counts": "6230009"}},
    ],
)
def test_a_box_a_polygon_and_run_lengths_mark_the_same(tmp_path, square, region):
    assert (mask_of(tmp_path / "r.json", region) == square).all()


def test_several_regions_of_a_picture_are_one_mask(tmp_path):
    found = mask_of(tmp_path / "r.json", {"bbox": [0, 0, 1, 1]}, {"bbox": [5, 4, 9, 9]})
    assert np.argwhere(found).tolist() == [[0, 0], [4, 5]]


def test_a_polygon_thinner_than_a_pixel_marks_what_it_passes(tmp_path):
    found = mask_of(tmp_path / "r.json", {"segmentation": [[0, 2, 5, 2.1, 5, 2.2, 0, 2.1]]})
    assert found[2].all()
    assert found.sum() == WIDTH


def test_what_is_written_is_read_again(tmp_path, square):
    path = tmp_path / "r.json"
    region = Region(1, 1, square[1:3, 1:4], 7.5)
    write_coco(path, [("sub/a.png", HEIGHT, WIDTH), ("grün.png", 9, 9)], [(0, region, "defect")], ["defect"], "a cut")
    written = json.loads(path.read_text())
    assert written["annotations"] == [
        {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "bbox": [1, 1, 3, 2], "segmentation": [SQUARE],
         "area": 6, "score": 7.5}
    ]  # fmt: skip
    assert written["images"][1] == {"id": 2, "file_name": "grün.png", "height": 9, "width": 9}
    assert written["categories"] == [{"id": 1, "name": "defect", "supercategory": ""}]
    ((name, drawn),) = read_coco(path).items()
    assert (name, drawn.size, drawn.kinds) == ("sub/a.png", (HEIGHT, WIDTH), ["defect"])
    assert (drawn.mask(HEIGHT, WIDTH, name) == square).all()


@pytest.mark.parametrize(
    ("region", "says"),
    [
        ({}, "has neither a box nor a shape"),
        ({"bbox": [7, 1, 3, 2]}, "marks no pixel of its picture, 5 x 6"),
        ({"bbox": [1, 1, 0, 2]}, "without width or height"),
        ({"segmentation": [[9, 9, 12, 9, 12, 12]]}, "marks no pixel"),
        ({"segmentation": {"size": [6, 5], "counts": [30]}}, "run lengths for 6 x 5 pixels, its picture is 5 x 6"),
        ({"segmentation": {"size": [5, 6], "counts": [0, 10**15]}}, "run lengths for"),
        ({"segmentation": {"size": [5, 6], "counts": [30]}}, "marks no pixel"),
        ({"segmentation": [[-1e300, 0, 1e300, 0, 0, 1e300]]}, None),
    ],
)
def test_a_region_that_cannot_be_used_is_refused(tmp_path, region, says):
    if says is None:
        assert mask_of(tmp_path / "r.json", region).any()
        return
    with pytest.raises(DataError, match=says):
        mask_of(tmp_path / "r.json", region)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not a COCO file of regions"),
        ("[]", "is not a COCO file of regions"),
        ("[" * 100_000, "is not a COCO file of regions"),
        ('{"images": []}', "'annotations': Field required"),
        ('{"images": [{"id": 1, "file_name": 3}], "annotations": []}', "file_name"),
        ('{"images": [{"id": 1, "file_name": "a", "width": -3}], "annotations": []}', "width"),
        ('{"images": [{"id": 1, "file_name": "a", "width": 1e99}], "annotations": []}', "width"),
        ('{"images": [], "annotations": [{"image_id": 4, "bbox": [0, 0, 1, 1]}]}', "image 4, which is not among"),
        ('{"images": [], "annotations": [{"image_id": 4, "bbox": [0, 0, 1]}]}', "bbox"),
        ('{"images": [], "annotations": [{"image_id": 4, "bbox": [0, 0, 1, NaN]}]}', "is not a COCO file"),
        ('{"images": [{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}], "annotations": []}', "same id"),
    ],
)
def test_a_file_that_is_not_one_is_refused_in_one_line(tmp_path, text, says):
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(DataError, match=says) as caught:
        read_coco(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_file_that_is_not_there_or_no_file_is_refused(tmp_path):
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(DataError, match="cannot read"):
            read_coco(path)
