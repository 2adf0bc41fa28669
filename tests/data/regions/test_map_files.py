"""Maps as TIFF files in the pictures' own size, and their regions as one COCO file."""

import json

import numpy as np
import pytest
from PIL import Image

from blemish.core.errors import ArtifactError, ConfigError
from blemish.data.regions.map_files import MapFiles


def files(tmp_path, heat="heat", regions: str | None = "r.json"):
    (tmp_path / "data" / "sub").mkdir(parents=True, exist_ok=True)
    where = None if heat is None else tmp_path / heat, None if regions is None else tmp_path / regions
    return MapFiles(tmp_path / "data", *where, kind="defect", cut=1.0, area=0.001)


def ramp(height=6, width=9):
    return np.linspace(-1, 2, height * width, dtype=np.float32).reshape(height, width)


def test_a_map_is_a_tiff_of_floats_under_the_pictures_name(tmp_path):
    maps = files(tmp_path)
    maps.add([("sub/a.png", ramp(), {}), ("b.jpg", ramp(3, 4), {})])
    assert (
        maps.end()
        == f"2 maps to {tmp_path / 'heat'} and 2 regions in 2 of 2 pictures to {tmp_path / 'r.json'} (false-alarm area 0.001)"
    )
    with Image.open(tmp_path / "heat" / "sub" / "a.tiff") as image:
        assert (np.asarray(image) == ramp()).all()
        assert image.mode == "F"
        assert vars(image)["tag_v2"][270] == "defect score of each pixel, nats; higher is more"
    written = json.loads((tmp_path / "r.json").read_text())
    assert [(one["file_name"], one["height"], one["width"]) for one in written["images"]] == [
        ("sub/a.png", 6, 9), ("b.jpg", 3, 4)
    ]  # fmt: skip
    assert written["annotations"][0]["area"] == (ramp() > 1).sum()
    assert written["info"]["description"].endswith(
        "defect score above 1, which 0.001 of the area of normal pictures exceeds"
    )


def test_pictures_that_differ_by_their_ending_have_maps_of_their_own(tmp_path):
    maps = files(tmp_path, regions=None)
    maps.add([("a.jpg", ramp(), {}), ("a.png", ramp(2, 2), {})])
    assert sorted(path.name for path in (tmp_path / "heat").iterdir()) == ["a.png.tiff", "a.tiff"]
    assert maps.end() == f"2 maps to {tmp_path / 'heat'}"


def test_the_map_of_a_picture_that_was_reduced_has_the_size_of_its_file(tmp_path):
    maps = files(tmp_path)
    for name, orientation in (("a.png", None), ("b.jpg", 6)):
        exif = Image.Exif()
        if orientation:
            exif[0x0112] = orientation
        Image.fromarray(np.zeros((3001, 4000), np.uint8)).save(tmp_path / "data" / name, exif=exif)
    heat = np.zeros((1001, 1334), np.float32)
    heat[1000, 1333] = 2
    maps.add([("a.png", heat, {}), ("b.jpg", heat.T, {})])
    assert maps.pictures == [("a.png", 3001, 4000), ("b.jpg", 4000, 3001)]
    assert next(one.facts() for _, one, _ in maps.found) == {
        "x": 3999, "y": 3000, "width": 1, "height": 1, "area": 1, "score": 2.0
    }  # fmt: skip


def test_what_is_there_is_replaced_only_if_it_is_another_map(tmp_path):
    files(tmp_path).add([("a.png", ramp(), {})])
    path = tmp_path / "heat" / "a.tiff"
    before = path.stat()
    files(tmp_path).add([("a.png", ramp(), {})])
    assert path.stat().st_ino == before.st_ino  # not even written again
    files(tmp_path).add([("a.png", ramp() + 1, {})])
    with Image.open(path) as image:
        assert (np.asarray(image) == ramp() + 1).all()
    Image.fromarray(ramp()).save(path)
    for content in (path.read_bytes(), b"mine"):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=r"a\.tiff exists and is not a map of Blemish's"):
            files(tmp_path).add([("a.png", ramp(), {})])
        assert path.read_bytes() == content
    assert [file.name for file in (tmp_path / "heat").iterdir()] == ["a.tiff"]


@pytest.mark.parametrize(
    ("heat", "regions", "error", "says"),
    [
        ("data", None, ConfigError, "would lie among the pictures"),
        ("data/sub/new", None, ConfigError, "would lie among the pictures"),
        (".", None, ConfigError, "would lie among the pictures"),
        ("file", None, ConfigError, "is a file; --heat names a folder"),
        (None, "r.txt", ConfigError, "must end in .json"),
        (None, "none/r.json", ArtifactError, "its folder does not exist"),
        (None, "data.json", ArtifactError, "it is one of the input files"),
    ],
)
def test_no_input_is_overwritten(tmp_path, heat, regions, error, says):
    for name in ("file", "data.json"):
        (tmp_path / name).write_text("kept")
    with pytest.raises(error, match=says):
        files(tmp_path, heat, regions).check(tmp_path / "data.json")
