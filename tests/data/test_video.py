"""Recordings: videos, folders of frames, and how they are cut into clips."""

import numpy as np
import pytest

from blemish import read
from blemish.core.errors import DataError, DataWarning, MissingExtraError
from blemish.data.dataset import HowToRead, Reading
from blemish.data.on_disk import open_dataset
from blemish.data.video import cut, read_video
from sample_files import frames, picture


def test_frame_folders_are_found_and_cut(tmp_path):
    frames(tmp_path / "clip1", 40)
    frames(tmp_path / "clip2", 21, start=1)
    samples = read(tmp_path)
    assert samples.modality == "video"
    assert samples.keys == ["clip1#0", "clip1#8", "clip1#16", "clip1#24", "clip2#0", "clip2#5"]
    assert samples.groups == ["clip1"] * 4 + ["clip2"] * 2
    assert open_dataset(tmp_path, HowToRead()).groups == samples.groups
    assert {clip.shape for clip in samples.X} == {(16, 1, 12, 16)}
    assert read(tmp_path, modality="image").modality == "image"
    assert read(tmp_path, modality="image").groups is None
    assert len(read(tmp_path, frames=20)) == 3 + 2


def test_equal_short_recordings_stay_whole(tmp_path):
    frames(tmp_path / "clip1", 9)
    frames(tmp_path / "clip2", 9)
    assert read(tmp_path).keys == ["clip1", "clip2"]
    assert read(tmp_path).groups is None
    with pytest.raises(DataError, match="no recording has 10 frames, the longest has 9"), pytest.warns(DataWarning):
        read(tmp_path, frames=10)


def test_a_single_recording_is_judged_by_its_own_clips_and_that_is_said(tmp_path):
    frames(tmp_path / "clip1", 40)
    samples = read(tmp_path, modality="video", frames=16)
    assert (len(samples), samples.groups) == (4, None)
    assert "promises are for it alone" in str(samples.reading.about("groups")[0])


def test_frames_of_mixed_sizes_are_resized(tmp_path):
    frames(tmp_path / "clip1", 6)
    picture(tmp_path / "clip1/003.png", (30, 20), mode="RGB")
    with pytest.warns(DataWarning, match=r"clip1: 1 frame\(s\) are not 16 x 12 like the first and were resized"):
        samples = read(tmp_path, modality="video")
    assert samples.X[0].shape == (6, 1, 12, 16)


def test_frames_are_ordered_by_number(tmp_path):
    for i in (1, 2, 10):
        picture(tmp_path / f"clip/f{i}.png", value=i)
    assert read(tmp_path, modality="video").X[0][:, 0, 0, 0].tolist() == [1, 2, 10]


def test_an_undecodable_clip_is_skipped(tmp_path):
    frames(tmp_path / "clip1", 5)
    (tmp_path / "clip2").mkdir()
    (tmp_path / "clip2/0.png").write_bytes(b"?")
    with pytest.warns(DataWarning):
        samples = read(tmp_path, modality="video")
    assert (samples.modality, samples.keys) == ("video", ["clip1"])
    assert samples.skipped == ["clip2/0.png"]
    (tmp_path / "clip1").rename(tmp_path / "gone")
    for file in (tmp_path / "gone").iterdir():
        file.write_bytes(b"?")
    with pytest.warns(DataWarning), pytest.raises(DataError, match="no clip in .* can be decoded; 6 file"):
        read(tmp_path, modality="video")


def test_video_files(tmp_path):
    av = pytest.importorskip("av", reason="the extra 'video' brings it; make test installs it")
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height = 32, 16
        for i in range(6):
            frame = av.VideoFrame.from_ndarray(np.full((16, 32, 3), 30 * i, dtype=np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert read_video(tmp_path / "a.mp4").shape == (6, 3, 16, 32)
    samples = read(tmp_path)
    assert (samples.modality, samples.keys) == ("video", ["a.mp4"])
    (tmp_path / "b.mp4").write_bytes(b"no video")
    with pytest.warns(DataWarning, match=r"skipped .*b\.mp4 cannot be decoded as video"):
        assert read(tmp_path).skipped == ["b.mp4"]


def test_video_without_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    (tmp_path / "a.mp4").write_bytes(b"?")
    with pytest.raises(MissingExtraError, match=r"pip install 'blemish\[video\]'"):
        read(tmp_path)


def test_clips_are_no_shorter_than_they_must_be_without_a_word():
    assert cut([("a", 30)], None, Reading()).frames == 16  # one clip is nothing to learn from
    assert cut([("a", 30), ("b", 30)], None, Reading()).frames == 30
    assert cut([("a", 9)], None, Reading()).frames == 9
    with pytest.warns(
        DataWarning, match="clips have 1 frame.s., because c has no more; remove it, or choose.*frames: 16"
    ):
        assert cut([("a", 30), ("b", 20), ("c", 1)], None, Reading()).frames == 1
