"""Files and folders: what is read, what is skipped, what is refused."""

import gzip

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image as Pillow
from pyarrow import csv, feather, parquet

from blemish import read
from blemish.core.errors import DataError, DataWarning, LabelError, MissingExtraError
from blemish.data.file_labels import labels_from_folders, labels_from_table
from blemish.data.recordings import cut, read_video
from blemish.data.sources import clean_names, looks_like_frames, read_images, read_table
from blemish.data.streams import settled


def picture(path, size=(12, 10), value=None, mode="L"):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(abs(hash(path.name)) % 1000)
    shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], 3)
    array = rng.integers(0, 255, shape) if value is None else np.full(shape, value)
    Pillow.fromarray(array.astype(np.uint8)).save(path)
    return path


@pytest.fixture
def table():
    return pa.table({"a": [1.5, None, 3.0], "b": ["x", "y", None], "label": ["defect", None, None]})


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".tsv", ".parquet", ".arrow"])
def test_tables_of_every_kind(suffix, table, tmp_path):
    path = tmp_path / f"t{suffix}"
    if suffix == ".parquet":
        parquet.write_table(table, path)
    elif suffix == ".arrow":
        feather.write_feather(table, path)
    else:
        sink = pa.BufferOutputStream()
        csv.write_csv(table, sink, csv.WriteOptions(delimiter="\t" if suffix == ".tsv" else ","))
        content = sink.getvalue().to_pybytes()
        path.write_bytes(gzip.compress(content) if suffix.endswith("gz") else content)
    samples = read(path, take_out=["label", "absent"])
    assert samples.modality == "tabular"
    assert samples.X.column_names == ["a", "b"]
    assert samples.X["a"].to_pylist() == [1.5, None, 3.0]
    assert samples.columns == {"label": ["defect", None, None]} or samples.columns == {"label": ["defect", "", ""]}
    assert samples.keys == [0, 1, 2]


def test_a_table_without_header(tmp_path):
    (tmp_path / "t.txt").write_text("1,tcp\n2,udp\n")
    assert read(tmp_path / "t.txt", names=["n", "protocol"]).X.to_pydict() == {"n": [1, 2], "protocol": ["tcp", "udp"]}


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path):
    (tmp_path / "t.csv").write_bytes("\ufeffa,b\n1,2\n".encode())
    assert read(tmp_path / "t.csv").X.column_names == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.csv", "", "cannot be read as a table: Empty CSV file"),
        ("header.csv", "a,b\n", "has no rows"),
        ("ragged.csv", "a,b\n1\n2,3,4\n", "cannot be read as a table: CSV parse error"),
        ("twice.csv", "a,a\n1,2\n", "has two columns named 'a'"),
        ("no.parquet", "not parquet", "cannot be read as a table"),
        ("x.docx", "?", "is of an unknown kind; expected a folder or one of .csv"),
        ("only.csv", "label\ndefect\n", "no feature is left of the columns label"),
    ],
)
def test_tables_that_cannot_be_read(name, content, message, tmp_path):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path / name, take_out=["label"])


def test_nothing_there(tmp_path):
    with pytest.raises(DataError, match="there is no file or folder"):
        read(tmp_path / "absent.csv")
    with pytest.raises(DataError, match="holds no image, video or text named"):
        read(tmp_path)


def test_npz_arrays(tmp_path):
    np.savez(tmp_path / "a.npz", X=np.zeros((3, 1, 8, 8)), y=np.array([0, 1, 0]), extra=np.zeros(7))
    samples = read(tmp_path / "a.npz")
    assert samples.modality == "image"
    assert samples.columns == {"y": [0, 1, 0]}
    np.savez(tmp_path / "b.npz", y=np.zeros(3))
    with pytest.raises(DataError, match="has no array 'X'"):
        read(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", X=np.array([{"a": 1}], dtype=object))
    with pytest.raises(DataError, match="cannot be read without running code in it"):
        read(tmp_path / "c.npz")
    (tmp_path / "d.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match="cannot be read"):
        read(tmp_path / "d.npz")


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
    images, _ = read_images([tmp_path / "a.png", tmp_path / "b.png"])
    assert images[0].shape == (3, 4, 4)
    assert images[1].max() == 40000


def test_large_images_are_reduced(tmp_path):
    picture(tmp_path / "a.png", (5000, 2500))
    assert read_images([tmp_path / "a.png"])[0][0].shape == (1, 625, 1250)


def test_undecodable_images_are_named_and_skipped(tmp_path):
    picture(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"not a picture")
    whole = picture(tmp_path / "cut.png", (64, 64)).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    with pytest.warns(DataWarning, match=r"skipped .*\.png: it cannot be decoded"):
        samples = read(tmp_path)
    assert samples.keys == ["good.png"]
    assert samples.skipped == ["bad.png", "cut.png"]
    (tmp_path / "good.png").unlink()
    with pytest.warns(DataWarning), pytest.raises(DataError, match="none of the 2 images can be decoded"):
        read(tmp_path)


def frames(folder, n, size=(16, 12), start=0, prefix=""):
    for i in range(n):
        array = np.full((size[1], size[0]), 30 if "1" in folder.name else 200)
        array[2:6, (i + 2) % 12 : (i + 5) % 15 + 1] = 120
        folder.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(array.astype(np.uint8)).save(folder / f"{prefix}{i + start:03d}.png")


def test_frame_folders_are_found_and_cut(tmp_path):
    frames(tmp_path / "clip1", 40)
    frames(tmp_path / "clip2", 21, start=1)
    samples = read(tmp_path)
    assert samples.modality == "video"
    assert samples.keys == ["clip1#0", "clip1#8", "clip1#16", "clip1#24", "clip2#0", "clip2#5"]
    assert {clip.shape for clip in samples.X} == {(16, 1, 12, 16)}
    assert read(tmp_path, modality="image").modality == "image"
    assert len(read(tmp_path, frames=20)) == 3 + 2


def test_equal_short_recordings_stay_whole(tmp_path):
    frames(tmp_path / "clip1", 9)
    frames(tmp_path / "clip2", 9)
    assert read(tmp_path).keys == ["clip1", "clip2"]
    with pytest.raises(DataError, match="no recording has 10 frames, the longest has 9"), pytest.warns(DataWarning):
        read(tmp_path, frames=10)


def test_numbered_but_unlike_pictures_are_no_frames(tmp_path):
    for folder in ("a", "b"):
        for i in range(6):
            picture(tmp_path / folder / f"{i}.png", (32, 32))
    assert not looks_like_frames(sorted(tmp_path.rglob("*.png")))
    assert read(tmp_path).modality == "image"


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
    assert samples.keys == ["clip1"]
    assert samples.skipped == ["clip2/0.png"]
    (tmp_path / "clip1").rename(tmp_path / "gone")
    for file in (tmp_path / "gone").iterdir():
        file.write_bytes(b"?")
    with pytest.warns(DataWarning), pytest.raises(DataError, match="no clip in .* can be decoded, 6 file"):
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


def labels(tmp_path, text):
    (tmp_path / "labels.csv").write_text(text)
    return tmp_path / "labels.csv"


def test_labels_by_path_name_stem_or_clip(tmp_path):
    keys = ["a/1.png", "b/2.png", "c/3.png", "clip7#16"]
    path = labels(tmp_path, "name,label\na/1.png,defect\n2.png,other\n3,normal\nclip7,defect\n")
    assert labels_from_table(keys, path) == ["defect", "other", "normal", "defect"]


def test_labels_in_other_columns(tmp_path):
    assert labels_from_table(["1.png"], labels(tmp_path, "when,what\n1.png,defect\n")) == ["defect"]


def test_bad_tables_of_labels(tmp_path):
    with pytest.raises(LabelError, match="none of the 1 names in .* is a sample; the first is 'z.png'"):
        labels_from_table(["1.png"], labels(tmp_path, "name,label\nz.png,defect\n"))
    with pytest.raises(LabelError, match="gives '1.png' two labels, 'defect' and 'other'"):
        labels_from_table(["1.png"], labels(tmp_path, "name,label\n1.png,defect\n1.png,other\n"))
    with pytest.raises(LabelError, match="has one column; a table of labels needs"):
        labels_from_table(["1.png"], labels(tmp_path, "name\n1.png\n"))
    with pytest.warns(DataWarning, match="1 name.* are no samples, for example 'z.png'"):
        labels_from_table(["1.png"], labels(tmp_path, "name,label\n1.png,defect\nz.png,other\n"))


def test_labels_from_folders():
    keys = ["MT_Crack/a.jpg", "MT_Free/b.jpg", "c.jpg"]
    assert labels_from_folders(["lot#3/crack/a.png", "lot#3/fine/b#2"], defect=["crack"]) == ["defect", None]
    assert labels_from_folders(keys, defect=["MT_Crack"], other=["*"]) == ["defect", "other", "other"]
    assert labels_from_folders(keys, defect=["MT_Crack"], normal=["MT_Free"]) == ["defect", "normal", None]
    with pytest.raises(LabelError, match="no sample lies in a folder 'MT_Crak'; folders are MT_Crack, MT_Free"):
        labels_from_folders(keys, defect=["MT_Crak"])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a;b;c\n1,5;x;2\n-2,25;y, z;3\n", {"a": [1.5, -2.25], "b": ["x", "y, z"], "c": [2, 3]}),
        ("a;b\n1.5;x\n2;y\n", {"a": [1.5, 2], "b": ["x", "y"]}),
        ("a;b\n1.5;1,2\n2;3,4\n", {"a": [1.5, 2], "b": ["1,2", "3,4"]}),  # points and commas: no one's numbers
        ("a\tb\n1.5\tx\n2\ty\n", {"a": [1.5, 2], "b": ["x", "y"]}),
        ("a,b;c\n1,2\n", {"a": [1], "b;c": [2]}),
        ("text\none; two\nthree\n", {"text": ["one; two", "three"]}),
        ("why;how\none, two;three\nsix, two;four\n", {"why": ["one, two", "six, two"], "how": ["three", "four"]}),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_spreadsheets_write(content, expected, encoding, tmp_path):
    (tmp_path / "t.csv").write_bytes(content.encode(encoding))
    assert read_table(tmp_path / "t.csv").to_pydict() == expected
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(content.encode(encoding)))
    n_rows, schema = settled(tmp_path / "t.csv.gz", None)
    assert (n_rows, clean_names("t", schema.names)) == (len(content.splitlines()) - 1, list(expected))


def test_labels_of_another_length_than_the_samples_are_named(tmp_path):
    np.savez(tmp_path / "a.npz", X=np.zeros((30, 4)), y=np.zeros(42), scale=np.zeros(4))
    assert len(read(tmp_path / "a.npz")) == 30
    with pytest.raises(DataError, match=r"array 'y' has shape \(42,\), but there are 30 samples"):
        read(tmp_path / "a.npz", take_out=["y"])


def test_clips_are_no_shorter_than_they_must_be_without_a_word():
    assert cut([("a", 30)], None).frames == 16  # one clip is nothing to learn from
    assert cut([("a", 30), ("b", 30)], None).frames == 30
    assert cut([("a", 9)], None).frames == 9
    with pytest.warns(
        DataWarning, match="clips have 1 frame.s., for c has no more; take it out, or choose.*frames: 16"
    ):
        assert cut([("a", 30), ("b", 20), ("c", 1)], None).frames == 1
