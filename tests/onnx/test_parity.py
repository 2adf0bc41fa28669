"""When an export counts as the same model."""

from dataclasses import replace

import numpy as np
import pytest

from blemish.core.errors import ExportError
from blemish.onnx.parity import MAX_BEYOND, TOLERANCE, Parity, _apart, accept

GOOD = Parity(rows=200, source="given", evidence=1e-6, scores=1e-15, drift=1e-6, beyond=2, maps=1e-7, maps_beyond=0.03)


def test_what_agrees_is_accepted_and_said():
    accept(GOOD)
    assert GOOD.text == "200 rows (given) agree to 1.0e-06, except 2 where the last digit of float32 decides"
    assert replace(GOOD, beyond=0, drift=0.0).text == "200 rows (given) agree to 1.0e-15"


@pytest.mark.parametrize(
    "worse",
    [
        {"evidence": 2 * TOLERANCE},
        {"scores": 2 * TOLERANCE},
        {"maps": 2 * TOLERANCE},
        {"maps": np.inf},
        {"beyond": int(200 * MAX_BEYOND) + 1},
        {"scores": np.nan},
    ],
)
def test_what_does_not_agree_is_refused(worse):
    with pytest.raises(ExportError, match="would differ from the original on 200 rows"):
        accept(replace(GOOD, **worse))


def test_differences_are_relative_to_the_largest_number_of_a_row():
    a, b = np.array([[1.0, 100.0], [0.1, 0.2]]), np.array([[2.0, 100.0], [0.1, np.nan]])
    np.testing.assert_allclose(_apart(a, b), [[0.01, 0.0], [np.inf, np.inf]])
