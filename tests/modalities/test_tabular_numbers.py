"""How the numbers of a table are scaled, against NumPy loops."""

import numpy as np
import pytest

import reference
from blemish.core.errors import DataError
from blemish.modalities.tabular import Tabular


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
    np.testing.assert_allclose(
        fitted.to_tensor(X)[4:, 0], [*np.arcsinh((X[4:6, 0] - 1.5) / (1.5 / 1.349)), 0], rtol=1e-6
    )


@pytest.mark.parametrize("with_a_gap", [False, True])
def test_an_infinite_number_in_an_array_is_named(with_a_gap):
    X = np.random.default_rng(0).normal(size=(100, 3))
    fitted = Tabular().fit(X)
    X[7, 2] = np.inf
    if with_a_gap:
        X[5, 1] = np.nan
    with pytest.raises(DataError, match="row 7, column 'x2' is infinity"):
        fitted.to_tensor(X)
