"""Where the defect is: levels of area, cuts and regions."""

import numpy as np
import pytest

from blemish.core.errors import ConfigError, DataError
from blemish.fitting.maps import AREAS, area_levels, cut_for, regions_above
from blemish.scoring.ensemble import Ensemble
from blemish.scoring.latent import Latent
from scoring_examples import pictures_of_parts


def levels_of(scores):
    class Plain(Ensemble):
        def part_scores(self, state, parts, *, labelled):
            return scores

    return area_levels(Plain(), {"parts": np.array(1.0)}, pictures_of_parts()[0], labelled=False)


@pytest.mark.parametrize("area", [0.3, 0.01, 0.002])
def test_of_normal_area_no_more_lies_above_the_cut_than_was_promised(area):
    """In the mean of many draws: 1,000 parts to calibrate with, and as many new ones."""
    rng = np.random.default_rng(0)
    above = [np.mean(rng.normal(size=1000) > cut_for(levels_of(rng.normal(size=1000)), area)) for _ in range(400)]
    assert area * 0.4 < np.mean(above) <= area * (1 + 3 * np.std(above) / np.mean(above) / np.sqrt(400))


def test_too_small_an_area_is_refused_with_the_least_that_can_be_had():
    levels = levels_of(np.arange(100.0))
    assert np.isfinite(cut_for(levels, 0.02))
    with pytest.raises(DataError, match="cannot be promised with the normal samples at hand; give at least 0.01"):
        cut_for(levels, 0.001)
    for area in (0.0, -1.0, 0.6, np.nan):
        with pytest.raises(ConfigError, match="must be above 0 and at most 0.5"):
            cut_for(levels, area)
    with pytest.raises(DataError, match="no cut for maps"):
        cut_for(None, 0.01)


def test_levels_fall_as_the_area_grows():
    levels = levels_of(np.random.default_rng(0).normal(size=5000))
    assert (np.diff(AREAS) < 0).all()
    assert (levels[1:] >= levels[:-1]).all()


def test_scorers_without_parts_have_no_levels():
    parts = pictures_of_parts()[0]
    assert area_levels(Latent(), {}, parts, labelled=False) is None
    assert area_levels(Ensemble(), {}, parts, labelled=False) is None
    assert area_levels(Ensemble(), {"parts": np.array(1.0)}, None, labelled=False) is None


def test_regions_are_connected_also_by_corners_and_the_highest_comes_first():
    heat = np.zeros((6, 8), np.float32)
    heat[0, 0] = heat[1, 1] = 2.0
    heat[3:6, 4:8] = 5.0
    heat[4, 5] = 9.0
    assert regions_above(heat, 1.0) == [
        {"x": 4, "y": 3, "width": 4, "height": 3, "area": 12, "score": 9.0},
        {"x": 0, "y": 0, "width": 2, "height": 2, "area": 2, "score": 2.0},
    ]
    assert regions_above(heat, 9.0) == []
