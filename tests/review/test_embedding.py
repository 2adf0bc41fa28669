"""The embedding of samples for suggestions."""

import numpy as np
import pytest

from blemish.review.embedding import embed, fit_embedding, fit_plane
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


def test_the_plane_is_that_of_the_principal_components():
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(50, 4)) * [1, 10, 0.1, 5]
    axes = fit_plane(codes)
    centred = codes - codes.mean(axis=0)
    values = np.linalg.eigvalsh(centred.T @ centred)[::-1]
    assert np.square(axes.place(codes)).sum(axis=0) == pytest.approx(values[:2])
    codes[7, 1] = np.nan
    assert np.isnan(fit_plane(codes).place(codes)).any(axis=1).tolist() == [row == 7 for row in range(50)]
    assert not fit_plane(codes[:5, :1]).place(codes[:5, :1])[:, 1].any()
