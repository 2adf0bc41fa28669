"""The encoding of a text file: said, marked, or guessed and noted."""

import gzip

import pytest

from blemish.core.errors import ConfigError, DataError
from blemish.data.dataset import Dialect, Reading
from blemish.data.dialect.encoding import encoding_of, first_lines, text_encoding

TEXT = "Temp °C;Ort\n21,5;Süd\n" * 3


def guessed(tmp_path, content, **said):
    (tmp_path / "t.csv").write_bytes(content)
    reading = Reading()
    return encoding_of(tmp_path / "t.csv", Dialect.check(**said), reading), [note.how for note in reading]


@pytest.mark.parametrize(
    ("content", "expected", "how"),
    [
        (TEXT.encode(), "utf8", None),
        (TEXT.encode("utf-8-sig"), "utf8", None),
        (TEXT.encode("utf-16"), "utf-16", "UTF-16, by its byte order mark"),
        (TEXT.encode("utf-32"), "utf-32", "UTF-32, by its byte order mark"),
        (TEXT.encode("utf-16-le"), "utf-16-le", "UTF-16-LE, because every other byte is 0"),
        (TEXT.encode("cp1252"), "cp1252", "Windows-1252, because byte 5 is not UTF-8; if letters look wrong"),
        (TEXT.encode("cp1252") + b"\x81", "latin-1", "Latin-1, because byte 5 is not UTF-8"),
        (b"a,b\n" * 2_000_000 + b"\xb0,1\n", "cp1252", "Windows-1252, because byte 8000000 is not UTF-8"),
    ],
)
def test_an_encoding_is_guessed_by_the_whole_file(content, expected, how, tmp_path):
    found, notes = guessed(tmp_path, content)
    assert found == expected
    assert [note[: len(how)] for note in notes] == [how] if how else notes == []


def test_what_was_said_is_not_guessed(tmp_path):
    assert guessed(tmp_path, "Темп;1\n".encode("cp1251"), encoding="cp1251") == ("cp1251", [])
    with pytest.raises(DataError, match=r"byte 5 is not utf-8; give another --encoding, or none"):
        guessed(tmp_path, TEXT.encode("cp1252"), encoding="utf-8")
    with pytest.raises(ConfigError, match="unknown encoding 'utf8000'"):
        guessed(tmp_path, b"a\n", encoding="utf8000")


def test_what_was_said_of_another_file_is_tried_where_it_is_not_utf_8(tmp_path):
    assumed = Dialect(encoding="cp1251", assumed=True)
    for content, expected in (("Темп;1\n".encode("cp1251"), "cp1251"), ("Темп;1\n".encode(), "utf8")):
        (tmp_path / "t.csv").write_bytes(content)
        assert encoding_of(tmp_path / "t.csv", assumed, Reading()) == expected
    assert text_encoding(tmp_path / "t.csv", assumed, Reading()) is None
    assert text_encoding(tmp_path / "t.csv", Dialect(encoding="cp1251"), Reading()) == "cp1251"


def test_the_first_lines_are_whole(tmp_path):
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress((f"{'a,' * 50_000}b\n" * 4).encode()))
    lines = first_lines(tmp_path / "t.csv.gz", Dialect())
    assert {len(line) for line in lines} == {100_002}
    (tmp_path / "cr.csv").write_bytes(b"a\rb\r\nc\x0bd")
    assert first_lines(tmp_path / "cr.csv", Dialect()) == ["a\r", "b\r\n", "c\x0bd"]
