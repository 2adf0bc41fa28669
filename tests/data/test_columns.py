"""Results as frames, with pandas and without it."""

import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from blemish.core.errors import DataError
from blemish.data.columns import (
    CLOCK,
    ISO,
    PARTS,
    Style,
    columns_with_gaps,
    frame_html,
    frame_of,
    number_of,
    to_categories,
    to_columns,
    to_numbers,
    to_times,
)

LINES = [{"row": 0, "seen": 1.5}, {"row": 1, "seen": "<b>"}]


def test_lines_are_a_pandas_frame_with_the_rows_names():
    frame = frame_of(LINES, index=["a", "b"], mixed=["seen"])
    pd.testing.assert_frame_equal(frame, pd.DataFrame(LINES, index=["a", "b"]))
    assert list(frame_of(LINES).index) == [0, 1]
    assert "&lt;b&gt;" in frame_html(frame)


def test_without_pandas_they_are_an_arrow_table(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    table = frame_of(LINES, index=["a", "b"], mixed=["seen"])
    assert isinstance(table, pa.Table)
    assert table.to_pylist() == [{"row": 0, "seen": "1.5"}, {"row": 1, "seen": "<b>"}]
    assert "<b>" not in frame_html(table)


def test_columns_that_libraries_hand_over_in_odd_forms():
    days = np.array(["2020-01-01", "2020-01-02", "NaT"], dtype="datetime64[D]")
    found, form = to_columns(np.stack([days, days], axis=1))
    assert form == "numpy"
    assert found["x0"].dtype == "datetime64[us]"
    seconds = to_numbers(found["x0"], "x0")
    assert seconds.tolist()[:2] == [1577836800.0, 1577923200.0]
    assert np.isnan(seconds[2])
    for X, message in (
        (pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"]), "two columns of the table have the same name; rename one"),
        (pd.DataFrame([[1, 2], [3, 4]], columns=["1", 1]), "two columns named '1'; rename one"),
        ([{"a": 1}, {"a": 2}], "Expected 2D array, got 1D array"),
        (np.zeros((3, 0)), "0 feature"),
        (np.zeros((3, 2), dtype=complex), "Complex data not supported"),
    ):
        with pytest.raises(DataError, match=message):
            to_columns(X)


def test_an_error_does_not_print_the_data():
    for X in ([{"secret": 1}] * 30, np.full((3, 2), 1j)):
        with pytest.raises(DataError) as error:
            to_columns(X)
        assert "secret" not in str(error.value)
        assert "j" not in str(error.value)


# Cells


@pytest.mark.parametrize(
    ("text", "style", "number"),
    [
        ("5.12", Style(), 5.12),
        ("01", Style(), 1.0),
        (" -3e2 ", Style(), -300.0),
        ("\u22123.5", Style(), -3.5),
        ("TRUE", Style(), 1.0),
        # marks that mean one thing
        ("5,12", Style(), 5.12),
        ("0,123", Style(groups=","), 0.123),
        ("1,234.5", Style(","), 1234.5),
        ("1.234,5", Style(), 1234.5),
        ("1,234,567", Style(), 1234567.0),
        ("1 234,5", Style(), 1234.5),
        ("1'234.5", Style(), 1234.5),
        # marks that need a style
        ("1,234", Style(","), 1.234),
        ("1,234", Style(groups=","), 1234.0),
        ("1,234", Style(), np.nan),
        ("1.234", Style(), 1.234),
        ("1.234", Style(",", "."), 1234.0),
        ("5.1%", Style(unit="%"), 5.1),
        ("5.1", Style(unit="%"), 5.1),
        ("5.1%", Style(), np.nan),
        ("$ 12", Style(unit="$"), 12.0),
        *((text, Style(), np.nan) for text in ("", "?", "-", "n/a", "nan", "Bad Input", "#DIV/0!", "1.2.3", "0x1F", "1_000", None)),
    ],
)  # fmt: skip
def test_a_number_in_a_cell(text, style, number):
    np.testing.assert_equal(number_of(text, style), number)


def test_a_cell_means_the_category_of_its_text_else_that_of_its_value():
    cells = np.array(["007", "7", "7.0", "True", "x", "NA", None, " b "], dtype=object)
    known = ["007", "8", "b", "true"]
    assert to_categories(cells, known) == ["007", "007", "007", "true", "x", "(missing)", "(missing)", "b"]
    assert to_categories(np.array([7.0, 8.0, np.nan]), known) == ["007", "8", "(missing)"]
    assert to_categories(np.array([True, False]), known) == ["true", "False"]
    # 1.1 and 1.10 are two versions where texts tell them apart; '1' is known as it stands
    assert to_categories(np.array(["1.1", "1.10", "1", "01"], dtype=object), ["01", "1", "1.1", "1.10"]) == [
        "1.1", "1.10", "1", "01"
    ]  # fmt: skip
    assert to_categories(np.array(["NA"], dtype=object), ["NA"]) == ["NA"]  # of a model of before


def test_times_however_they_come():
    texts = np.array(["2024-03-01 06:30", "2024-03-01T06:30:00+01:00", "?", None], dtype=object)
    found = to_times(texts, ISO)
    assert found.astype(str).tolist() == ["2024-03-01T06:30:00.000000", "2024-03-01T05:30:00.000000", "NaT", "NaT"]
    for same, form in (
        (np.array(["01.03.2024 06:30"], dtype=object), "%d.%m.%Y %H:%M"),
        (np.array([1709274600.0]), "s"),
        (np.array(["1709274600000"], dtype=object), "ms"),
    ):
        assert to_times(same, form)[0] == found[0]
    assert PARTS["hour of day"](found)[:2].tolist() == [6.5, 5.5]
    assert PARTS["day of week"](found).tolist() == ["Friday", "Friday", None, None]
    assert PARTS["hour of day"](to_times(np.array(["06:30", "06:30:00"], dtype=object), CLOCK)).tolist() == [6.5, 6.5]
    assert to_columns({"t": [pd.Timestamp("2024-03-01 06:30", tz="Europe/Paris")]})[0]["t"][0] == found[1]


def test_columns_with_gaps():
    frame = pd.DataFrame({"a": [1.0, np.nan], "b": ["x", None], "c": [1, 2]})
    for table in (frame, pa.Table.from_pandas(frame)):
        assert columns_with_gaps(table) == {"a", "b"}
    assert columns_with_gaps(frame.to_numpy()) == set()
