"""Results as frames, with pandas and without it."""

import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from blemish.core.errors import DataError
from blemish.data.columns import frame_html, frame_of, to_columns

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
    assert found["x0"].tolist()[:2] == [1577836800.0, 1577923200.0]
    assert np.isnan(found["x0"][2])
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
