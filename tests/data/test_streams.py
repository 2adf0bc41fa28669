"""Data on disk, a chunk at a time: the chunks together are what is read at once."""

import gzip

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import csv, feather, parquet

from blemish import read
from blemish.core.errors import DataError, DataWarning
from blemish.data import streams
from blemish.data.dataset import HowToRead, Reading
from blemish.data.streams import naming_chunk, one_chunk, open_stream, settle_types
from blemish.data.tables import dialect

KINDS = ("t.parquet", "t.arrow", "t.csv", "t.csv.gz")


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(streams, "CHUNK_ROWS", 250)
    monkeypatch.setattr(streams, "CHUNK_IMAGES", 7)
    monkeypatch.setattr(streams, "CSV_BLOCK", 20_000)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder, n = tmp_path_factory.mktemp("tables"), 1200
    rng = np.random.default_rng(0)
    columns = {f"c{i}": rng.standard_normal(n) for i in range(4)}
    late = np.where(np.arange(n) < n - 5, np.nan, 2.5)
    rows = pa.table({**columns, "late": pa.array(late, from_pandas=True), "id": [f"row {i}" for i in range(n)]})
    parquet.write_table(rows, folder / "t.parquet")
    feather.write_feather(rows, folder / "t.arrow")
    csv.write_csv(rows, folder / "t.csv")
    (folder / "t.csv.gz").write_bytes(gzip.compress((folder / "t.csv").read_bytes()))
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_chunks_hold_the_table(files, kind):
    stream = open_stream(files / kind, HowToRead(take_out=["id"]))
    assert stream is not None
    chunks = list(stream.chunks())
    whole = read(files / kind, take_out=["id"])
    assert len(chunks) > 3
    assert stream.n_rows == sum(map(len, chunks)) == 1200
    assert [key for chunk in chunks for key in chunk.keys] == whole.keys
    assert pa.concat_tables(chunk.X for chunk in chunks).equals(whole.X)
    assert [v for chunk in chunks for v in chunk.columns["id"]] == whole.columns["id"]


@pytest.mark.parametrize(
    ("early", "late", "kind"),
    [
        ("1", "2.5", "double"),
        ("", "3", "int64"),
        ("", "true", "bool"),
        ("1", "word", "string"),
        ("2020-01-01", "x", "string"),
    ],
)
def test_columns_of_a_csv_suit_all_rows(tmp_path, early, late, kind):
    path = tmp_path / "late.csv"
    path.write_text("a,b\n" + f"1.5,{early}\n" * 6000 + f"2.5,{late}\n")
    n_rows, schema = settle_types(path, dialect(path, None, Reading()))
    assert n_rows == 6001
    assert str(schema.field("b").type) == kind


def test_a_csv_with_too_many_cells_is_refused(tmp_path):
    path = tmp_path / "wide.csv"
    path.write_text("a,b\n" + "1,2\n" * 9000 + "1,2,3\n")
    with pytest.raises(DataError, match="cannot be read as a table: .*Expected 2 columns, got 3"):
        open_stream(path, HowToRead())


@pytest.mark.parametrize("name", ["lines.txt", "x.npz"])
def test_what_cannot_be_read_in_chunks_is_none(tmp_path, name):
    (tmp_path / "lines.txt").write_text("one text\nanother, with a comma\n")
    np.savez(tmp_path / "x.npz", X=np.zeros((3, 2)))
    assert open_stream(tmp_path / name, HowToRead()) is None


def test_images_of_a_folder_come_in_chunks_without_those_that_cannot_be_decoded(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(10):
        Image.fromarray(rng.integers(0, 256, (8, 8)).astype(np.uint8)).save(tmp_path / f"{chr(97 + i)}.png")
    (tmp_path / "c.png").write_bytes(b"nothing")
    stream = open_stream(tmp_path, HowToRead())
    assert stream is not None
    assert (stream.n_rows, stream.modality, stream.files) == (10, "image", True)
    with pytest.warns(DataWarning, match=r"skipped c\.png"):
        chunks = list(stream.chunks())
    assert [len(chunk) for chunk in chunks] == [6, 3]
    assert [key for chunk in chunks for key in chunk.keys] == [f"{name}.png" for name in "abdefghij"]
    assert [chunk.skipped for chunk in chunks] == [["c.png"], []]


def test_samples_in_memory_are_a_stream_of_one_chunk(files):
    samples = read(files / "t.csv", take_out=["id"])
    stream = one_chunk(samples)
    assert (stream.n_rows, stream.modality) == (1200, "tabular")
    assert list(stream.chunks()) == [samples]


@pytest.mark.parametrize(("start", "said"), [(0, "row 3 is bad"), (500, "in the chunk that starts at row 500: row 3")])
def test_an_error_names_the_chunk(start, said):
    with pytest.raises(DataError, match=f"^{said}"), naming_chunk(start):
        raise DataError("row 3 is bad")
