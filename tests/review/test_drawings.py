"""Samples as small pictures."""

import io

import numpy as np
from PIL import Image

from blemish.review import drawings
from blemish.review.catalogue import open_catalogue


def test_thumbnails_are_made_once_and_outside_the_data(pictures, tmp_path):
    before = sorted(p.name for p in pictures.rglob("*"))
    found, made = open_catalogue(pictures), []
    thumbnails = drawings.Thumbnails(tmp_path / "cache")

    def make():
        made.append(1)
        return found.picture(0, 192, found.digest(0))

    first = thumbnails.get(found.digest(0), 192, make)
    assert thumbnails.get(found.digest(0), 192, make) == first
    assert made == [1]
    assert sorted(p.name for p in pictures.rglob("*")) == before
    with Image.open(io.BytesIO(first)) as image:
        assert image.format == "JPEG"
        assert max(image.size) <= 192


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert drawings.Thumbnails(tmp_path / "file").get("ab" * 16, 192, lambda: b"made") == b"made"


def test_the_cache_is_where_the_user_says(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert drawings.Thumbnails().folder == tmp_path / "blemish" / "thumbnails"


def test_clips_are_strips(video_split):
    clip = video_split.X_test[0]
    with Image.open(io.BytesIO(drawings.strip(clip, 32))) as image:
        assert image.size == (32 * len(clip), 32)
        seen = np.asarray(image.convert("L")).reshape(32, len(clip), 32)
    bright = [np.unravel_index(seen[:, t].argmax(), (32, 32))[1] for t in (0, 2)]
    assert bright[0] != bright[1]
    wide = np.full((3, 1, 20, 60), 200, dtype=np.uint8)
    with Image.open(io.BytesIO(drawings.strip(wide, 30))) as image:
        light = np.asarray(image) > 100
    assert light.mean(axis=1).round(1).tolist() == [0.0] * 10 + [1.0] * 10 + [0.0] * 10  # not stretched to a square


def test_heat_is_transparent_where_nothing_is_wrong():
    error = np.zeros((10, 10))
    error[2, 7] = 1
    with Image.open(io.BytesIO(drawings.heat(error, 100, 50))) as image:
        alpha = np.asarray(image)[..., 3]
    assert alpha.shape == (50, 100)
    assert alpha[12, 75] > 150
    assert alpha[40, 10] == 0
