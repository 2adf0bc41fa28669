"""Results as frames, with pandas and without it."""

import re
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from PIL import Image as Pillow

from blemish.core.errors import DataError
from blemish.data.columns import frame_html, frame_of, to_columns
from blemish.data.planes import check_pictures
from blemish.data.rows import to_rows

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


def test_rows_of_a_dictionary_are_those_of_its_columns():
    assert to_rows({"a": np.arange(5), "b": list("xyxyx")}).n_given == 5
    for X, message in (
        ({"a": [1, 2], "b": [1]}, "must be equally long, got"),
        ({}, "must be equally long, got none"),
        ({"a": 1}, "must be equally long"),
        (pl.LazyFrame({"a": [1]}), "give X.collect()"),
        (None, "X is of type NoneType, which holds no samples"),
        ((row for row in [[1.0]]), "X is of type generator"),
    ):
        with pytest.raises(DataError, match=re.escape(message)):
            to_rows(X)


def test_no_row_is_nothing_to_score(table_detector, table_split):
    for X in (np.empty((0, 4)), [], table_split.X_test[:0]):
        with pytest.raises(DataError, match="no sample, at least one"):
            table_detector.outlier_score(X)


def test_pictures_in_whatever_holds_them(image_split):
    X = [np.asarray(picture) for picture in image_split.X_test[:3]]
    expected = to_rows(X).X
    odd = np.empty(3, dtype=object)
    odd[:] = X
    as_pillow = [Pillow.fromarray(picture[0]) for picture in X]
    for one in (odd, as_pillow, torch.from_numpy(np.stack(X))):
        found = to_rows(one, "image")
        assert found.modality == "image"
        assert all(np.array_equal(a, b) for a, b in zip(found.X, expected, strict=True))


def test_pictures_that_are_none():
    fine = np.zeros((1, 4, 4))
    for bad, message in (
        (np.full((1, 4, 4), np.nan), "image 1 holds NaN or infinity"),
        (np.zeros((1, 0, 4)), "no pixel at all"),
    ):
        with pytest.raises(DataError, match=message):
            check_pictures([fine, bad], 3, "image", "batch, channel, height, width")


def test_an_error_does_not_print_the_data():
    for X in ([{"secret": 1}] * 30, np.full((3, 2), 1j)):
        with pytest.raises(DataError) as error:
            to_columns(X)
        assert "secret" not in str(error.value)
        assert "j" not in str(error.value)
