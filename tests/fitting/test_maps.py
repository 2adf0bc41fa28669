"""Where the defect is: levels of area, cuts and regions."""

import numpy as np

from blemish.core.labels import UNLABELLED
from blemish.fitting.maps import regions_above
from blemish.scoring.ensemble import Ensemble
from blemish.scoring.latent import Latent
from blemish.scoring.scorer import part_scores
from scoring_examples import example, pictures_of_parts


def test_scorers_without_parts_score_none():
    parts, group = pictures_of_parts()[0], np.repeat(UNLABELLED, 200)
    evidence = example(200, 0, 0)[0]
    ensemble, latent = Ensemble(), Latent()
    assert part_scores(latent, latent.fit(evidence, group), parts, labelled=False) is None
    state = ensemble.fit(evidence, group)
    assert part_scores(ensemble, state, parts, labelled=False) is None
    assert part_scores(ensemble, state, None, labelled=False) is None


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
