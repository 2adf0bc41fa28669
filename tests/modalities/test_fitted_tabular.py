"""A fitted table: tensors and back."""

import json
from typing import Any, cast

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch

from blemish import DefectDetector
from blemish.core.errors import DataError, DataWarning, ExportError
from blemish.core.graph import Graph
from blemish.modalities.column import NO_CATEGORY
from blemish.modalities.fitted_tabular import NEVER_MISSING, UNKNOWN, UNSEEN, FittedTabular
from blemish.modalities.tabular import Tabular
from blemish.onnx.runtime import FEEDS

pytestmark = pytest.mark.usefixtures("few_trees")


def run(graph, feeds) -> Any:
    return onnxruntime.InferenceSession(graph.model({}).SerializeToString()).run(None, feeds)


def test_numbers_of_a_table_are_prepared_to_the_same_bits():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 3)) * [1e-3, 1.0, 1e6] * np.exp(2 * rng.normal(size=(4000, 3)))
    X[rng.random(X.shape) < 0.05] = np.nan
    fitted = Tabular().fit(X)
    x = fitted.to_tensor(X)
    graph = Graph()
    graph.output("x", fitted.graph(graph), np.float32, ["row", x.shape[1]])
    (found,) = run(graph, {"X": X})
    assert np.array_equal(found, x)
    plain = np.sinh(x.astype(np.float64)).astype(np.float32)
    is_number = [block.kind == "numeric" for block in fitted.blocks]
    assert np.array_equal(fitted.features(torch.from_numpy(x))["plain"].numpy(), np.where(is_number, plain, x))


def test_a_frame_becomes_features_and_comes_back(mixed_frame):
    fitted = Tabular().fit(mixed_frame)
    x = fitted.to_tensor(mixed_frame)
    assert x.shape == (120, *fitted.sample_shape)
    assert fitted.blocks[-1].stop == x.shape[1]
    assert len(fitted.elements) == len(fitted.blocks)
    again = fitted.to_raw(x)
    assert again.dtypes.tolist() == mixed_frame.dtypes.tolist()
    np.testing.assert_allclose(again["load"], mixed_frame["load"], rtol=1e-4)
    known = mixed_frame["kind"].notna()  # one missing value among 120 is too few to be a category
    assert again["kind"][known.to_numpy()].tolist() == mixed_frame["kind"][known].tolist()


def test_slices_of_an_array_of_numbers_are_prepared_alike_and_nothing_else():
    X = np.random.default_rng(0).normal(size=(50, 3))
    fitted = Tabular().fit(X)
    assert fitted.in_parts(X)
    assert not fitted.in_parts(X[:, :2])
    assert not fitted.in_parts(pd.DataFrame(X))
    assert np.array_equal(np.concatenate([fitted.to_tensor(X[:20]), fitted.to_tensor(X[20:])]), fitted.to_tensor(X))


def test_what_an_explanation_shows(mixed_frame):
    fitted = Tabular().fit(mixed_frame)
    new = mixed_frame[:2].assign(kind=["z", "a"])
    place = fitted.elements.index("kind")
    shown = fitted.describe(fitted.to_tensor(new))
    assert [row[place] for row in shown] == [UNSEEN, "a"]
    likeliest: Any = fitted.likeliest(fitted.to_tensor(new))
    assert next(iter(likeliest[1][place].items())) == ("a", 1.0)
    assert likeliest[1][0] is None


def test_only_masked_cells_are_filled(mixed_frame):
    fitted = Tabular().fit(mixed_frame)
    x = np.zeros_like(fitted.to_tensor(mixed_frame[:3]))
    filled = fitted.fill(mixed_frame[:3], pd.DataFrame({"speed": [True, False, False]}), x)
    assert filled["speed"].iloc[0] == pytest.approx(fitted.columns[0].centre)
    assert filled["speed"].iloc[1:].tolist() == mixed_frame["speed"].iloc[1:3].tolist()
    with pytest.warns(DataWarning, match="left out"):
        fitted = Tabular().fit(mixed_frame[["speed"]].assign(no=None))
    with pytest.raises(DataError, match=r"column\(s\) 'no' cannot be filled in: not known to the model"):
        fitted.to_mask(mixed_frame[:1][["speed"]].assign(no=None), pd.DataFrame({"no": [True]}))


def test_columns_are_found_by_name(mixed_frame):
    det = DefectDetector(epochs=1, random_state=0).fit(mixed_frame)
    shuffled = mixed_frame[mixed_frame.columns[::-1]].assign(extra=1)
    np.testing.assert_array_equal(det.outlier_score(shuffled), det.outlier_score(mixed_frame))
    with pytest.raises(DataError, match="lacks 'load' of the 5 that the model was fitted on"):
        det.outlier_score(mixed_frame.drop(columns="load"))
    missing = det.outlier_score(mixed_frame.assign(speed=np.nan))  # what is not a number is missing (decisions.md 85)
    np.testing.assert_array_equal(det.outlier_score(mixed_frame.assign(speed="fast")), missing)


def test_a_missing_yes_or_no_is_no_error(typed_frame):
    frame, det = typed_frame
    assert np.isfinite(det.outlier_score(frame.assign(even=[None, *frame["even"][1:]]))).all()


def test_models_of_before_take_times_as_seconds_and_gaps_as_the_median():
    frame = pd.DataFrame({"t": pd.date_range("2024-03-01", periods=30, freq="D"), "x": np.arange(30.0) ** 2})
    fitted = Tabular(use=("t",)).fit(frame)
    old = fitted.state()
    seconds = {
        "name": "t",
        "kind": "numeric",
        "centre": 1.71e9,
        "scale": 1e6,
        "categories": [],
        "indicates_missing": False,
    }
    known = ("name", "kind", "centre", "scale", "categories", "indicates_missing")
    old["columns"] = [seconds, {name: old["columns"][-1][name] for name in known}]
    del old["texts"], old["left_out"]
    fitted = FittedTabular.from_state(json.loads(json.dumps(old)))
    x = fitted.to_tensor(frame)
    seconds = frame["t"].to_numpy().astype("datetime64[s]").astype(np.int64)
    np.testing.assert_allclose(x[:, 0], np.arcsinh((seconds - 1.71e9) / 1e6), rtol=1e-5)
    np.testing.assert_array_equal(fitted.to_tensor(frame.astype({"t": str})), x)
    assert fitted.to_tensor(frame.assign(x=np.nan))[:, 1].tolist() == [0.0] * 30


@pytest.mark.filterwarnings("ignore:left out")
def test_times_and_gaps_in_a_graph():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "t": pd.date_range("2024-03-01", periods=60, freq="5h").strftime("%d.%m.%Y %H:%M"),
            "flow": [f"{x:.2f}%" for x in rng.normal(5, 1, 60)],
            "hot": rng.random(60) < 0.5,
            "recipe": rng.choice(["007", "A12"], 60),
        }
    )
    fitted = Tabular(use=("t",)).fit(frame)
    new = frame[:5].assign(recipe=[7, "7", "007", "A12", None], flow=[None, "?", 5, "5.0", "5%"], hot=None)
    graph = Graph()
    graph.output("x", fitted.graph(graph), np.float32, ["row", *fitted.sample_shape])
    make, rows, _ = FEEDS["columns"]
    (feeds,) = make(new, json.loads(json.dumps(fitted.interface())), rows)
    (found,) = run(graph, feeds)
    np.testing.assert_array_equal(found, fitted.to_tensor(new))
    with pytest.raises(ExportError, match="column 't' is read as text, which has no ONNX graph"):
        Tabular(text=("t",)).fit(frame).graph(Graph())


def test_a_missing_category_or_yes_is_told_from_an_unseen_one():
    frame = pd.DataFrame({"n": np.arange(40.0) ** 0.5, "kind": ["a", "b"] * 20, "hot": [True, False] * 20})
    fitted = Tabular().fit(frame)
    new = frame[:3].assign(kind=["a", None, "z"], hot=pd.Series([True, None, False], dtype=object))
    x = fitted.to_tensor(new)
    assert fitted.describe(x)[1][1:] == [None, None]
    assert [row[1] for row in fitted.shown(x)] == ["a", NEVER_MISSING, UNSEEN]
    unknown = fitted.features(torch.from_numpy(x))["numbers"][:, -1]
    assert (unknown / UNKNOWN).tolist() == pytest.approx([0, 2 * NO_CATEGORY, 1])
    assert FittedTabular.from_state(cast(Any, fitted.state())).to_tensor(new).tolist() == x.tolist()


def test_where_training_had_a_gap_a_missing_category_is_one_of_them():
    frame = pd.DataFrame({"kind": ["a", "b", None] * 20, "rare": [None, *["c"] * 59]})
    fitted = Tabular().fit(frame)
    assert [column.absent for column in fitted.columns] == [0, 0]
    assert fitted.describe(fitted.to_tensor(frame[2:3]))[0][0] is None
