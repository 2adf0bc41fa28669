"""Masks that lie alongside and COCO files: matched by name; what cannot be used is refused, what is not used is said."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blemish.core.errors import DataError, LabelError
from blemish.core.run_config import RunConfig
from blemish.data.inputs import samples_to_fit
from blemish.data.labels import labels_for
from blemish.data.regions.alongside import regions_alongside

HEIGHT, WIDTH = 12, 20


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array, dtype=np.uint8)).save(path)


def mask(x=3, y=2, height=HEIGHT, width=WIDTH, white=255):
    found = np.zeros((height, width), dtype=np.uint8)
    found[y : y + 2, x : x + 3] = white
    return found


@pytest.fixture
def root(tmp_path):
    rng = np.random.default_rng(0)
    for folder, numbers in (("good", range(4)), ("crack", range(2)), ("stain", range(2))):
        for number in numbers:
            save(tmp_path / "test" / folder / f"{number:03}.png", rng.integers(90, 110, (HEIGHT, WIDTH)))
    return tmp_path


def read(root, **given):
    """The regions by the key of their picture, and the lines that are printed."""
    given = {"data": str(root), "defect_folder": ["crack"], "normal_folder": ["good"], **given}
    run = RunConfig.check(given, "the test")
    samples = samples_to_fit(run)
    found = regions_alongside(samples, labels_for(samples, run), run)
    assert found is not None
    marked = {key: one for key, one in zip(samples.keys, found, strict=True) if one is not None}
    return marked, samples.reading.lines(), list(samples.keys)


def test_masks_as_mvtec_has_them(root):
    for number in range(2):
        save(root / "ground_truth" / "crack" / f"{number:03}_mask.png", mask(x=number))
        save(root / "ground_truth" / "stain" / f"{number:03}_mask.png", mask(x=9))
    found, lines, keys = read(root, masks="ground_truth")
    assert set(found) == {"test/crack/000.png", "test/crack/001.png"}
    assert (found["test/crack/001.png"] == (mask(x=1) > 0)).all()
    assert not any("ground_truth" in key for key in keys)
    assert (
        "regions ground_truth: 2 of 2 pictures labelled the defect are marked; the marks take 2.50% of their area"
        in lines
    )
    assert any(line.startswith("regions 2, for example stain/00") and "not used" in line for line in lines)


@pytest.mark.parametrize("masks", ["*_mask.png", "crack/*_mask.png"])
def test_masks_alongside_their_pictures_are_no_pictures(root, masks):
    save(root / "test" / "crack" / "000_mask.png", mask())
    found, lines, keys = read(root, masks=masks)
    assert list(found) == ["test/crack/000.png"]
    assert len(keys) == 8
    assert any(
        "1 of 2 pictures labelled the defect are marked (1 are not, and count as a whole)" in line for line in lines
    )


def test_masks_of_the_same_name_and_another_ending(root):
    for number in range(2):
        place = root / "test" / "crack" / f"{number:03}"
        Image.open(f"{place}.png").save(f"{place}.bmp")
        save(Path(f"{place}.png"), mask())
    shutil.rmtree(root / "test" / "stain")
    for number in range(4):
        place = root / "test" / "good" / f"{number:03}"
        Image.open(f"{place}.png").save(f"{place}.bmp")
        save(Path(f"{place}.png"), mask(white=0))  # an empty mask of a normal picture says nothing
    found, lines, keys = read(root, masks="*.png", defect_folder=["crack"])
    assert [line for line in lines if "regions" in line and "good" in line] == []
    assert set(found) == {"test/crack/000.bmp", "test/crack/001.bmp"}
    assert len(keys) == 6


def test_a_folder_elsewhere_and_a_pattern_of_files_elsewhere(root, tmp_path_factory, monkeypatch):
    elsewhere = tmp_path_factory.mktemp("masks")
    save(elsewhere / "crack" / "000.png", mask())
    assert list(read(root, masks=str(elsewhere))[0]) == ["test/crack/000.png"]
    assert list(read(root, masks=str(elsewhere / "*" / "*.png"))[0]) == ["test/crack/000.png"]
    monkeypatch.chdir(elsewhere)
    assert list(read(root, masks="crack")[0]) == ["test/crack/000.png"]


@pytest.mark.parametrize(
    "drawn",
    [
        mask(white=1),
        mask(white=255),
        np.dstack([mask(), mask() * 0, mask() * 0]),
        np.dstack([np.full((HEIGHT, WIDTH, 3), 255), mask()]),
    ],
)
def test_what_is_white_is_marked_whatever_the_file_holds(root, drawn):
    save(root / "m" / "crack" / "000.png", drawn)
    assert (read(root, masks="m")[0]["test/crack/000.png"] == (mask() > 0)).all()


def test_a_mask_of_a_large_picture_is_reduced_as_the_picture_is(root):
    picture = np.random.default_rng(0).integers(0, 255, (1100, 4000))
    save(root / "test" / "crack" / "000.png", picture)
    drawn = np.zeros((1100, 4000))
    drawn[1099, 3999] = 255  # one pixel
    save(root / "m" / "crack" / "000.png", drawn)
    found = read(root, masks="m")[0]["test/crack/000.png"]
    assert found.shape == (367, 1334)
    assert np.argwhere(found).tolist() == [[366, 1333]]


def coco(path, regions, categories=("crack",), **image):
    names = sorted({name for name, *_ in regions})
    images = [{"id": at, "file_name": name, **image} for at, name in enumerate(names)]
    kinds = [{"id": at, "name": name} for at, name in enumerate(categories)]
    drawn = [{"image_id": names.index(name), "bbox": box, "category_id": kind} for name, box, kind in regions]
    path.write_text(json.dumps({"images": images, "annotations": drawn, "categories": kinds}))
    return str(path)


def test_boxes_of_a_coco_file_are_matched_by_file_name(root):
    file = coco(root / "r.json", [("/home/me/test/crack/000.png", [3, 2, 3, 2], 0), ("crack/001.png", [0, 0, 1, 1], 0)])
    found, lines, _ = read(root, regions=file)
    assert (found["test/crack/000.png"] == (mask() > 0)).all()
    assert found["test/crack/001.png"].sum() == 1
    assert any("2 of 2 pictures labelled the defect are marked" in line for line in lines)


def test_categories_other_than_the_defect_are_left_out_and_said(root):
    regions = [
        ("crack/000.png", [3, 2, 3, 2], 1),
        ("crack/000.png", [0, 0, 20, 12], 0),
        ("stain/000.png", [0, 0, 1, 1], 0),
    ]
    found, lines, _ = read(root, regions=coco(root / "r.json", regions, ("Dust", "Crack")))
    assert (found["test/crack/000.png"] == (mask() > 0)).all()
    assert any("those of 'Crack' are read, those of 'Dust' are not" in line for line in lines)
    found, lines, _ = read(root, regions=coco(root / "r.json", regions, ("a", "b")))
    assert found["test/crack/000.png"].all()
    assert any("those of all categories are read as the defect: 'a', 'b'" in line for line in lines)


def test_masks_and_a_coco_file_add_up(root):
    save(root / "m" / "crack" / "000.png", mask())
    found, *_ = read(root, masks="m", regions=coco(root / "r.json", [("crack/000.png", [0, 11, 1, 1], 0)]))
    assert found["test/crack/000.png"].sum() == 7


def test_without_masks_and_regions_there_is_nothing(root):
    run = RunConfig(data=str(root))
    assert regions_alongside(samples_to_fit(run), None, run) is None


@pytest.mark.parametrize(
    ("name", "drawn", "says"),
    [
        ("crack/000.png", mask(height=13), "the mask crack/000.png is 13 x 20 pixels, its picture is 12 x 20"),
        ("crack/000.png", mask(white=0), "crack/000.png, for test/crack/000.png, marks nothing"),
        ("good/000.png", mask(), "good/000.png marks something in test/good/000.png, which is labelled normal"),
        ("stain/000.png", mask(), "none of the 1 regions of m is of a picture that is labelled the defect"),
        ("7.png", mask(), "none of the 1 regions of m is of a picture that is labelled the defect; the first is 7.png"),
        ("000.png", mask(), "000.png fits 3 pictures, 'test/crack/000.png', 'test/good/000.png'"),
    ],
)
def test_a_mask_that_would_teach_something_wrong_is_refused(root, name, drawn, says):
    save(root / "m" / name, drawn)
    with pytest.raises((DataError, LabelError), match=says) as caught:
        read(root, masks="m")
    assert "\n" not in str(caught.value)


def test_what_is_not_used_is_said_by_name(root):
    save(root / "m" / "crack" / "000.png", mask())
    save(root / "m" / "crack" / "9.png", mask())
    save(root / "m" / "stain" / "001.png", mask(height=99))  # not even looked at
    _, lines, _ = read(root, masks="m")
    assert "regions crack/9.png: it fits no picture, and is not used" in lines
    assert "regions stain/001.png: its picture is not labelled the defect, so it is not used" in lines


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"masks": "*.tif"}, "--masks '.*tif' matches no picture"),
        ({"masks": "*.png"}, "all 8 pictures in .* are '.*png': no picture is left"),
        ({"masks": "test/crack", "defect_folder": None, "normal_folder": None}, "none is labelled"),
        ({"regions": "none.json"}, "cannot read none.json"),
    ],
)
def test_sources_that_say_nothing_are_refused(root, given, says):
    with pytest.raises((DataError, LabelError), match=says):
        read(root, **given)


@pytest.mark.parametrize(
    ("box", "size", "says"),
    [
        ([30, 30, 4, 4], {}, "a region of crack/000.png marks no pixel of its picture, 12 x 20"),
        ([1, 1, 4, 4], {"width": 12, "height": 20}, "regions of crack/000.png are for 20 x 12 pixels"),
    ],
)
def test_a_box_outside_its_picture_is_refused(root, box, size, says):
    with pytest.raises(DataError, match=says):
        read(root, regions=coco(root / "r.json", [("crack/000.png", box, 0)], **size))


def test_a_damaged_mask_is_refused_by_name(root):
    (root / "m" / "crack").mkdir(parents=True)
    (root / "m" / "crack" / "000.png").write_bytes(b"\x89PNG?")
    with pytest.raises(DataError, match=r"000\.png cannot be decoded"):
        read(root, masks="m")
