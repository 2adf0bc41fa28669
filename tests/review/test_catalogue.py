"""The samples under review: opened without reading them, named by content, large ones on disk."""

import json
import os
import shutil
import struct
import subprocess
import sys
import zlib

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import csv, feather, parquet

from blemish.core.errors import ConfigError, DataError, DataWarning
from blemish.review.catalogue import open_catalogue


def test_a_folder_of_pictures_is_opened_without_reading_them(pictures, monkeypatch):
    monkeypatch.setattr("blemish.data.folders.decode", lambda *_: pytest.fail("read"))
    found = open_catalogue(pictures)
    assert found.modality == "image"
    assert list(found.keys) == ["0.jpg", "2.jpg", "4.jpg", "broken.png", "deep/1.png", "deep/3.png", "deep/5.png"]
    assert list(open_catalogue(pictures, glob="*.jpg").keys) == ["0.jpg", "2.jpg", "4.jpg"]


@pytest.mark.filterwarnings("ignore:skipped")
def test_broken_pictures_are_left_out_and_said(pictures):
    found = open_catalogue(pictures)
    X, rows = found.take(range(7))
    assert rows == [0, 1, 2, 4, 5, 6]
    assert len(X) == 6
    assert found.take([3]) == ([], [])
    with pytest.raises(DataError, match=r"broken\.png cannot be decoded"):
        found.picture(3, 192, found.digest(3))


def test_the_content_is_hashed_and_not_the_name(pictures):
    found = open_catalogue(pictures)
    shutil.copy(pictures / "0.jpg", pictures / "again.jpg")
    again = open_catalogue(pictures)
    assert again.digest(list(again.keys).index("again.jpg")) == found.digest(0)
    (pictures / "2.jpg").unlink()
    with pytest.raises(DataError, match=r"2\.jpg no longer exists"):
        found.digest(1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p.mkdir(), "contains no image, video or text"),
        (lambda p: None, "no file or folder"),
        (lambda p: p.write_text(""), "cannot be read|no rows|contains no text"),
    ],
)
def test_data_that_cannot_be_reviewed(tmp_path, make, message):
    make(tmp_path / "data.csv")
    with pytest.raises(DataError, match=message):
        open_catalogue(tmp_path / "data.csv")


def test_a_key_that_is_not_there(table):
    with pytest.raises(DataError, match="no column 'id'; it has name, x0"):
        open_catalogue(table, key="id")


@pytest.mark.slow
def test_a_hundred_thousand_pictures_open_in_little_memory(tmp_path):
    import tracemalloc

    for i in range(100_000):
        folder = tmp_path / f"{i // 10_000}"
        if i % 10_000 == 0:  # a file has at most 65,000 names
            folder.mkdir()
            Image.fromarray(np.zeros((32, 32), dtype=np.uint8)).save(folder / f"part-{i}-a.png")
        else:
            os.link(folder / f"part-{i - i % 10_000}-a.png", folder / f"part-{i}-a.png")
    tracemalloc.start()
    found = open_catalogue(tmp_path)
    assert len(found) == 100_000
    assert len(found.take([5, 99_999])[0]) == 2
    assert tracemalloc.get_traced_memory()[1] < 200e6
    tracemalloc.stop()


def test_a_row_of_a_table_in_many_chunks_is_a_slice(tmp_path, monkeypatch):
    parquet.write_table(
        pa.table({"a": np.arange(5000.0), "b": np.arange(5000.0) % 7}), tmp_path / "t.parquet", row_group_size=50
    )
    found = open_catalogue(tmp_path / "t.parquet")
    monkeypatch.setattr("blemish.data.dataset.eager", lambda X: pytest.fail("copied"))
    assert found.whole(4321) == found.summary(4321) == {"a": 4321.0, "b": 2.0}
    assert len({found.digest(row) for row in range(100)}) == 100


@pytest.mark.parametrize("kind", ["csv", "parquet", "arrow"])
def test_a_large_table_lies_on_the_disk_and_is_the_same(always_mapped, tmp_path, kind):
    frame = pa.table({"id": [f"p{i}" for i in range(500)], "x": np.arange(500.0), "word": ["a", "b", None, "ä"] * 125})
    path = tmp_path / f"t.{kind}"
    if kind == "csv":
        csv.write_csv(frame, path)
    elif kind == "parquet":
        parquet.write_table(frame, path, row_group_size=70)
    else:
        feather.write_feather(frame, path, chunksize=70)
    before = pa.total_allocated_bytes()
    found = open_catalogue(path, key="id")
    assert found.samples is not None
    assert pa.total_allocated_bytes() - before < 1000  # not in memory
    assert list(always_mapped.iterdir()) == []  # no name is left
    assert found.samples.X.to_pydict() == frame.drop_columns(["id"]).to_pydict()
    assert list(found.keys) == frame["id"].to_pylist()
    X, rows = found.take([499, 3, 250])
    assert rows == [499, 3, 250]
    assert X["x"].to_pylist() == [499, 3, 250]
    assert found.whole(3) == {"x": 3.0, "word": "ä"}


def test_rows_without_a_key_are_found_by_their_number(always_mapped, tmp_path):
    csv.write_csv(pa.table({"x": np.arange(50.0), "y": np.arange(50)}), tmp_path / "t.csv")
    found = open_catalogue(tmp_path / "t.csv")
    assert [found.find(found.title(row)) for row in (0, 49)] == [0, 49]
    assert found.find("row 50") is found.find("row -1") is found.find("part 1") is None


def test_no_room_for_the_copy_of_a_table_is_said(always_mapped, tmp_path, monkeypatch):
    csv.write_csv(pa.table({"x": np.arange(50.0), "y": np.arange(50)}), tmp_path / "t.csv")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("blemish.data.on_disk.ipc.new_file", full)
    with pytest.raises(DataError, match=r"no room to lay out .*t\.csv .*disk is full.*XDG_CACHE_HOME"):
        open_catalogue(tmp_path / "t.csv")
    assert list(always_mapped.iterdir()) == []


@pytest.mark.parametrize("place", [0.05, 0.6], ids=["first chunk", "later"])
def test_a_table_that_is_broken_further_down_is_said(always_mapped, tmp_path, place):
    path = tmp_path / "t.parquet"
    table = pa.table({"x": np.random.default_rng(0).random(150_000), "y": np.arange(150_000) % 3})
    parquet.write_table(table, path, row_group_size=10_000)
    content = bytearray(path.read_bytes())
    at = int(place * len(content))
    content[at : at + 80_000] = b"\xff" * 80_000  # the head of a row group among them
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"t\.parquet is damaged, a part of it cannot be read"):
        open_catalogue(path)
    assert not always_mapped.exists() or list(always_mapped.iterdir()) == []


@pytest.mark.slow
def test_a_million_rows_are_open_in_far_less_than_they_take(tmp_path):
    schema = pa.schema([(f"x{at}", pa.float64()) for at in range(30)])
    with parquet.ParquetWriter(tmp_path / "rows.parquet", schema) as file:
        for seed in range(10):
            rng = np.random.default_rng(seed)
            file.write_table(pa.table({name: rng.normal(size=100_000) for name in schema.names}))
    program = """
import sys
import zlib
from pathlib import Path
from blemish.review.catalogue import open_catalogue
def own():
    return int(Path("/proc/self/status").read_text().partition("RssAnon:")[2].split()[0]) / 1000
before = own()
found = open_catalogue(sys.argv[1])
taken = [found.take(range(start, start + 20_000))[0].num_rows for start in range(0, len(found), 20_000)]
found.digest(999_999)
print(len(found), sum(taken), own() - before)
"""
    told = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "rows.parquet"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert told[:2] == ["1000000", "1000000"]
    assert float(told[2]) < 100  # MB; the table takes 240


@pytest.fixture
def strange(tmp_path):
    """A folder of a stranger: a pipe, a device, a link to itself, a bomb, a name that is not UTF-8."""
    folder = tmp_path / "strange"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("0.png", "1.png", "gr\udcfcn.png", "a\nb.png"):
        Image.fromarray(rng.integers(0, 255, (24, 24), dtype=np.uint8)).save(folder / name)
    os.mkfifo(folder / "2.png")
    (folder / "3.png").symlink_to("/dev/zero")
    (folder / "4.png").symlink_to("4.png")
    head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0))
    (folder / "5.png").write_bytes(head + chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b""))
    (folder / "6.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(x) print\n")
    return folder


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_a_folder_of_a_stranger_hangs_nothing_and_every_name_is_shown(strange, tmp_path):
    found = open_catalogue(strange, modality="image")
    assert sorted(found.keys) == ["0.png", "1.png", "5.png", "6.png", "a\nb.png", "gr\\xfcn.png"]
    json.dumps(list(found.keys), ensure_ascii=False).encode()
    with pytest.warns(DataWarning, match="skipped [56].png"):
        _, rows = found.take(range(len(found)))
    assert [found.keys[row] for row in rows] == ["0.png", "1.png", "a\nb.png", "gr\\xfcn.png"]
    for row in rows:
        assert found.picture(row, 192, found.digest(row)).startswith(b"\xff\xd8")
    for name in ("5.png", "6.png"):
        row = list(found.keys).index(name)
        with pytest.raises(DataError, match="cannot be decoded"):
            found.picture(row, 192, found.digest(row))


def test_a_pipe_that_takes_a_pictures_place_hangs_nothing(strange):
    found = open_catalogue(strange, modality="image")
    row = list(found.keys).index("0.png")
    (strange / "0.png").unlink()
    os.mkfifo(strange / "0.png")
    with pytest.raises(DataError, match="cannot be read"):
        found.digest(row)


def test_a_hash_follows_the_file(pictures):
    found = open_catalogue(pictures)
    row, twin = (list(found.keys).index(name) for name in ("0.jpg", "2.jpg"))
    before, content = found.digest(row), (pictures / "0.jpg").read_bytes()
    (pictures / "0.jpg").write_bytes((pictures / "2.jpg").read_bytes())
    with pytest.raises(DataError, match="has changed; reload the page"):
        found.picture(row, 192, before)
    assert found.digest(row) == found.digest(twin) != before
    assert found.row(before) is None
    assert found.changed == {row}
    (pictures / "2.jpg").write_bytes(content)  # they have changed places
    assert found.digest(twin) == before
    assert found.row(before) == twin
    assert found.row(found.digest(row)) == row


def test_links_out_of_the_folder_are_refused_once_others_may_look(pictures, tmp_path):
    (tmp_path / "elsewhere.png").write_bytes((pictures / "0.jpg").read_bytes())
    found = open_catalogue(pictures)
    found.confine()
    row = list(found.keys).index("0.jpg")
    (pictures / "0.jpg").unlink()
    (pictures / "0.jpg").symlink_to(tmp_path / "elsewhere.png")
    with pytest.raises(ConfigError, match="0.jpg is a link that leads out of .*leave out --host"):
        found.digest(row)
    with pytest.raises(ConfigError, match="leads out of"):
        open_catalogue(pictures).confine()
    (pictures / "near").symlink_to("deep")  # within the folder it may
    assert open_catalogue(pictures).digest(row)
