"""How much of normal samples lies above a cut on a map."""

import numpy as np
import pytest

from blemish.calibration.areas import AREAS, AreaLevels, area_levels
from blemish.core.errors import ArtifactError, ConfigError, DataError
from scoring_examples import check_stored


@pytest.mark.parametrize("area", [0.3, 0.01, 0.002])
def test_of_normal_area_no_more_lies_above_the_cut_than_was_promised(area):
    """In the mean of many draws: 1,000 parts to calibrate with, and as many new ones."""
    rng = np.random.default_rng(0)
    above = [np.mean(rng.normal(size=1000) > area_levels(rng.normal(size=1000)).cut(area)) for _ in range(400)]
    assert area * 0.4 < np.mean(above) <= area * (1 + 3 * np.std(above) / np.mean(above) / np.sqrt(400))


def test_too_small_an_area_is_refused_with_the_least_that_can_be_had():
    levels = area_levels(np.arange(100.0))
    assert np.isfinite(levels.cut(0.02))
    with pytest.raises(DataError, match="cannot be promised with the normal samples at hand; give at least 0.01"):
        levels.cut(0.001)
    for area in (0.0, -1.0, 0.6, np.nan):
        with pytest.raises(ConfigError, match="must be above 0 and at most 0.5"):
            levels.cut(area)


def test_levels_rise_as_the_area_falls():
    levels = area_levels(np.random.default_rng(0).normal(size=5000)).levels
    assert (np.diff(AREAS) < 0).all()
    assert (np.diff(levels) >= 0).all()


def test_what_was_stored_is_checked():
    levels = area_levels(np.random.default_rng(0).normal(size=50))
    check_stored(levels, AreaLevels.read)
    for bad in (levels.levels[::-1], np.zeros(201)):
        with pytest.raises(ArtifactError, match="levels"):
            AreaLevels(bad).check()
