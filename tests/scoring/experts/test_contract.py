"""Contracts of every expert, found in the dict."""

from copy import deepcopy

import numpy as np
import pytest

from blemish.scoring.experts import EXPERTS
from blemish.scoring.experts.expert import Expert
from scoring_examples import features_for, island


@pytest.mark.parametrize("cls", EXPERTS.values(), ids=EXPERTS)
def test_experts_keep_their_promises(cls):
    x, is_defect, weight = features_for(cls)
    before = deepcopy(x)
    expert = cls()
    assert isinstance(expert, Expert)
    state = expert.fit(x, is_defect, weight, 0)
    again = expert.fit(x, is_defect, weight, 0)
    assert all(np.array_equal(state[name], again[name]) for name in state)
    score = expert.score(state, x)
    assert score.shape == (len(x),)
    assert all(np.array_equal(one, same) for one, same in zip(x, before, strict=True))
    np.testing.assert_allclose(expert.score(state, x[np.array([5])]), score[[5]], rtol=1e-9)
    assert expert.score(state, x[:0]).shape == (0,)
    if expert.uses_labels:
        assert np.median(score[is_defect]) > np.quantile(score[~is_defect], 0.99)


@pytest.mark.parametrize("cls", [e for e in EXPERTS.values() if not e.uses_labels], ids=lambda e: e.__name__)
def test_experts_without_labels_do_not_learn_from_labelled_defects(cls):
    x, is_defect, weight = island()
    moved = np.where(is_defect[:, None], x + 50, x)
    first, second = cls().fit(x, is_defect, weight, 0), cls().fit(moved, is_defect, weight, 0)
    assert all(np.array_equal(first[name], second[name]) for name in first)
