"""The embedding of samples for suggestions."""

import numpy as np
import pytest

from blemish.review.embedding import embed, fit_embedding
from blemish.scoring.scorer import Scores


def test_every_feature_set_has_the_same_variance():
    rng = np.random.default_rng(0)
    views = {
        "large": 1000 * rng.normal(size=(300, 50)) + 7,
        "still": np.ones((300, 2)),
        "one": rng.normal(size=(300, 1)),
    }
    found = Scores(np.zeros(300), None, np.zeros((300, 3)), rng.normal(size=(300, 8)), views)
    axes = fit_embedding(found)
    assert [one.directions.shape[1] for one in axes.values()] == [32, 2, 1, 8]
    place = embed(found, axes)
    size = [np.square(part).sum(axis=1).mean() for part in np.split(place, [32, 34, 35], axis=1)]
    assert size == pytest.approx([1, 0, 1, 1], abs=1e-5)
    few = Scores(np.zeros(2), None, np.zeros((2, 3)), found.codes[:2], {name: x[:2] for name, x in views.items()})
    assert embed(few, axes) == pytest.approx(place[:2], abs=1e-5)
    views["one"][5] = np.nan  # a picture that cannot be read
    assert np.isnan(embed(found, fit_embedding(found))[5]).any()
    assert np.isfinite(embed(found, fit_embedding(found))[6:]).all()
