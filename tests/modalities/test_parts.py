"""Parts of rows: taking rows copies nothing and keeps their parts and marks together."""

import numpy as np
import pytest

from blemish.modalities.parts import Parts


@pytest.fixture
def parts():
    """Three rows of 2, 1 and 3 parts; the last row has marks."""
    rows = [np.full((n, 2), i, np.float32) + np.arange(n)[:, None] / 10 for i, n in enumerate((2, 1, 3))]
    return Parts.of(rows, [None, None, np.array([False, True, True])])


def test_rows_come_back_with_their_parts_and_marks(parts):
    assert len(parts) == 3
    assert [len(row) for row in parts] == parts.counts.tolist() == [2, 1, 3]
    assert [mark.tolist() for mark in parts.marks()] == [[False, False], [False], [False, True, True]]
    np.testing.assert_allclose(list(parts)[2][:, 0], [2, 2.1, 2.2])


@pytest.mark.parametrize("rows", [np.array([2, 0]), np.array([True, False, True]), slice(1, None)])
def test_taken_rows_share_the_arrays(parts, rows):
    some = parts[rows]
    assert some.values is parts.values
    for at, row in enumerate(np.arange(3)[rows]):
        np.testing.assert_array_equal(list(some)[at], list(parts)[row])
        np.testing.assert_array_equal(list(some.marks())[at], list(parts.marks())[row])


def test_an_even_sample_has_as_many_of_each_row(parts):
    values, row = parts.evenly(6)
    assert row.tolist() == [0, 0, 1, 2, 2]
    np.testing.assert_allclose(values[row == 2, 0], [2, 2.2])  # the first and the last: evenly over the row
    assert len(parts.evenly(1)[0]) == 3, "one of each row at least"
