"""Tables of scores as files."""

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from blemish.data.writing import table_of, table_writer, write_table

FOUND = {
    "outlier_score": np.array([0.5, 2.0]),
    "probabilities": np.array([[0.9, 0.1, 0.0], [0.1, 0.2, 0.7]]),
    "label": np.array(["normal", "defect"]),
}


def test_a_row_per_sample_and_no_defect_score_without_labels():
    table = table_of(FOUND, ["a", "b"], "path")
    assert table.column_names == [
        "path", "outlier_score", "defect_score", "p_normal", "p_other", "p_defect", "label"
    ]  # fmt: skip
    assert table["defect_score"].to_pylist() == [None, None]
    assert table["p_other"].to_pylist() == [0.1, 0.2]
    scored = table_of({**FOUND, "defect_score": np.array([1.0, np.nan])}, [1, 2], "row", pa.int32())
    assert scored["defect_score"].to_pylist() == [1.0, None]
    assert scored.schema.field("row").type == pa.int32()


@pytest.mark.parametrize(("name", "read_back"), [("t.csv", csv.read_csv), ("t.parquet", parquet.read_table)])
def test_parts_are_one_table(name, read_back, tmp_path):
    table = table_of(FOUND, ["a", "b"], "path")
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
    write_table(table_of(FOUND, keys, "gr\udcfcn", kind), tmp_path / name)
    as_text = csv.ConvertOptions(column_types={"gr\\xfcn": pa.string()})
    is_csv = name.endswith("csv")
    table = csv.read_csv(tmp_path / name, convert_options=as_text) if is_csv else parquet.read_table(tmp_path / name)
    assert [cell or "" for cell in table["gr\\xfcn"].to_pylist()] == expected


def test_a_file_whose_name_is_not_utf_8_is_written(tmp_path):
    for suffix in ("csv", "parquet"):
        path = tmp_path / f"gr\udcfcn.{suffix}"
        write_table(pa.table({"x": [1]}), path)
        assert path.stat().st_size
