"""Images: which files are decoded, and how; arrays of pictures."""

import numpy as np
import pytest
from PIL import Image as Pillow

from blemish import read
from blemish.core.errors import DataError, DataWarning
from blemish.data.dataset import Reading
from blemish.data.images import check_pictures, decode, decode_all
from sample_files import picture


def test_images_of_many_sizes_and_kinds(tmp_path):
    picture(tmp_path / "a/1.png", (9, 7))
    picture(tmp_path / "b/2.jpg", (20, 30), mode="RGB")
    (tmp_path / "b/2.txt").write_text("no image")
    samples = read(tmp_path)
    assert samples.keys == ["a/1.png", "b/2.jpg"]
    assert [image.shape for image in samples.X] == [(1, 7, 9), (3, 30, 20)]
    assert read(tmp_path, glob="*.jpg").keys == ["b/2.jpg"]


def test_transparent_and_16_bit_images(tmp_path):
    Pillow.new("RGBA", (4, 4)).save(tmp_path / "a.png")
    Pillow.fromarray(np.full((4, 4), 40000, dtype=np.uint16)).save(tmp_path / "b.png")
    images, _ = decode_all([tmp_path / "a.png", tmp_path / "b.png"], Reading())
    assert images[0].shape == (3, 4, 4)
    assert images[1].max() == 40000


def test_large_images_are_reduced(tmp_path):
    picture(tmp_path / "a.png", (5000, 2500))
    assert decode(tmp_path / "a.png").shape == (1, 625, 1250)


def test_undecodable_images_are_named_and_skipped(tmp_path):
    picture(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"not a picture")
    whole = picture(tmp_path / "cut.png", (64, 64)).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    with pytest.warns(DataWarning, match=r"skipped \w+\.png: .*\.png cannot be decoded"):
        samples = read(tmp_path)
    assert samples.keys == ["good.png"]
    assert samples.skipped == ["bad.png", "cut.png"]
    (tmp_path / "good.png").unlink()
    with pytest.warns(DataWarning), pytest.raises(DataError, match="none of the 2 images can be decoded"):
        read(tmp_path)


def test_pictures_that_are_none():
    fine = np.zeros((1, 4, 4))
    for bad, message in (
        (np.full((1, 4, 4), np.nan), "image 1 contains NaN or infinity"),
        (np.zeros((1, 0, 4)), "contains no pixels"),
    ):
        with pytest.raises(DataError, match=message):
            check_pictures([fine, bad], 3, "image", "batch, channel, height, width")
