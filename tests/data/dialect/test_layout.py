"""Text files as they are found: each is read as a person reads it, at once and a chunk at a time, and said."""

import gzip

import numpy as np
import pyarrow as pa
import pytest

from blemish import read
from blemish.core.errors import ConfigError, DataError
from blemish.data.dataset import Dialect, HowToRead, Reading
from blemish.data.dialect.layout import layout
from blemish.data.streams import open_stream

ROWS = {"p": [1.5, 2.5, 3.5], "t": [20, 21, 22], "k": ["x", "y", "z"]}
FILES = {
    "plain": "p,t,k\n1.5,20,x\n2.5,21,y\n3.5,22,z\n",
    "hint": "sep=;\np;t;k\n1,5;20;x\n2,5;21;y\n3,5;22;z\n",
    "comments": "# Logger: DL-7\n# Started: 06:00\n\np,t,k\n1.5,20,x\n# paused, at noon\n2.5,21,y\n3.5,22,z\n# end\n",
    "preamble": "Logger: DL-7\nSerial; 123\n\np;t;k\nbar;degC;\n1,5;20;x\n2,5;21;y\n3,5;22;z\n",
    "padded": "Report;;\nDay;01.02.2024;\n;;\np;t;k\n1,5;20;x\n2,5;21;y\n3,5;22;z\n",
    "pipe": "p|t|k\n1.5|20|x\n2.5|21|y\n3.5|22|z\n",
    "tab": "p\tt\tk\n1,5\t20\tx\n2,5\t21\ty\n3,5\t22\tz\n",
    "blanks": "    p   t  k\n  1.5  20  x\n  2.5  21  y \n  3.5  22  z\n",
    "at the end": "p,t,k,\n1.5,20,x,\n2.5,21,y,\n3.5,22,z,\n",
    "at the end of rows": "p,t,k\n1.5,20,x,\n2.5,21,y,\n3.5,22,z,\n",
    "quoted": '"p";"t";"k"\n"1,5";"20";"x"\n"2,5";"21";"y"\n"3,5";"22";"z"\n',
    "carriage returns": "p,t,k\r1.5,20,x\r2.5,21,y\r3.5,22,z\r",
    "windows": "p,t,k\r\n1.5,20,x\r\n\r\n2.5,21,y\r\n3.5,22,z\r\n",
    "a trailing blank line": "p,t,k\n1.5,20,x\n2.5,21,y\n3.5,22,z\n   \n",
}


def whole_and_in_chunks(path, **said):
    whole = read(path, **said)
    stream = open_stream(path, HowToRead(names=said.pop("names", None), dialect=Dialect.check(**said)))
    assert stream is not None
    assert pa.concat_tables(chunk.X for chunk in stream.chunks()).equals(whole.X)
    assert stream.reading.lines() == whole.reading.lines()
    return whole


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("form", ["", ".gz", "utf-16"])
def test_one_table_in_many_writings(name, form, tmp_path):
    path = tmp_path / f"t.csv{form if form == '.gz' else ''}"
    content = FILES[name].encode("utf-8" if form == ".gz" else form or "utf-8")
    path.write_bytes(gzip.compress(content) if form == ".gz" else content)
    assert whole_and_in_chunks(path).X.to_pydict() == ROWS


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        ('"Temp, top";f\n1,5;2\n2,5;3\n', ["Temp, top", "f"]),
        ('"Temp\n[degC]";f\n1,5;2\n2,5;3\n', ["Temp\n[degC]", "f"]),
        ('"say ""p""",f\n1.5,2\n2.5,3\n', ['say "p"', "f"]),
        (" p , f\n1.5,2\n2.5,3\n", ["p", "f"]),
        (",f\n1.5,2\n2.5,3\n", ["Unnamed: 0", "f"]),
    ],
)
def test_headings(content, columns, tmp_path):
    (tmp_path / "t.csv").write_text(content)
    table = whole_and_in_chunks(tmp_path / "t.csv").X
    assert table.column_names == columns
    assert table.column(0).to_pylist() == [1.5, 2.5]


def test_all_that_is_guessed_is_said_in_a_line_each(tmp_path):
    (tmp_path / "t.csv").write_bytes("Ort: Süd\n\np;t\nbar;°C\n1,5;20\n2,5;21\n3,5;22\n".encode("cp1252"))
    lines = [
        line.partition(f"{tmp_path}/")[0] + line.partition("t.csv: ")[2]
        for line in read(tmp_path / "t.csv").reading.lines()
    ]
    assert lines == [
        "encoding Windows-1252, because byte 6 is not UTF-8; if letters look wrong, give --encoding",
        "delimiter semicolon",
        "decimal mark comma, because a number has one and none has a point",
        "heading 1 line(s) before it are left out, the first is 'Ort: Süd'",
        "units line 4 holds units and is left out: bar, °C",
    ]
    (tmp_path / "n.csv").write_text("1.5,2\n2.5,3\n")
    assert (
        "read as column names, though it holds numbers (1.5, 2); if it is a row"
        in read(tmp_path / "n.csv").reading.lines()[0]
    )
    assert read(tmp_path / "n.csv", names=["a", "b"]).X.to_pydict() == {"a": [1.5, 2.5], "b": [2, 3]}


def test_what_was_said_beats_what_is_guessed(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("Device;DL-7\np;t\n1,234;20\n-999;21\n1,5;bad\n")
    said = {"skip_lines": 1, "delimiter": ";", "decimal": ",", "encoding": "cp1252", "na": ("-999", "bad")}
    found = whole_and_in_chunks(path, **said)
    assert found.X.to_pydict() == {"p": [1.234, None, 1.5], "t": [20, 21, None]}
    assert found.reading.lines() == []
    path.write_text("p t\n1 -999\n2 3\n")
    assert whole_and_in_chunks(path, delimiter="space", na=["-999"]).X.to_pydict() == {"p": [1, 2], "t": [None, 3]}
    path.write_text("-7\n1 2\n3 4\n")
    assert whole_and_in_chunks(path, skip_lines=1, names=["a", "b"]).X.to_pydict() == {"a": [1, 3], "b": [2, 4]}


def test_numbers_of_that_value_are_missing_in_binary_files_too(tmp_path):
    from pyarrow import parquet

    parquet.write_table(pa.table({"a": [1.5, -999.0], "b": ["x", "bad"], "c": [-999, 3]}), tmp_path / "t.parquet")
    found = whole_and_in_chunks(tmp_path / "t.parquet", na=["-999", "bad"])
    assert found.X.to_pydict() == {"a": [1.5, None], "b": ["x", None], "c": [None, 3]}


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"delimiter": ";;"}, "is not one character; give"),
        ({"decimal": "x"}, "is neither '.' nor ','"),
        ({"delimiter": ",", "decimal": ","}, "cannot be both"),
        ({"skip_lines": -1}, "give the number of lines before the heading"),
    ],
)
def test_options_that_make_no_sense(said, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        read(tmp_path / "t.csv", **said)


@pytest.mark.parametrize(
    ("content", "said", "message"),
    [
        (b"", {}, "Empty CSV file"),
        (b"a;b\n1;2\n", {"skip_lines": 7}, "no line left"),
        (b"a,b\n1\n2,3,4\n", {}, "say so with --delimiter, --skip-lines or --encoding"),
        (b"a,a\n1,2\n", {}, "two columns named 'a'; rename one, or if that line is a row"),
        (b"a,b\n", {}, "has no rows"),
    ],
)
def test_what_cannot_be_guessed_names_the_option(content, said, message, tmp_path):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path / "t.csv", **said)


def test_a_layout_counts_lines_not_rows(tmp_path):
    (tmp_path / "t.csv").write_text('"a\nb",c\n1,2\n')
    found = layout(tmp_path / "t.csv", None, Reading(), Dialect())
    assert (found.skip, found.names) == (2, ("a\nb", "c"))


def test_values_after_the_first_block_fill_an_unnamed_column(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,\n" + "1,\n" * 30_000 + "2,7\n")
    table = whole_and_in_chunks(path).X
    assert table.column_names == ["a", "Unnamed: 1"]
    assert np.nansum(table.column(1).to_numpy()) == 7
