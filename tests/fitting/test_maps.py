"""Which scorers have maps."""

import numpy as np

from blemish.core.labels import UNLABELLED
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
