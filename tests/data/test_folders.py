"""What a folder is taken for, and what in it is not read: by name, reason and number."""

from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from blemish import read
from blemish.core.errors import DataError
from blemish.core.run_config import RunConfig
from blemish.data.dataset import HowToRead, Reading
from blemish.data.folders import look_into, looks_like_frames
from blemish.data.inputs import samples_to_fit
from sample_files import frames, picture


def test_what_is_left_out_is_named_with_the_reason(tmp_path):
    picture(tmp_path / "a.JPG")
    for name in ("x.HEIC", "y.heic", "noise.xyz", "README"):
        (tmp_path / name).write_bytes(b"\0\0\0\x18ftypheic")
    reading = read(tmp_path).reading
    assert {note.where for note in reading.about("left out")} == {"x.HEIC", "y.heic", "noise.xyz", "README"}
    lines = [line for line in reading.lines() if line.startswith("left out")]
    assert lines == [
        "left out README: a file without an ending is not read as a picture",
        "left out noise.xyz: a .xyz file is not read as a picture",
        "left out 2, for example x.HEIC: HEIF (.heic) is not decoded here; it comes with: pip install pillow-heif; or "
        "convert the files to PNG or JPEG",
    ]


def test_a_folder_without_any_picture_that_can_be_read_says_why(tmp_path):
    (tmp_path / "x.heic").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(
        DataError, match=r"that can be read; x\.heic: HEIF \(\.heic\) is not decoded here; it comes with"
    ):
        read(tmp_path)


def numbered(folder, seed):
    """Pictures of one part under one camera: numbered, and much alike, as frames are."""
    rng = np.random.default_rng(seed)
    for i in range(6):
        pixels = np.clip(100 + 20 * seed + rng.normal(0, 1, (32, 32)), 0, 255).astype(np.uint8)
        folder.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(pixels).save(folder / f"{i:03d}.png")


@pytest.fixture
def alike(tmp_path):
    numbered(tmp_path / "parts" / "good", 0)
    numbered(tmp_path / "parts" / "crack", 1)
    return tmp_path / "parts"


def test_what_labels_name_beats_what_pictures_look_like(alike, tmp_path):
    (tmp_path / "labels.csv").write_text("name,label\ncrack/003.png,defect\n")
    assert looks_like_frames(sorted(alike.rglob("*.png")))
    assert read(alike).modality == "video"
    assert read(alike, modality="image").modality == "image"
    said: Any
    for said in ({"defect_folder": ["crack"]}, {"normal_folder": ["good"]}, {"labels": str(tmp_path / "labels.csv")}):
        samples = samples_to_fit(RunConfig(data=str(alike), **said))
        assert (samples.modality, len(samples)) == ("image", 12)


def test_labels_of_recordings_leave_their_frames_together(tmp_path):
    for name in ("good/1", "good/2", "bad/3"):
        frames(tmp_path / "films" / name, 9)
    (tmp_path / "labels.csv").write_text("name,label\nbad/3,defect\n")
    said: Any
    for said in ({"defect_folder": ["bad"]}, {"labels": str(tmp_path / "labels.csv")}):
        samples = samples_to_fit(RunConfig(data=str(tmp_path / "films"), **said))
        assert (samples.modality, samples.keys) == ("video", ["bad/3", "good/1", "good/2"])


def test_frames_are_what_is_guessed_and_said(alike):
    reading = Reading()
    assert look_into(alike, HowToRead(), reading).modality == "video"
    assert reading.lines()[0].startswith(f"modality {alike}: video, because its pictures are numbered")
