"""Tables of scores as files."""

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from blemish.core.errors import DataWarning, LabelError
from blemish.core.labels import CLASSES
from blemish.data.dataset import Reading
from blemish.data.labels import labels_from_table
from blemish.data.writing import EXPORTED, check_labels, table_of, table_writer, write_labels, write_table

FOUND = {
    "outlier_score": np.array([0.5, 2.0]),
    "probabilities": np.array([[0.9, 0.1, 0.0], [0.1, 0.2, 0.7]]),
    "label": np.array(["normal", "defect"]),
}


def test_a_row_per_sample_and_no_defect_score_without_labels():
    table = table_of(FOUND, CLASSES, ["a", "b"], "path")
    assert table.column_names == [
        "path", "outlier_score", "defect_score", "p_normal", "p_other", "p_defect", "label"
    ]  # fmt: skip
    assert table["defect_score"].to_pylist() == [None, None]
    assert table["p_other"].to_pylist() == [0.1, 0.2]
    scored = table_of({**FOUND, "defect_score": np.array([1.0, np.nan])}, CLASSES, [1, 2], "row", pa.int32())
    assert scored["defect_score"].to_pylist() == [1.0, None]
    assert scored.schema.field("row").type == pa.int32()


@pytest.mark.parametrize(("name", "read_back"), [("t.csv", csv.read_csv), ("t.parquet", parquet.read_table)])
def test_parts_are_one_table(name, read_back, tmp_path):
    table = table_of(FOUND, CLASSES, ["a", "b"], "path")
    with table_writer(tmp_path / name) as write:
        for start in range(2):
            write(table.slice(start, 1))
    found = read_back(tmp_path / name)
    assert found.drop_columns(["defect_score"]).to_pydict() == table.drop_columns(["defect_score"]).to_pydict()


def test_an_error_half_way_leaves_the_old_file(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("old")
    with pytest.raises(RuntimeError), table_writer(path) as write:  # noqa: PT012
        write(pa.table({"x": [1]}))
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_cells_of_a_csv_do_not_start_like_formulas(tmp_path):
    cells = ["=1", "+1", "-1", "@x", "\tx", "\rx", "plain", None]
    table = pa.table({"x": cells})
    write_table(table, tmp_path / "t.parquet")
    assert parquet.read_table(tmp_path / "t.parquet")["x"].to_pylist() == cells
    write_table(table.slice(0, 4), tmp_path / "t.csv")
    assert csv.read_csv(tmp_path / "t.csv")["x"].to_pylist() == ["'=1", "'+1", "'-1", "'@x"]


def test_headings_of_a_csv_are_no_formulas(tmp_path):
    write_table(pa.table({"=1+1": ["@x", "y"]}), tmp_path / "t.csv")
    assert csv.read_csv(tmp_path / "t.csv").to_pydict() == {"'=1+1": ["'@x", "y"]}


EVIL = "=cmd|' /C calc'!A0"


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view(),
        pa.binary(len(EVIL)), pa.dictionary(pa.int32(), pa.string()), pa.dictionary(pa.int8(), pa.large_string()),
        pa.dictionary(pa.int16(), pa.binary()),
    ],
    ids=str,
)  # fmt: skip
def test_no_type_of_text_carries_a_formula_into_a_csv(kind, tmp_path):
    values = [EVIL, None] if not pa.types.is_dictionary(kind) else None
    cells = (
        pa.array(values, kind)
        if values
        else pa.array([EVIL, None]).cast(kind.value_type).dictionary_encode().cast(kind)
    )
    write_table(pa.table({"x": cells, "y": [1, 2]}), tmp_path / "t.csv")
    assert csv.read_csv(tmp_path / "t.csv")["x"].to_pylist() == [f"'{EVIL}", ""]


def test_values_that_no_csv_cell_holds_are_written_as_text(tmp_path):
    table = pa.table(
        {
            "list": pa.array([["=1"], None]),
            "struct": pa.array([{"a": b"\xff"}, None]),
            "bytes": pa.array([b"\xff=", b"\n=1"]),
            "span": pa.array([1, -2], pa.duration("s")),
            "wide": ["＝1", "１"],
        }
    )
    write_table(table, tmp_path / "t.csv")
    read = csv.read_csv(tmp_path / "t.csv", parse_options=csv.ParseOptions(newlines_in_values=True)).to_pydict()
    assert read == {
        "list": ['["=1"]', ""],
        "struct": ['{"a": "\\\\xff"}', ""],
        "bytes": ["\\xff=", "'\n=1"],
        "span": ["0:00:01", "'-1 day, 23:59:58"],
        "wide": ["'＝1", "１"],
    }


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
@pytest.mark.parametrize(
    ("keys", "kind", "expected"),
    [
        (["a", "gr\udcfcn"], None, ["a", "gr\\xfcn"]),
        ([1 + 2j, None], None, ["(1+2j)", ""]),
        ([2**70, 1], None, [str(2**70), "1"]),
        (["a", 1], None, ["a", "1"]),
        (["a", "b"], pa.int64(), ["a", "b"]),
    ],
)
def test_keys_of_every_kind_are_written_after_the_work(name, keys, kind, expected, tmp_path):
    write_table(table_of(FOUND, CLASSES, keys, "gr\udcfcn", kind), tmp_path / name)
    as_text = csv.ConvertOptions(column_types={"gr\\xfcn": pa.string()})
    is_csv = name.endswith("csv")
    table = csv.read_csv(tmp_path / name, convert_options=as_text) if is_csv else parquet.read_table(tmp_path / name)
    assert [cell or "" for cell in table["gr\\xfcn"].to_pylist()] == expected


def test_a_file_whose_name_is_not_utf_8_is_written(tmp_path):
    for suffix in ("csv", "parquet"):
        path = tmp_path / f"gr\udcfcn.{suffix}"
        write_table(pa.table({"x": [1]}), path)
        assert path.stat().st_size


def labels(**changed):
    """What the page exports: two marks."""
    words = {"key": ["a.png", "b.png"], "label": ["defect", "normal"], "who": ["ann", 'b"o\nb'], **changed}
    return pa.table({name: pa.array(words.get(name, ["x", "y"])) for name in EXPORTED})


def test_any_flipped_bit_and_any_cut_of_exported_labels_is_refused(tmp_path):
    path = tmp_path / "labels.csv"
    write_labels(labels(), path)
    check_labels(path)
    data = path.read_bytes()
    assert labels_from_table(["a.png", "b.png"], path, Reading()) == ["defect", "normal"]
    for place in range(len(data) * 8):
        damaged = bytearray(data)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(LabelError, match="is damaged, or was changed after it was exported"):
            check_labels(path)
    rows_begin = data.index(b"\n") + 1
    for length in range(rows_begin + 1, len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(LabelError):
            labels_from_table(["a.png", "b.png"], path, Reading())


def test_labels_that_a_person_changed_are_read_without_the_digest(tmp_path):
    path = tmp_path / "labels.csv"
    write_labels(labels(), path)
    path.write_bytes(path.read_bytes().replace(b'"defect"', b'"normal"'))
    with pytest.raises(LabelError, match="if the change is yours, remove the column 'SHA-256'"):
        labels_from_table(["a.png", "b.png"], path, Reading())
    write_table(csv.read_csv(path, parse_options=csv.ParseOptions(newlines_in_values=True)).drop(["SHA-256"]), path)
    with pytest.warns(DataWarning, match="was exported by an older version without a checksum"):
        assert labels_from_table(["a.png", "b.png"], path, Reading()) == ["normal", "normal"]


def test_a_cell_that_looks_like_the_place_of_a_digest_stays(tmp_path):
    path, cell = tmp_path / "labels.csv", f'x,"{"0" * 64}"\n'
    write_labels(labels(key=[cell, "0" * 64], saved=["0" * 64, "y"]), path)
    check_labels(path)
    read = csv.read_csv(path, parse_options=csv.ParseOptions(newlines_in_values=True))
    assert read["key"].to_pylist() == [cell, "0" * 64]
    assert len(set(read["SHA-256"].to_pylist())) == 1


@pytest.mark.parametrize("content", [b"", b"path,label\na,defect\n", b"\xff\xfe\n\0", b"SHA-256\n"])
def test_other_tables_are_not_looked_at(content, tmp_path):
    (tmp_path / "t.csv").write_bytes(content)
    check_labels(tmp_path / "t.csv")
    check_labels(tmp_path)
    check_labels(tmp_path / "none.csv")
