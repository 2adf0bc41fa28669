"""Images: which files are decoded, and how; arrays of pictures."""

from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageOps

from blemish import read
from blemish.core.errors import DataError, DataWarning
from blemish.data.dataset import Reading
from blemish.data.images import ORIENTATION, at_white, check_pictures, decode, decode_all, thumbnail
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


# What a viewer shows -------------------------------------------------------------------------------------------------


def read_one(path):
    reading = Reading()
    return decode(path, reading, path.name), reading.lines()


def corner(shape=(40, 60)):
    """Black, with a white upper left quarter."""
    pixels = np.zeros(shape, dtype=np.uint8)
    pixels[: shape[0] // 2, : shape[1] // 2] = 255
    return pixels


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_as_their_exif_data_say(ending, orientation, tmp_path):
    exif = Pillow.Exif()
    exif[ORIENTATION] = orientation
    stored = ImageOps.exif_transpose(_with_orientation(corner(), {6: 8, 8: 6}.get(orientation, orientation)))
    stored.save(tmp_path / f"p{ending}", exif=exif)
    array, lines = read_one(tmp_path / f"p{ending}")
    assert array.shape[1:] == (40, 60)
    assert np.abs(array[0].astype(float) - corner()).mean() < 3
    assert lines == ([] if orientation == 1 else [f"orientation p{ending}: turned as its EXIF data say"])


def _with_orientation(pixels, orientation):
    image = Pillow.fromarray(pixels)
    image.getexif()[ORIENTATION] = orientation
    return image


def test_what_is_transparent_is_put_on_white(tmp_path):
    clear = Pillow.new("RGBA", (8, 8), (255, 0, 0, 0))
    clear.save(tmp_path / "a.png")
    clear.putalpha(255)
    clear.save(tmp_path / "opaque.png")
    Pillow.new("LA", (8, 8), (0, 0)).save(tmp_path / "grey.png")
    Pillow.new("P", (8, 8)).save(tmp_path / "p.png", transparency=0)
    for name in ("a", "grey", "p"):
        array, lines = read_one(tmp_path / f"{name}.png")
        assert (array == 255).all()
        assert lines == [f"transparency {name}.png: what is transparent is put on white"]
    array, lines = read_one(tmp_path / "opaque.png")
    assert (array[:, 0, 0].tolist(), lines) == ([255, 0, 0], [])


@pytest.mark.parametrize(
    ("mode", "ending", "said"),
    [
        ("1", ".png", []), ("1", ".tif", []), ("P", ".gif", []), ("P", ".png", []), ("L", ".jfif", []),
        ("RGB", ".avif", []), ("RGB", ".jp2", []), ("RGB", ".ppm", []), ("RGB", ".tga", []), ("RGB", ".bmp", []),
        ("CMYK", ".jpg", ["colours p.jpg: CMYK is read as RGB"]),
    ],
)  # fmt: skip
def test_every_mode_and_format_shows_the_same_picture(mode, ending, said, tmp_path):
    Pillow.fromarray(corner()).convert("RGB").convert(mode).save(
        tmp_path / f"p{ending}", format={".jfif": "JPEG"}.get(ending)
    )
    array, lines = read_one(tmp_path / f"p{ending}")
    assert np.abs(array.mean(axis=0) - corner()).mean() < 4
    assert lines == said
    assert read(tmp_path).keys == [f"p{ending}"]


def test_the_first_page_of_several_is_read_and_said(tmp_path):
    pages = [Pillow.fromarray(corner()), *(Pillow.new("L", (60, 40), i) for i in (50, 100))]
    for name in ("p.tif", "p.gif", "p.webp", "p.png"):
        exact: Any = {"lossless": True} if "w" in name else {}
        pages[0].save(tmp_path / name, save_all=True, append_images=pages[1:], **exact)
        array, lines = read_one(tmp_path / name)
        assert np.abs(array.mean(axis=0) - corner()).mean() < 3
        assert lines == [f"pages {name}: the first of 3 is read"]


def test_sixteen_bits_are_kept_and_large_ones_reduced(tmp_path):
    deep = corner((2100, 2200)).astype(np.uint16) * 257
    for name in ("p.png", "p.tif"):
        Pillow.fromarray(deep).save(tmp_path / name)
        array, lines = read_one(tmp_path / name)
        assert (array.shape, array.dtype, array.max()) == ((1, 1050, 1100), np.uint16, 65535)
        assert lines == [f"depth {name}: 16 bits, white is 65535"]
    Pillow.fromarray(corner().astype(np.float32) / 255).save(tmp_path / "f.tif")
    array, lines = read_one(tmp_path / "f.tif")
    assert (array.dtype, array.max(), lines) == (
        np.float32,
        1,
        ["depth f.tif: values in floating point are taken as they are"],
    )
    Pillow.fromarray(np.full((4, 4), np.nan, dtype=np.float32)).save(tmp_path / "nan.tif")
    with pytest.raises(DataError, match="holds NaN or infinity"):
        decode(tmp_path / "nan.tif")


def test_one_picture_in_two_depths_is_one_picture():
    shallow = np.random.default_rng(0).integers(0, 256, (1, 9, 9)).astype(np.uint8)
    deep = shallow.astype(np.uint16) * 257
    assert np.allclose(at_white(deep, 255.0), shallow, rtol=1e-6)
    assert np.allclose(at_white(shallow, 65535.0), deep, rtol=1e-6)
    assert at_white(shallow, 255.0) is shallow
    assert at_white(deep, 1000.0) is deep
    assert at_white(shallow / 255.0, 65535.0).max() <= 1


def test_thumbnails_of_deep_pictures_differ(tmp_path):
    for value in (20_000, 40_000):
        Pillow.fromarray(np.full((40, 40), value, dtype=np.uint16)).save(tmp_path / f"{value}.png")
    first, second = (thumbnail(tmp_path / f"{value}.png") for value in (20_000, 40_000))
    assert first is not None
    assert second is not None
    assert (round(float(first.mean())), round(float(second.mean()))) == (78, 156)
