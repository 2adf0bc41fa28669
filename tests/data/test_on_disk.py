"""Texts and clips that stay on the disk until they are looked at: the same samples as `blemish.read` gives."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import csv, parquet

from blemish import DefectDetector, load, read
from blemish.core.errors import DataError, DataWarning
from blemish.data import on_disk
from blemish.data.dataset import OnDemand
from blemish.review import answers
from blemish.review.catalogue import open_catalogue
from blemish.review.ledger import Ledger
from blemish.review.session import Review
from served import wait_ready


@pytest.fixture
def always(monkeypatch, tmp_path):
    """Small files stay on the disk, too; copies are made in the folder that this gives."""
    monkeypatch.setattr("blemish.data.on_disk.MIN_BYTES", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "blemish"


def same(found, path, **how):
    """Whether a catalogue holds what `read` reads, on demand."""
    assert isinstance(found.samples.X, OnDemand)
    all_at_once = read(path, **how)
    assert found.modality == all_at_once.modality
    X, rows = found.take(range(len(found)))
    assert rows == list(range(len(all_at_once)))
    assert [found.title(row) for row in rows] == [
        key if all_at_once.files else f"row {key}" for key in all_at_once.keys
    ]
    return len(X) == len(all_at_once.X) and all(
        np.array_equal(mine, other) for mine, other in zip(X, all_at_once.X, strict=True)
    )


# Texts ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        "one, two\nthree four five six\n",
        "\ufeffa\n\n\nb c\r\nd\x0ce\rf\n\n\n",
        "\n\nonly one line",
        "a b\n" * 200_001,
    ],
    ids=["plain", "all ends of lines", "no end", "several chunks"],
)
def test_lines_of_a_file(always, tmp_path, content):
    path = tmp_path / "t.txt"
    path.write_bytes(content.encode())
    assert same(open_catalogue(path, modality="text"), path, modality="text")
    assert list(always.iterdir()) == []


def test_a_file_without_text_or_that_is_no_utf8_is_said(always, tmp_path):
    (tmp_path / "empty.txt").write_text("\n \n\n")
    with pytest.raises(DataError, match="contains no text; expected one text per line"):
        open_catalogue(tmp_path / "empty.txt", modality="text")
    (tmp_path / "latin.txt").write_bytes(b"one two three\ncaf\0\xe9 au lait\n")
    with pytest.raises(DataError, match=r"byte 18 \(0xe9\) is not UTF-8"):
        open_catalogue(tmp_path / "latin.txt", modality="text")
    assert list(always.iterdir()) == []


def test_a_small_file_is_read_at_once(tmp_path):
    (tmp_path / "t.txt").write_text("one two\nthree four five\n")
    assert isinstance(open_catalogue(tmp_path / "t.txt").samples.X, list)  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_texts_of_a_table(always, tmp_path, kind):
    texts = [f"this is number {i}, ä" if i % 7 else None for i in range(300)]
    frame = pa.table({"id": [f"p{i}" for i in range(300)], "words": texts})
    path = tmp_path / f"t.{kind}"
    if kind == "csv":
        csv.write_csv(frame, path)
    else:
        parquet.write_table(frame, path, row_group_size=70)
    found = open_catalogue(path, key="id")
    assert found.modality == "text"
    assert list(found.keys) == frame["id"].to_pylist()
    assert found.take([299, 0, 5]) == (["this is number 299, ä", "", "this is number 5, ä"], [299, 0, 5])
    assert found.summary(5) == found.whole(5) == "this is number 5, ä"
    assert open_catalogue(path, modality="text", column="id", drop=["words"]).whole(5) == "p5"
    with pytest.raises(DataError, match="2 of the columns"):
        open_catalogue(path, modality="text")


def test_a_table_of_numbers_is_no_text(always, tmp_path):
    csv.write_csv(pa.table({"x": np.arange(50.0), "y": np.arange(50)}), tmp_path / "t.csv")
    assert open_catalogue(tmp_path / "t.csv").modality == "tabular"


def test_text_files_of_a_folder_are_read_when_they_are_looked_at(tmp_path, monkeypatch):
    for i in range(5):
        (tmp_path / f"{i}.txt").write_text(f"text number {i}\nin two lines")
    read_ = []
    monkeypatch.setattr(
        "blemish.data.folders.decoded", lambda path, _: read_.append(path.name) or path.read_text("utf-8")
    )
    found = open_catalogue(tmp_path)
    assert read_ == []
    assert found.whole(3) == "text number 3\nin two lines"
    assert read_ == ["3.txt"]
    assert same(found, tmp_path)


def test_a_text_file_that_cannot_be_read_is_left_out_and_said(tmp_path):
    for i in range(12):
        (tmp_path / f"{i:02d}.txt").write_text(f"all is well with number {i}")
    (tmp_path / "05.txt").write_bytes(b"\xff\xfe\xff")
    found = open_catalogue(tmp_path)
    with pytest.warns(DataWarning, match=r"skipped 05\.txt: .*05\.txt: byte 0 \(0xff\) is not UTF-8"):
        assert found.take(range(12))[1] == [row for row in range(12) if row != 5]
    review = Review(found, Ledger(tmp_path / "labels.db"), start=False)
    told = answers.item(review, 5)
    assert (told["id"], told["summary"]) == (None, None)
    assert "is not UTF-8" in told["error"]
    review.stop()


def test_a_review_on_demand_ranks_like_one_in_memory(always, tmp_path, text_split):
    path = tmp_path / "t.txt"
    path.write_text("\n".join(text_split.X_test))
    det = DefectDetector(modality="text", epochs=1, random_state=0).fit(text_split.X_train)
    det.save(tmp_path / "m.blemish")
    review = Review(open_catalogue(path, modality="text"), Ledger(tmp_path / "l.db"), load(tmp_path / "m.blemish"))
    wait_ready(review)
    assert np.array_equal(review.ranking.snapshot.outlier, det.outlier_score(text_split.X_test))  # type: ignore[union-attr]
    review.stop()


# Clips ---------------------------------------------------------------------------------------------------------------


def frames(folder, n, value):
    folder.mkdir(parents=True)
    for i in range(n):
        array = np.full((12, 16), value, dtype=np.uint8)
        array[2:6, i % 12 : i % 12 + 3] = 120
        Image.fromarray(array).save(folder / f"{i}.png")


def video(path, n, size=(32, 16)):
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height = size
        for i in range(n):
            picture = np.full((size[1], size[0], 3), 7 * i, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def test_of_folders_of_frames_only_one_frame_each_is_read_before_they_are_looked_at(tmp_path, monkeypatch):
    frames(tmp_path / "a", 40, 30)
    frames(tmp_path / "b", 21, 200)
    opened, read_frames = [], on_disk.read_frames
    monkeypatch.setattr(on_disk, "read_frames", lambda files, *more: opened.extend(files) or read_frames(files, *more))
    found = open_catalogue(tmp_path)
    assert (found.modality, len(opened)) == ("video", 2)
    assert found.frames() == 16
    assert same(found, tmp_path)
    assert len(opened) == 2 + 7 * 16  # the first clip once more, for the number of its frames
    assert open_catalogue(tmp_path, frames=20).frames() == 20


def test_a_clip_with_a_broken_frame_is_left_out_and_a_folder_of_them_is_no_clip(tmp_path):
    for name in ("a", "b", "c"):
        frames(tmp_path / name, 6, 30 if name == "a" else 200)
    (tmp_path / "b" / "4.png").write_bytes(b"nothing")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "0.png").write_bytes(b"nothing")
    with pytest.warns(DataWarning, match=r"skipped d: none of its 1 frame\(s\) can be decoded"):
        found = open_catalogue(tmp_path, modality="video")
    assert list(found.keys) == ["a", "b", "c"]
    with pytest.warns(DataWarning, match=r"skipped b: .*4\.png cannot be decoded"):
        assert found.take([0, 1, 2])[1] == [0, 2]
    with pytest.raises(DataError, match=r"4\.png cannot be decoded"):
        found.picture(1, 192, found.digest(1))
    assert found.frames() == 6


def test_videos_are_decoded_once_to_a_file_without_a_name(always, tmp_path):
    pytest.importorskip("av", reason="the extra 'video' brings it; make test installs it")
    folder = tmp_path / "videos"
    folder.mkdir()
    video(folder / "a.mp4", 20)
    video(folder / "b.mp4", 36, (48, 32))
    frames(folder / "c", 24, 30)
    (folder / "broken.mp4").write_bytes(b"nothing")
    with pytest.warns(DataWarning, match=r"skipped .*broken\.mp4 cannot be decoded as video"):
        found = open_catalogue(folder)
    assert list(always.iterdir()) == []
    with pytest.warns(DataWarning):
        assert same(found, folder)
    (folder / "a.mp4").unlink()
    assert len(found.picture(0, 64, found.digest(0))) > 100
    assert len({found.digest(row) for row in range(len(found))}) == len(found)


def test_no_room_for_the_copy_of_a_video_is_said_and_it_is_not_left_out(always, tmp_path, monkeypatch):
    pytest.importorskip("av", reason="the extra 'video' brings it; make test installs it")
    folder = tmp_path / "videos"
    folder.mkdir()
    video(folder / "a.mp4", 5)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(on_disk.np, "memmap", full)
    with pytest.raises(DataError, match=r"no room to lay out .*a\.mp4 in .*disk is full.*XDG_CACHE_HOME"):
        open_catalogue(folder)
    assert list(always.iterdir()) == []


@pytest.mark.slow
def test_a_million_lines_are_open_in_far_less_than_they_take(tmp_path):
    rng = np.random.default_rng(0)
    words = np.array([f"word{i}" for i in range(5000)])
    with (tmp_path / "t.txt").open("w") as file:
        for _ in range(100):
            file.writelines(" ".join(line) + "\n" for line in words[rng.integers(0, 5000, (10_000, 30))])
    program = """
import sys
from pathlib import Path
from blemish.review.catalogue import open_catalogue
def own():
    return int(Path("/proc/self/status").read_text().partition("RssAnon:")[2].split()[0]) / 1000
before = own()
found = open_catalogue(sys.argv[1])
taken = [len(found.take(range(start, start + 2000))[0]) for start in range(0, len(found), 2000)]
found.digest(999_999)
print(len(found), sum(taken), own() - before)
"""
    told = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "t.txt"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert told[:2] == ["1000000", "1000000"]
    assert float(told[2]) < 100  # MB; the lines take 270, as Python's strings 320
