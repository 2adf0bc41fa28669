"""Masks as booleans."""

import numpy as np
import pytest

from blemish.core.errors import DataError
from blemish.modalities.masks import to_booleans


@pytest.mark.parametrize("mask", [[[0, 255]], [[False, True]], [[0.0, 1.0]], np.array([[False, True]], dtype=object)])
def test_numbers_and_objects_become_booleans(mask):
    assert to_booleans(mask).tolist() == [[False, True]]


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ([[0.5]], "the mask holds float64 values; give booleans"),
        ([["yes"]], "the mask holds <U3 values"),
        ([[True], [True, False]], "the mask is ragged"),
    ],
)
def test_what_is_not_a_mask(mask, message):
    with pytest.raises(DataError, match=message):
        to_booleans(mask)
