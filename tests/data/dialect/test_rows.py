"""How lines are cut into cells: delimiters, headings, units and decimal marks, without a file."""

from pathlib import Path

import pytest

from blemish.data.dataset import Dialect
from blemish.data.dialect.rows import cut, decimal_mark, heading_of, hint_of, is_number


def found(text, names=None, **said):
    return cut(Path("t.csv"), text.splitlines(keepends=True), names, Dialect.check(**said))[0]


@pytest.mark.parametrize(
    ("text", "delimiter", "decimal"),
    [
        ("a;b\n1,5;2,5\n3,5;4,5\n", ";", ","),
        ("a;b\n1.5;1,2\n2;3,4\n", ";", "."),
        ("a;b\n1.234,5;x\n2;y\n", ";", ","),
        ("a,b;c\n1,2\n", ",", "."),
        ("a\tb\n1,5\t2\n2,5\t3\n", "\t", ","),
        ("a|b\n1.5|x\n2|y\n", "|", "."),
        ("a,b\n1,x y z\n2,z y x\n", ",", "."),
        ('a,b\n"1,5",2\n"2,5",3\n', ",", ","),
        ('a,b\n"1,234",2.5\n"2,345",3.5\n', ",", "."),
        ("a b\n1 2\n10  20 \n", " ", "."),
        ("text\none; two\nthree, four; five\none; two\n", ",", "."),
        ("words\nthe pump leaks\nit runs again today\n", ",", "."),
        ("id,codes\n1,x;y\n2,y;z\n", ",", "."),
    ],
)
def test_the_delimiter_is_the_one_that_makes_a_table(text, delimiter, decimal):
    assert found(text).delimiter == delimiter
    assert decimal_mark(found(text)) == decimal


def test_what_was_said_beats_what_is_guessed():
    assert found("a;b\n1,5;2,5\n", delimiter=",").delimiter == ","
    assert found("sep=;\na;b|c\n1;2|3\n", delimiter="|").delimiter == "|"
    assert found("1,5;2,5;3\n" * 3, names=["a", "b", "c"]).delimiter == ";"


@pytest.mark.parametrize(
    ("text", "heading", "units"),
    [
        ("a,b\n1,2\n3,4\n", "a,b", None),
        ("# by hand\n\na,b\n1,2\n3,4\n", "a,b", None),
        ("Logger: DL-7\nStart: 06:00\n\na,b,c\n1,2,3\n3,4,5\n4,5,6\n", "a,b,c", None),
        ("Device,DL-7\nSerial,99\n\na,b\n1,2\n3,4\n5,6\n", "a,b", None),
        ("Report,,\nDay,01.02.2024,\n,,\na,b,c\n1,2,3\n3,4,5\n4,5,6\n5,6,7\n", "a,b,c", None),
        ("a,b\n[s],[bar]\n1,2\n3,4\n", "a,b", "[s],[bar]"),
        ("a,b\ns,degC\n1,2\n3,4\n", "a,b", "s,degC"),
        ("a,b\nerror,?\n1,2\n3,4\n5,6\n7,8\n", "a,b", None),
        ("# a b\n1 2\n3 4\n", "# a b", None),
        ("kind,size\nx,y\nz,w\n", "kind,size", None),
    ],
)
def test_the_heading_is_found(text, heading, units):
    row, below = heading_of(found(text), Dialect())
    lines = text.splitlines()
    assert ",".join(lines[row.start : row.end]) == heading
    assert (None if below is None else lines[below.start]) == units


def test_a_hint_names_the_delimiter():
    assert [hint_of(line) for line in ("sep=;\r\n", '"sep=,"\n', "SEP=\t\n", "separator\n")] == [";", ",", "\t", None]


def test_numbers_in_whatever_writing():
    assert all(map(is_number, ("1", "-1.5", "1e-3", "1,5", "1.234.567,8", "5.1%", "1 234,5", " 7 ", ".5", "5.")))
    assert not any(map(is_number, ("", "x", "01.03.2024", "10:30", "1-2", "?", "1,2,3", "DL-7")))
