"""What the ensemble learns, as its model file keeps it; the arrays come back in test_scorer_contract."""

import numpy as np
import pytest

from blemish.core.errors import ArtifactError
from blemish.scoring.ensemble_state import Weighting

NUMBERS = np.array([0.25, 0.75])


@pytest.mark.parametrize(
    ("weights", "slope", "message"),
    [([0.5, 0.6], 1.0, "do not sum to 1"), ([-0.5, 1.5], 1.0, "do not sum to 1"), ([0.25, 0.75], 0.0, "not above 0")],
)
def test_weights_sum_to_one_and_the_odds_rise_with_the_score(weights, slope, message):
    zero = np.array(0.0)
    Weighting(zero, NUMBERS, NUMBERS, NUMBERS, NUMBERS, np.array(1.0), zero).check()
    with pytest.raises(ArtifactError, match=message):
        Weighting(zero, NUMBERS, np.array(weights), NUMBERS, NUMBERS, np.array(slope), zero).check()
