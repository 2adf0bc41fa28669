"""Tables as tensors and back."""

from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch

import reference
from blemish import DefectDetector
from blemish.core.errors import DataError, DataWarning
from blemish.core.graph import Graph
from blemish.modalities.tabular import UNSEEN, Tabular


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


def test_columns_of_nothing_are_left_out_with_a_warning():
    frame = pd.DataFrame({"empty": [np.nan] * 30, "id": [f"row {i}" for i in range(30)], "x": np.arange(30.0)})
    with pytest.warns(DataWarning, match="left out column\\(s\\) 'empty', 'id'"):
        fitted = Tabular().fit(frame)
    assert fitted.names == ("x",)
    assert fitted.n_columns == 3
    with pytest.raises(DataError, match="no column can be used"):
        Tabular().fit(frame[["empty", "id"]])


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


def test_constant_and_missing_columns():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    X[:, 1], X[:, 2], X[::7, 3] = 3.0, np.nan, np.nan
    with pytest.warns(UserWarning, match="left out column\\(s\\) 'x2': empty"):
        det = DefectDetector(epochs=1, random_state=0).fit(X)
    assert np.isfinite(det.outlier_score(X)).all()
    with pytest.raises(DataError, match="no column can be used"):
        DefectDetector().fit(np.full((5, 2), np.nan))


def test_unseen_categories_are_unusual_not_an_error(mixed_frame):
    det = DefectDetector(epochs=40, random_state=0).fit(mixed_frame)
    strange = mixed_frame.assign(kind="never seen")
    assert det.outlier_score(strange).median() > det.outlier_score(mixed_frame).median()


def test_columns_are_found_by_name(mixed_frame):
    det = DefectDetector(epochs=1, random_state=0).fit(mixed_frame)
    shuffled = mixed_frame[mixed_frame.columns[::-1]].assign(extra=1)
    np.testing.assert_array_equal(det.outlier_score(shuffled), det.outlier_score(mixed_frame))
    with pytest.raises(DataError, match="lacks 'load' of the 5 that the model was fitted on"):
        det.outlier_score(mixed_frame.drop(columns="load"))
    with pytest.raises(DataError, match="row 0, column 'speed': 'fast' is not a number"):
        det.outlier_score(mixed_frame.assign(speed="fast"))


def test_a_missing_yes_or_no_is_no_error(typed_frame):
    frame, det = typed_frame
    assert np.isfinite(det.outlier_score(frame.assign(even=[None, *frame["even"][1:]]))).all()


# Numbers against NumPy loops


def test_scaled_numbers_equal_the_loops():
    values = np.random.default_rng(0).standard_t(2, size=41) * 30 + 5
    scaled = Tabular().fit(values[:, None]).to_tensor(values[:, None])
    np.testing.assert_allclose(scaled[:, 0], reference.asinh_scaled(values), rtol=1e-6)
    assert reference.normal_iqr_factor() == pytest.approx(1.349, abs=1e-3)


def test_a_missing_number_is_scaled_to_zero_and_marked():
    values = np.array([3.0, np.nan, 8.0, 4.0, 9.0])
    scaled = Tabular().fit(values[:, None]).to_tensor(values[:, None])
    np.testing.assert_allclose(scaled[:, 0], reference.asinh_scaled(values), rtol=1e-6)
    assert scaled[:, 1].tolist() == [0, 1, 0, 0, 0]


def test_numbers_are_scaled_alike_however_they_come():
    rng = np.random.default_rng(0)
    X = rng.standard_t(2, size=(5000, 3)).astype(np.float32)
    fitted = Tabular().fit(X)
    scaled = fitted.to_tensor(X)
    np.testing.assert_array_equal(fitted.to_tensor(X.astype(np.float64)), scaled)
    np.testing.assert_array_equal(fitted.to_tensor({f"x{i}": X[:, i] for i in range(3)}), scaled)
    np.testing.assert_array_equal(np.concatenate([fitted.to_tensor(row[None]) for row in X[:50]]), scaled[:50])
    for i in range(3):
        np.testing.assert_allclose(scaled[:, i], reference.asinh_scaled(X[:, i].astype(float)), rtol=1e-6)


def test_numbers_beyond_a_float32_are_scaled_like_others():
    X = np.array([[0.0], [1.0], [2.0], [3.0], [1e300], [-1e300], [np.nan]])
    fitted = Tabular().fit(X[:4])
    expected = np.arcsinh((X[:6, 0] - 1.5) / (1.5 / 1.349))
    # None was missing in training, so a missing one lies beyond all of these: decisions.md 79.
    np.testing.assert_allclose(fitted.to_tensor(X)[4:, 0], [*expected[4:], np.abs(expected[:4]).max() + 3], rtol=1e-6)
    assert np.isnan(fitted.to_raw(fitted.to_tensor(X))[6, 0]), "and is read back as missing"


@pytest.mark.parametrize("with_a_gap", [False, True])
def test_an_infinite_number_in_an_array_is_named(with_a_gap):
    X = np.random.default_rng(0).normal(size=(100, 3))
    fitted = Tabular().fit(X)
    X[7, 2] = np.inf
    if with_a_gap:
        X[5, 1] = np.nan
    with pytest.raises(DataError, match="row 7, column 'x2' is infinity"):
        fitted.to_tensor(X)
