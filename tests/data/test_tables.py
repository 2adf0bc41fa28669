"""Table files: formats, dialects, headers, and what is refused."""

import gzip
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pyarrow as pa
import pytest
from numpy.lib import format as npy
from pyarrow import csv, feather, parquet

from blemish import read
from blemish.core.errors import DataError
from blemish.data.dataset import HowToRead, Reading
from blemish.data.streams import open_stream, settle_types
from blemish.data.tables import clean_names, dialect, read_table


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


def test_labels_of_another_length_than_the_samples_are_named(tmp_path):
    np.savez(tmp_path / "a.npz", X=np.zeros((30, 4)), y=np.zeros(42), scale=np.zeros(4))
    assert len(read(tmp_path / "a.npz")) == 30
    with pytest.raises(DataError, match=r"array 'y' has shape \(42,\), but there are 30 samples"):
        read(tmp_path / "a.npz", take_out=["y"])


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
    assert read_table(tmp_path / "t.csv", None, Reading()).to_pydict() == expected
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(content.encode(encoding)))
    n_rows, schema = settle_types(tmp_path / "t.csv.gz", dialect(tmp_path / "t.csv.gz", None, Reading()))
    assert (n_rows, clean_names("t", schema.names)) == (len(content.splitlines()) - 1, list(expected))


def npz(path, shape, data=b"", kind="<f8"):
    """An NPZ file whose array 'X' claims that shape."""
    head = BytesIO()
    npy.write_array_header_1_0(head, {"descr": kind, "fortran_order": False, "shape": shape})
    with ZipFile(path, "w", ZIP_DEFLATED) as file:
        file.writestr("X.npy", head.getvalue() + data)
    return path


def test_an_npz_file_claims_no_more_than_it_has(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    assert read(npz(path, (2, 3), bytes(48))).X.shape == (2, 3)
    for shape in [(2**40, 3), (2, 2**61), (3, 3)]:
        with pytest.raises(DataError, match="is damaged: X.npy claims"):
            read(npz(path, shape, bytes(48)))
    for shape in [(-1, 3), (2, "3")]:
        with pytest.raises(DataError, match="cannot be read"):
            read(npz(path, shape, bytes(48)))
    monkeypatch.setattr("blemish.data.tables._memory", lambda: 10**6)
    with pytest.raises(DataError, match="holds 0.0 GB when unpacked"):
        read(npz(path, (200, 1000), bytes(1_600_000)))


def test_every_damaged_npz_file_is_one_sentence(tmp_path):
    whole = bytearray(npz(tmp_path / "a.npz", (2, 3), bytes(48)).read_bytes())
    path, entry = tmp_path / "b.npz", whole.index(b"PK\x01\x02")
    for at, value in [(entry + 10, 99), (entry + 8, 1), (48, whole[48] ^ 1), (entry + 42, 255)]:
        path.write_bytes(whole[:at] + bytes([value]) + whole[at + 1 :])
        with pytest.raises(DataError, match="cannot be read|is damaged"):
            read(path)
    with ZipFile(path, "w") as file:
        file.writestr("X.npy", b"no array")
    with pytest.raises(DataError, match="has no array 'X'"):
        read(path)


def arrow_with(table, path, edit):
    """An Arrow file with one thing in its bytes replaced."""
    feather.write_feather(table, path, compression="uncompressed")
    before, after = edit
    content = path.read_bytes()
    assert before in content
    path.write_bytes(content.replace(before, after))
    return path


@pytest.mark.parametrize(
    ("column", "edit"),
    [
        (pa.array(["abc", "de", "f"]), (bytes([0, 0, 0, 0, 3, 0, 0, 0]), bytes([0, 0, 0, 0, 3, 0, 0, 127]))),
        (pa.array(["abc", "de", "f"]), (b"abcdef", b"ab\xffdef")),
        (
            pa.DictionaryArray.from_arrays(pa.array([1, 2, 3], pa.int32()), ["a", "b", "c", "d"]),
            (bytes([1, 0, 0, 0, 2, 0, 0, 0, 3]), bytes([1, 0, 0, 0, 2, 0, 0, 64, 3])),
        ),
        (pa.array([[7], [7, 7], [7]]), (bytes([1, 0, 0, 0, 3, 0, 0, 0]), bytes([1, 0, 0, 0, 3, 0, 0, 64]))),
    ],
    ids=["offset", "UTF-8", "dictionary", "list"],
)
def test_a_damaged_arrow_file_is_one_sentence_and_never_a_crash(column, edit, tmp_path):
    path = arrow_with(pa.table({"x": column}), tmp_path / "a.arrow", edit)
    with pytest.raises(DataError, match="cannot be read as a table"):
        read_table(path, None, Reading())
    with pytest.raises(DataError, match="cannot be read"):
        list(open_stream(path, HowToRead("tabular")).chunks())  # pyright: ignore[reportOptionalMemberAccess]


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_views_of_text_are_text(suffix, tmp_path):
    """PyArrow can neither choose rows of a view nor write one as CSV."""
    columns = {"x": pa.array(["a", "b"], pa.string_view()), "y": pa.array([b"a", None], pa.binary_view()), "z": [1, 2]}
    write = parquet.write_table if suffix == ".parquet" else feather.write_feather
    write(pa.table(columns), tmp_path / f"t{suffix}")
    found = read_table(tmp_path / f"t{suffix}", None, Reading())
    assert found.schema.types == [pa.string(), pa.binary(), pa.int64()]
    stream = open_stream(tmp_path / f"t{suffix}", HowToRead("tabular"))
    assert stream is not None
    assert list(stream.types.values()) == found.schema.types
    (chunk,) = stream.chunks()
    assert chunk.X.equals(found)


def test_text_that_is_not_text_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", X=np.zeros((2, 1)), y=np.array([0x61, 2**31], "u4").view("U1"))
    with pytest.raises(DataError, match="cannot be read"):
        read(tmp_path / "a.npz")


@pytest.mark.parametrize("order", ["<", ">"])
def test_text_of_an_npz_file_is_characters(order, tmp_path):
    """NumPy makes a text of any four bytes, which then no file can be written with."""
    for points, message in (((0x41, 0x110000), "'kind' holds what is not a character"), ((0x41, 0x10FFFF), "")):
        kind = np.array(points * 3, f"{order}u4").view(f"{order}U2")
        np.savez(tmp_path / "a.npz", X=np.zeros((3, 2)), kind=kind, none=np.array(["", "", ""]))
        if message:
            with pytest.raises(DataError, match=message):
                read(tmp_path / "a.npz")
        else:
            assert read(tmp_path / "a.npz", take_out=["kind"]).columns["kind"] == ["A\U0010ffff"] * 3


def test_comments_between_rows_are_counted_and_said(tmp_path):
    rows = [f"{i},{i / 7:.3f}" for i in range(30)]
    rows[9:9], rows[20:20] = ["# shift change"], ["#", "# stopped, cleaned, restarted"]
    (tmp_path / "a.csv").write_text("\n".join(["a,b", *rows]) + "\n")
    samples = read(tmp_path / "a.csv")
    assert len(samples) == 30
    said = "3 line(s) of comment between the rows are left out, the first is '# shift change'"
    assert [note.how for note in samples.reading.about("comments")] == [said]
    stream = open_stream(tmp_path / "a.csv", HowToRead())
    assert stream is not None
    assert [note.how for note in stream.reading.about("comments")] == [said]
    assert sum(len(chunk) for chunk in stream.chunks()) == 30
