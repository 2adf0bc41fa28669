"""One column of a table as features, and columns back as the table that they came from."""

from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from blemish.core.errors import DataError
from blemish.core.graph import Graph
from blemish.data.columns import to_columns
from blemish.modalities.column import (
    Column,
    arcsinh_graph,
    from_columns,
    mask_columns,
    scaled_numbers,
    schema_of,
    with_columns,
)


def run(graph, feeds) -> Any:
    return onnxruntime.InferenceSession(graph.model({}).SerializeToString()).run(None, feeds)


def test_the_inverse_hyperbolic_sine_to_the_last_digits():
    x = np.concatenate([[0.0, 1e-300, 1e300], np.logspace(-12, 12, 200)])
    x = np.concatenate([x, -x])
    graph = Graph()
    graph.output("y", arcsinh_graph(graph.input("x", np.float64, ["row"])), np.float64, ["row"])
    (found,) = run(graph, {"x": x})
    np.testing.assert_allclose(found, np.arcsinh(x), rtol=1e-12)


def test_categories_are_one_hot_and_come_back_with_the_missing_ones():
    column = Column("kind", "categorical", categories=("(missing)", "a", "b"))
    features = column.encode(np.array(["a", None, "new", "b"], dtype=object))
    assert features.argmax(axis=1).tolist() == [2, 1, 0, 3]
    assert column.decode(features[[0, 1, 3]]).tolist() == ["a", None, "b"]
    assert column.widths == (("kind", "categorical", 4),)


def test_numbers_come_back_in_the_users_unit():
    numbers = np.array([[-3.0], [0.5], [np.nan], [2000.0]])
    scaled, missing = scaled_numbers(numbers, np.array([1.0]), np.array([2.0]))
    column = Column("speed", "numeric", 1.0, 2.0, indicates_missing=True)
    np.testing.assert_allclose(column.decode(np.hstack([scaled, missing])), numbers[:, 0], rtol=1e-5)
    assert [name for name, *_ in column.widths] == ["speed", "speed (missing)"]


def test_yes_and_no_have_nothing_for_missing():
    column = Column("hot", "binary")
    assert column.encode(np.array([True, False])).ravel().tolist() == [1, 0]
    assert column.encode(np.array([np.nan, 1.0])).ravel().tolist() == [0, 1]
    assert column.decode(np.array([[0.4], [0.6]])).tolist() == [False, True]


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
