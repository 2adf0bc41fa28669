"""Pictures cut into tiles."""

import io

import numpy as np
import pytest
from PIL import Image

from blemish.core.errors import LabelError
from blemish.review.viewer import tiles


def opened(made):
    return np.asarray(Image.open(io.BytesIO(made)))


@pytest.mark.parametrize("shape", [(1, 1), (40, 60), (512, 513), (700, 1100), (1030, 20, 3)])
def test_the_tiles_of_level_0_are_the_picture_to_the_bit(shape):
    pixels = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    pyramid = tiles.pyramid_of(Image.fromarray(pixels))
    assert pyramid.size == (shape[1], shape[0])
    rows = [
        np.concatenate([opened(pyramid.tile(0, c, r)[0]) for c in range(-(-shape[1] // tiles.SIDE))], axis=1)
        for r in range(-(-shape[0] // tiles.SIDE))
    ]
    assert np.array_equal(np.concatenate(rows), pixels)
    assert max(pyramid.levels[-1].shape[:2]) <= tiles.SIDE
    assert pyramid.tile(0, 0, 0)[1] == "image/png"


def test_each_level_has_half_the_pixels_per_side():
    pyramid = tiles.pyramid_of(Image.new("RGB", (3001, 1500), "red"))
    assert [level.shape[:2] for level in pyramid.levels] == [(1500, 3001), (750, 1501), (375, 751), (188, 376)]
    made, media = pyramid.tile(1, 2, 1)
    assert media == "image/jpeg"
    assert opened(made).shape == (750 - 512, 1501 - 1024, 3)


@pytest.mark.parametrize("place", [(-1, 0, 0), (2, 0, 0), (0, -1, 0), (0, 2, 0), (0, 0, 1), (1, 1, 0), (10**30, 0, 0)])
def test_a_tile_that_does_not_exist_is_said(place):
    with pytest.raises(LabelError, match="does not exist"):
        tiles.pyramid_of(Image.new("L", (1000, 400))).tile(*place)


def test_pictures_are_decoded_once_and_the_oldest_are_forgotten(monkeypatch):
    made, kept = [], tiles.Pyramids()

    def get(name):
        return kept.get(name, lambda: made.append(name) or Image.new("L", (100, 100)))

    monkeypatch.setattr(tiles, "MAX_BYTES", 25_000)
    for name in ("a", "b", "a", "c", "a", "b"):
        get(name)
    assert made == ["a", "b", "c", "b"]
    monkeypatch.setattr(tiles, "MAX_BYTES", 1)
    get("d")
    get("d")
    assert made[-1:] == ["d"]


def test_a_large_picture_lies_on_the_disk(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(tiles, "MAPPED", 1000)
    pixels = np.random.default_rng(0).integers(0, 255, (60, 80), dtype=np.uint8)
    pyramid = tiles.pyramid_of(Image.fromarray(pixels))
    assert isinstance(pyramid.levels[0], np.memmap)
    assert np.array_equal(opened(pyramid.tile(0, 0, 0)[0]), pixels)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []  # gone with the program
