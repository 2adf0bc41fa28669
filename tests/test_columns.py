"""Results as frames, with pandas and without it."""

import sys

import pandas as pd
import pyarrow as pa

from blemish.columns import frame_html, frame_of

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
