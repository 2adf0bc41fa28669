"""What to expect of the top of a ranking."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blemish.calibration.conformal import conformal_p_values
from blemish.calibration.outlook import outlook
from blemish.core.errors import ConfigError


@pytest.mark.parametrize("share", [0.01, 0.1])
@pytest.mark.parametrize("reported", [0.02, 0.2])
def test_the_outlook_is_the_precision_among_new_rows(share, reported):
    rng = np.random.default_rng(0)
    p = conformal_p_values(rng.normal(size=40_000), rng.normal(2, 1, 4000))
    found = outlook(p, share, reported)
    defect = rng.random(400_000) < share
    scores = rng.normal(np.where(defect, 2, 0), 1)
    top = scores >= np.quantile(scores, 1 - reported)
    assert found.precision == pytest.approx(defect[top].mean(), abs=0.03)
    assert found.recall == pytest.approx(top[defect].mean(), abs=0.03)
    assert found.low <= found.precision <= found.high


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    st.lists(st.integers(1, 50).map(lambda k: k / 50), min_size=1, max_size=12),
    st.floats(0.001, 0.9),
    st.floats(0.001, 0.999),
)
def test_an_outlook_is_a_share_within_its_interval(p_values, share, reported):
    found = outlook(np.array(p_values), share, reported)
    assert 0 <= found.low <= found.precision <= found.high <= 1
    assert 0 <= found.recall <= 1
    assert found.precision * reported <= share + 1e-9


@pytest.mark.parametrize(("share", "reported"), [(0.0, 0.1), (0.1, 0.0), (1.0, 0.1), (0.1, 1.0)])
def test_an_outlook_needs_shares(share, reported):
    with pytest.raises(ConfigError, match="must lie strictly between 0 and 1"):
        outlook(np.array([0.1]), share, reported)
