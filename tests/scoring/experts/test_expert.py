"""Features in units of their own standard deviation."""

import numpy as np
import pytest

from blemish.scoring.experts.expert import MAX_DEVIATION, fit_scaling, scaled


def test_scaling_has_unit_spread_and_a_limit():
    x = np.column_stack([np.arange(100.0), np.full(100, 7.0)])
    u = scaled(fit_scaling(x), x)
    assert u[:, 0].std() == pytest.approx(1)
    assert (u[:, 1] == 0).all()
    assert scaled(fit_scaling(x), np.array([[1e9, -1e9]])).tolist() == [[MAX_DEVIATION, -MAX_DEVIATION]]
