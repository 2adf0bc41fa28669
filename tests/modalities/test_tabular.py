"""Tables: what is learnt of their columns."""

import json
import re

import numpy as np
import pandas as pd
import pytest

import reference
from blemish import DefectDetector
from blemish.core.errors import DataError, DataWarning
from blemish.modalities.fitted_tabular import FittedTabular
from blemish.modalities.tabular import Tabular

pytestmark = pytest.mark.usefixtures("few_trees")


def test_columns_of_nothing_are_left_out_with_a_warning():
    frame = pd.DataFrame({"empty": [np.nan] * 30, "id": [f"row {i}" for i in range(30)], "x": np.arange(30.0) ** 2})
    with pytest.warns(DataWarning, match="left out column\\(s\\) 'empty', 'id'"):
        fitted = Tabular().fit(frame)
    assert fitted.names == ("x",)
    assert fitted.n_columns == 3
    with pytest.raises(DataError, match="no column can be used"):
        Tabular().fit(frame[["empty", "id"]])


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


# Columns by name


def log(n=240, **columns):
    rng = np.random.default_rng(0)
    times = pd.date_range("2024-03-01", periods=n, freq="37min")
    memo = [f"{rng.choice(['paid', 'sent'])} {i} to {rng.choice(['shop', 'bank', 'home'])}" for i in range(n)]
    return pd.DataFrame({"t": times, "flow": rng.normal(size=n), "memo": memo, "n": np.arange(n), **columns})


@pytest.mark.filterwarnings("ignore:left out")
def test_what_is_left_out_can_be_used():
    frame = log()
    assert Tabular().fit(frame).names == ("flow",)
    used = Tabular(use=("t", "n"), text=("memo",)).fit(frame)
    assert used.names == ("t", "flow", "memo", "n")
    hour, day = used.columns[:2]
    assert (hour.name, hour.kind, day.name, day.kind) == (
        "t (hour of day)",
        "numeric",
        "t (day of week)",
        "categorical",
    )
    assert set(day.categories) == {"Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday"}
    x = used.to_tensor(frame)
    for same in (frame.assign(t=frame["t"].astype(str)), frame[frame.columns[::-1]], frame.astype({"n": str})):
        np.testing.assert_array_equal(used.to_tensor(same), x)
    np.testing.assert_array_equal(used.to_tensor(frame[50:51]), x[50:51])
    again = used.to_raw(x)
    assert "memo" not in again
    assert again["t"].dt.day_name().tolist() == frame["t"].dt.day_name().tolist()
    np.testing.assert_allclose(again["t"].dt.hour, frame["t"].dt.hour, atol=1)
    np.testing.assert_array_equal(FittedTabular.from_state(json.loads(json.dumps(used.state()))).to_tensor(frame), x)


def test_names_of_columns_that_cannot_be_used():
    for wrong, message in (
        (Tabular(use=("time",)), "use names column 'time', which the table lacks; did you mean 'memo'?"),
        (Tabular(text=("note",)), "text names column 'note', which the table lacks"),
        (Tabular(use=("id",)), "column 'id' has a different text in every row; read it as text"),
    ):
        with pytest.raises(DataError, match=re.escape(message)):
            wrong.fit(log(id=[f"row {i}" for i in range(240)]))
    with pytest.raises(DataError, match="no column can be used \\(n: a running number\\); to use one all the same"):
        Tabular().fit(log()[["n"]])


def test_a_gap_where_training_had_none_lies_beyond_all_of_it():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=200), rng.exponential(size=200)])
    X[:3, 0] = np.nan
    fitted = Tabular().fit(X)
    x, gap = fitted.to_tensor(X), fitted.to_tensor(np.full((1, 2), np.nan))
    assert gap[0, :2].tolist() == [0.0, 1.0]  # a number, and that it is missing
    assert gap[0, 2] < x[:, 2].min() - 2.9  # the tail is at the other end
    assert np.isnan(fitted.to_raw(gap)).all()


def test_a_part_of_the_rows_is_told_what_the_others_lack():
    X = pd.DataFrame({"flow": np.random.default_rng(0).normal(size=100), "n": np.arange(0.0, 5000, 50)})
    with pytest.warns(DataWarning, match="'n'"):
        fitted = Tabular().fit_sample(X, 5000, {"flow"})
    assert fitted.names == ("flow",)
    assert fitted.columns[0].indicates_missing


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
    scaled = np.arcsinh((X[4:6, 0] - 1.5) / (1.5 / 1.349))
    np.testing.assert_allclose(fitted.to_tensor(X)[4:, 0], [*scaled, fitted.columns[0].absent], rtol=1e-6)
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
