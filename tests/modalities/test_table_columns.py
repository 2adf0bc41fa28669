"""Columns back as the table that they came from."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from blemish.core.errors import DataError
from blemish.data.columns import to_columns
from blemish.modalities.table_columns import from_columns, mask_columns, schema_of, with_columns

FRAME = pd.DataFrame({"n": [1, 2, 3], "x": [0.5, np.nan, 2.0], "yes": [True, False, True], "kind": ["a", None, "b"]})


@pytest.mark.parametrize("make", [lambda f: f, pl.from_pandas, pa.Table.from_pandas], ids=["pandas", "polars", "arrow"])
def test_a_table_comes_back_in_its_form_with_its_types(make):
    table = make(FRAME)
    columns, form = to_columns(table)
    again = from_columns(columns, form, schema_of(table))
    assert type(again) is type(table)
    assert to_columns(again)[0].keys() == columns.keys()
    assert schema_of(again).types == schema_of(table).types


def test_whole_numbers_that_are_not_hidden_stay_to_the_last_digit():
    table = pa.table({"n": [2**62 + 1, 5]})
    hidden = {"n": np.array([False, True])}
    filled = with_columns(table, {"n": np.array([0.0, 7.4])}, hidden, schema_of(table))
    assert filled["n"].to_pylist() == [2**62 + 1, 7]


def test_a_mask_by_column():
    columns = to_columns(FRAME)[0]
    found = mask_columns(pd.DataFrame({"x": [False, True, False]}), columns)
    assert {name: rows.tolist() for name, rows in found.items() if rows.any()} == {"x": [False, True, False]}
    for mask, message in (
        (pd.DataFrame({"z": [True]}), "the mask has column\\(s\\) 'z' that"),
        (pd.DataFrame({"x": [True]}), "the mask has 1 rows, the table 3"),
        (np.ones((3, 2), dtype=bool), r"the mask has shape \(3, 2\), the table \(3, 4\)"),
    ):
        with pytest.raises(DataError, match=message):
            mask_columns(mask, columns)
