"""Every preset fits data of its kind and keeps the contract, whatever its parts."""

import re
from typing import Any

import numpy as np
import pytest
import torch

from blemish import DefectDetector
from blemish.presets import PRESETS
from conftest import modality_of


def states():
    """Python's own generator is left out: beartype draws from it. tests/test_detector.py watches it without beartype."""
    numpys: Any = np.random.get_state()  # noqa: NPY002 (it must stay untouched)
    return numpys[1].tolist(), torch.get_rng_state().tolist()


@pytest.mark.parametrize("name", PRESETS)
def test_presets_keep_the_contract(name, splits):
    split = splits[modality_of(name)]
    X, y = split.X_train[-60:], split.y_train[-60:]
    kept = X.copy()
    before = states()
    scorer = PRESETS[name].arguments.get("scorer", "latent")  # the experts have tests of their own
    det, again = (DefectDetector.from_preset(name, epochs=1, scorer=scorer, random_state=0).fit(X, y) for _ in "ab")
    assert states() == before, "global generators"
    rows = split.X_test[:40:2]
    for score in ("outlier_score", "defect_score"):
        scores = getattr(det, score)(rows)
        np.testing.assert_array_equal(scores, getattr(det, score)(rows))
        np.testing.assert_array_equal(scores, getattr(again, score)(rows))
        np.testing.assert_allclose(getattr(det, score)(rows[:3]), scores[:3], rtol=1e-5, atol=1e-7)
        assert np.isfinite(scores).all()
        assert len(np.unique(scores)) > len(rows) / 2
    np.testing.assert_allclose(det.predict_proba(rows).sum(axis=1), 1, rtol=1e-9)
    np.testing.assert_array_equal(X, kept)
    drawn = det.sample(3, random_state=0)
    assert drawn.shape == (3, *X.shape[1:])
    assert X.dtype == object or np.isfinite(drawn).all()
    np.testing.assert_array_equal(drawn, det.sample(3, random_state=0))
    assert det.decode(det.encode(rows[:2])).shape == rows[:2].shape


@pytest.mark.parametrize("name", PRESETS)
def test_presets_say_where_they_come_from(name):
    preset = PRESETS[name]
    assert preset.summary
    assert re.search(r"\b(19|20)\d\d\b|github\.com|docs/", preset.paper)
