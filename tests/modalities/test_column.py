"""One column of a table as features."""

from typing import Any

import numpy as np
import onnxruntime

from blemish.core.graph import Graph
from blemish.modalities.column import Column, arcsinh_graph, scaled_numbers


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
